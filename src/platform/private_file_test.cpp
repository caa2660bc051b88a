#include "platform/private_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace polder {
namespace {

namespace fs = std::filesystem;

class PrivateFile : public testing::Test {
 protected:
  PrivateFile() {
    std::string name = testing::TempDir() + "private.XXXXXX";
    folder_ = ::mkdtemp(name.data());
  }
  ~PrivateFile() override { fs::remove_all(folder_); }
  std::string path(const std::string& name) const { return folder_ + "/" + name; }
  std::string text(const std::string& name) const {
    char buffer[100];
    const auto size = read_private_file(path(name), buffer);
    return size.ok() ? std::string(buffer, *size) : size.error().message;
  }
  std::ptrdiff_t count() const {
    return std::distance(fs::directory_iterator(folder_), fs::directory_iterator());
  }
  std::string folder_;
};

TEST_F(PrivateFile, ACredentialOfSystemdIsRoots) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root makes one";
  ASSERT_TRUE(create_private_file(path("pin"), "1234").ok());
  const auto mode = [&](mode_t bits) { ::chmod(path("pin").c_str(), bits); };
  mode(0440);  // a list of access shows so
  EXPECT_EQ(text("pin"), "1234");
  for (const mode_t bits : {0640u, 0460u, 0444u, 0441u}) {
    mode(bits);
    EXPECT_NE(text("pin").find("chmod 600"), std::string::npos) << bits;
  }
  mode(0440);
  ASSERT_EQ(::chown(path("pin").c_str(), 0, 1), 0);
  EXPECT_NE(text("pin").find("chmod 600"), std::string::npos);
}

TEST_F(PrivateFile, IsMadeForItsOwnerAloneWhateverTheMaskSays) {
  for (const mode_t mask : {0u, 022u, 0777u}) {
    const mode_t before = ::umask(mask);
    const std::string name = "a" + std::to_string(mask);
    const bool made = create_private_file(path(name), "secret").ok();
    ::umask(before);
    ASSERT_TRUE(made);
    struct stat info {};
    ASSERT_EQ(::stat(path(name).c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777u, 0600u);
    EXPECT_EQ(info.st_nlink, 1u);
    EXPECT_EQ(text(name), "secret");
  }
  EXPECT_EQ(count(), 3);  // no draft is left
}

TEST_F(PrivateFile, ReplacesNothingThatIsThere) {
  ASSERT_TRUE(create_private_file(path("a"), "first").ok());
  EXPECT_EQ(create_private_file(path("a"), "second").error().code, Code::kDenied);
  EXPECT_EQ(text("a"), "first");
  fs::create_symlink("nowhere", path("link"));
  EXPECT_EQ(create_private_file(path("link"), "x").error().code, Code::kDenied);
  EXPECT_EQ(create_private_file(folder_, "x").error().code, Code::kDenied);
  EXPECT_EQ(create_private_file(path("none/a"), "x").error().code, Code::kNotFound);
  EXPECT_EQ(count(), 2);
}

TEST_F(PrivateFile, IsReplacedAsAWhole) {
  ASSERT_TRUE(create_private_file(path("a"), "first").ok());
  ASSERT_TRUE(replace_private_file(path("a"), "second").ok());
  EXPECT_EQ(text("a"), "second");
  fs::create_symlink("a", path("link"));
  EXPECT_EQ(replace_private_file(path("link"), "x").error().code, Code::kInvalid);
  EXPECT_EQ(replace_private_file(path("none"), "x").error().code, Code::kNotFound);
  EXPECT_EQ(text("a"), "second");
  EXPECT_EQ(count(), 2);
}

TEST_F(PrivateFile, OfAnotherUserIsRefused) {
  if (::geteuid() != 0) GTEST_SKIP() << "giving a file away needs root";
  ASSERT_TRUE(create_private_file(path("a"), "secret").ok());
  ASSERT_EQ(::chown(path("a").c_str(), 12345, 0), 0);
  EXPECT_NE(text("a").find("belongs to another user (uid 12345)"), std::string::npos) << text("a");
  EXPECT_EQ(text("a").find("chown"), std::string::npos) << "its user would lose it";
}

TEST_F(PrivateFile, TooLargeAPipeOrAFolderIsRefused) {
  ASSERT_TRUE(create_private_file(path("a"), std::string(101, 'a')).ok());
  EXPECT_NE(text("a").find("at most 100"), std::string::npos) << text("a");
  ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
  char buffer[10];
  EXPECT_EQ(read_private_file(path("pipe"), buffer).error().code, Code::kInvalid);
  EXPECT_EQ(read_private_file(folder_, buffer).error().code, Code::kInvalid);
}

}  // namespace
}  // namespace polder
