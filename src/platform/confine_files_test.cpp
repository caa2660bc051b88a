// A process that may open little tries to open more.
#include "platform/confine_files.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>

namespace polder {
namespace {

class ConfinedFiles : public testing::Test {
 protected:
  void SetUp() override {
    if (!can_confine_files()) GTEST_SKIP() << "this kernel has no Landlock";
    root_ =
        std::filesystem::temp_directory_path() / ("polder-confined-" + std::to_string(::getpid()));
    for (const char* folder : {"in/deep", "secret"})
      std::filesystem::create_directories(root_ / folder);
    for (const char* file : {"in/deep/a", "secret/a", "one", "two"})
      std::ofstream(root_ / file) << "text";
    std::filesystem::create_symlink(root_ / "secret/a", root_ / "in/link");
  }
  void TearDown() override {
    if (!root_.empty()) std::filesystem::remove_all(root_);
  }
  std::string at(const char* path) const { return root_ / path; }
  int open(const char* path, int flags = O_RDONLY) const {
    const int fd = ::open(at(path).c_str(), flags | O_CLOEXEC, 0600);
    if (fd >= 0) ::close(fd);
    return fd;
  }
  bool refused(long result) const { return result < 0 && (errno == EACCES || errno == EXDEV); }
  // Runs it in a fork, confined; what it returns.
  template <class F>
  int confined(F body) const {
    const pid_t pid = ::fork();
    if (pid == 0) {
      const auto done = confine_files({at("in"), at("one"), at("not there")});
      ::_exit(done.ok() && *done ? body() : 100);
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 101;
  }
  std::filesystem::path root_;
};

TEST_F(ConfinedFiles, WhatIsAllowedGoesOn) {
  EXPECT_EQ(confined([&] {
              if (open("in/deep/a") < 0 || open("one") < 0) return 1;
              return open("in", O_RDONLY | O_DIRECTORY) < 0 ? 2 : 0;
            }),
            0);
}

TEST_F(ConfinedFiles, EverythingElseIsRefused) {
  EXPECT_EQ(confined([&] {
              if (!refused(open("secret/a")) || !refused(open("two"))) return 1;
              if (!refused(::open("/etc/passwd", O_RDONLY))) return 2;
              // A link leads nowhere that is not allowed.
              if (!refused(open("in/link"))) return 3;
              if (!refused(open("secret", O_RDONLY | O_DIRECTORY))) return 4;
              // Where it may read it may not write.
              if (!refused(open("in/deep/a", O_WRONLY)) || !refused(open("one", O_RDWR))) return 5;
              if (!refused(open("in/new", O_WRONLY | O_CREAT))) return 6;
              if (!refused(::unlink(at("in/deep/a").c_str()))) return 7;
              if (!refused(::mkdir(at("in/folder").c_str(), 0700))) return 8;
              if (!refused(::symlink("/etc", at("in/etc").c_str()))) return 9;
              if (!refused(::rename(at("in/deep/a").c_str(), at("in/b").c_str()))) return 10;
              if (!refused(::link(at("secret/a").c_str(), at("in/c").c_str()))) return 11;
              // A file without a name takes as much of a disk.
              if (!refused(open("in", O_WRONLY | O_TMPFILE))) return 12;
              return 0;
            }),
            0);
}

TEST_F(ConfinedFiles, ItIsForGood) {
  EXPECT_EQ(confined([&] {
              const auto more = confine_files({"/"});
              if (!more.ok() || !*more) return 1;
              return refused(open("secret/a")) ? 0 : 2;
            }),
            0);
}

}  // namespace
}  // namespace polder
