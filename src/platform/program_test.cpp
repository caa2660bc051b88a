#include "platform/program.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace polder {
namespace {

void write_program(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
  ASSERT_EQ(::chmod(path.c_str(), 0700), 0);
}

// Becomes it, with these arguments.
void become(const ProgramFile& program, std::vector<std::string> words) {
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  static_cast<void>(program.become(argv.data()));
}

class ProgramFileDeathTest : public testing::Test {
 protected:
  ProgramFileDeathTest() {
    std::string name = testing::TempDir() + "program.XXXXXX";
    folder_ = ::mkdtemp(name.data());
    path_ = folder_ + "/program";
  }
  ~ProgramFileDeathTest() override { std::filesystem::remove_all(folder_); }

  std::string folder_, path_;
};

TEST_F(ProgramFileDeathTest, IsReadAsItIsRun) {
  std::ifstream file("/bin/sh", std::ios::binary);
  const std::string shell{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  write_program(path_, shell);
  const auto program = ProgramFile::open(path_);
  ASSERT_TRUE(program.ok()) << program.error().message;
  std::string bytes(shell.size() + 1, 0);
  EXPECT_EQ(program->read(0, bytes).value(), shell.size());
  bytes.pop_back();
  EXPECT_TRUE(bytes == shell);
  EXPECT_EQ(program->size(), shell.size());
  // Another one takes its name.
  write_program(path_ + ".new", "#!/bin/sh\nexit 8\n");
  std::filesystem::rename(path_ + ".new", path_);
  EXPECT_EXIT(become(*program, {"program", "-c", "exit 7"}), testing::ExitedWithCode(7), "");
}

TEST_F(ProgramFileDeathTest, MayBeAScript) {
  write_program(path_, "#!/bin/sh\nexit $1\n");
  const auto program = ProgramFile::open(path_);
  ASSERT_TRUE(program.ok());
  EXPECT_EXIT(become(*program, {"program", "7"}), testing::ExitedWithCode(7), "");
}

TEST_F(ProgramFileDeathTest, WhatIsNone) {
  const auto code = [](const std::string& path) { return ProgramFile::open(path).error().code; };
  EXPECT_EQ(code(path_), Code::kNotFound);
  EXPECT_EQ(code(folder_), Code::kInvalid);
  EXPECT_EQ(code("/dev/null"), Code::kInvalid);
  std::filesystem::create_symlink("/bin/sh", path_);
  EXPECT_FALSE(ProgramFile::open(path_).ok());
  // One that the kernel does not know.
  write_program(path_ + ".other", "neither");
  char* argv[] = {nullptr};
  const Status status = ProgramFile::open(path_ + ".other")->become(argv);
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.error().message.find("program.other: cannot start"), std::string::npos);
}

}  // namespace
}  // namespace polder
