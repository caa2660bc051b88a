#include "platform/temporary.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>

namespace polder {
namespace {

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

TEST(TemporaryFile, IsThereUntilItsOwnerGoes) {
  std::string path;
  {
    auto made = TemporaryFile::create(".plan");
    ASSERT_TRUE(made.ok()) << made.error().message;
    path = made->path();
    EXPECT_TRUE(path.ends_with(".plan"));
    EXPECT_TRUE(exists(path));
    const TemporaryFile moved = std::move(*made);
    EXPECT_EQ(moved.path(), path);
    EXPECT_TRUE(exists(path));
  }
  EXPECT_FALSE(exists(path));
}

TEST(TemporaryFile, TwoAreNotTheSame) {
  auto a = TemporaryFile::create(""), b = TemporaryFile::create("");
  ASSERT_TRUE(a.ok() && b.ok());
  EXPECT_NE(a->path(), b->path());
}

TEST(TemporaryFile, WithoutItsFolderIsAnError) {
  const char* const before = std::getenv("TMPDIR");
  const std::optional<std::string> kept =
      before ? std::optional<std::string>(before) : std::nullopt;
  ::setenv("TMPDIR", "/nowhere", 1);
  auto made = TemporaryFile::create(".x");
  kept ? ::setenv("TMPDIR", kept->c_str(), 1) : ::unsetenv("TMPDIR");
  ASSERT_FALSE(made.ok());
  EXPECT_NE(made.error().message.find("/nowhere"), std::string::npos);
}

}  // namespace
}  // namespace polder
