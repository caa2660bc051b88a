#include "platform/folder.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "platform/file.h"

namespace polder {
namespace {

class FolderTest : public testing::Test {
 protected:
  FolderTest() {
    std::string pattern = testing::TempDir() + "/folder_test.XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
  }
  ~FolderTest() override { std::filesystem::remove_all(folder_); }
  std::string folder_;
};

TEST_F(FolderTest, IsWalkedInTheOrderOfPartsWithoutFollowingLinks) {
  ASSERT_TRUE(make_folders(folder_ + "/a/deep"));
  ASSERT_TRUE(write_file_atomic(folder_ + "/a/deep/x", "12345"));
  ASSERT_TRUE(write_file_atomic(folder_ + "/a.txt", ""));
  ASSERT_EQ(::symlink("/etc", (folder_ + "/link").c_str()), 0);
  ASSERT_EQ(::mkfifo((folder_ + "/pipe").c_str(), 0600), 0);
  const auto entries = walk_folder(folder_, 10).value();
  std::string text;
  for (const FolderEntry& entry : entries) {
    text += entry.path + ":" + std::to_string(int(entry.kind)) + ":" + std::to_string(entry.bytes) +
            " ";
  }
  EXPECT_EQ(text, "a:1:0 a/deep:1:0 a/deep/x:0:5 a.txt:0:0 link:2:0 pipe:3:0 ");
  EXPECT_EQ(walk_folder(folder_, 5).error().code, Code::kExhausted);
  EXPECT_EQ(entry_kind(folder_ + "/link").value(), EntryKind::kLink);
  EXPECT_EQ(entry_kind(folder_ + "/a").value(), EntryKind::kFolder);
}

TEST_F(FolderTest, ThatIsNoneOrTooDeepIsAnError) {
  EXPECT_EQ(walk_folder(folder_ + "/none", 10).error().code, Code::kNotFound);
  EXPECT_EQ(entry_kind(folder_ + "/none").error().code, Code::kNotFound);
  ASSERT_TRUE(write_file_atomic(folder_ + "/file", "x"));
  EXPECT_EQ(walk_folder(folder_ + "/file", 10).error().code, Code::kInvalid);
  std::string deep = folder_;
  for (int i = 0; i < kMaxFolderDepth; ++i) deep += "/d";
  ASSERT_TRUE(make_folders(deep));
  EXPECT_EQ(walk_folder(folder_, 1000).error().code, Code::kExhausted);
}

TEST_F(FolderTest, KnowsWhatLiesInIt) {
  ASSERT_TRUE(make_folders(folder_ + "/a/b"));
  ASSERT_EQ(::symlink((folder_ + "/a").c_str(), (folder_ + "/to_a").c_str()), 0);
  EXPECT_EQ(path_below(folder_ + "/a", folder_ + "/a/b/new").value(), "b/new");
  EXPECT_EQ(path_below(folder_ + "/to_a", folder_ + "/a/./b/../new").value(), "new");
  EXPECT_EQ(path_below(folder_ + "/a", folder_ + "/to_a/b").value(), "b");
  EXPECT_EQ(path_below(folder_ + "/a", folder_ + "/a").value(), "");
  EXPECT_EQ(path_below(folder_ + "/a", folder_ + "/ab").value(), "");
  EXPECT_EQ(path_below(folder_ + "/a", folder_ + "/a/../new").value(), "");
  EXPECT_EQ(path_below(folder_ + "/none", folder_).error().code, Code::kNotFound);
}

TEST_F(FolderTest, IsFilledAndThenThereOrNeverWas) {
  const std::string path = folder_ + "/release";
  {
    NewFolder given_up = NewFolder::create(path).value();
    ASSERT_TRUE(make_folders(given_up.path() + "/a/b"));
    ASSERT_TRUE(write_file_atomic(given_up.path() + "/a/b/c", "x"));
    EXPECT_EQ(entry_kind(path).error().code, Code::kNotFound);
  }
  EXPECT_TRUE(walk_folder(folder_, 10).value().empty());
  {
    NewFolder folder = NewFolder::create(path + "/").value();
    ASSERT_TRUE(write_file_atomic(folder.path() + "/c", "x"));
    ASSERT_TRUE(folder.commit());
  }
  EXPECT_EQ(walk_folder(folder_, 10).value().size(), 2u);
  EXPECT_EQ(read_file(path + "/c", 10).value(), "x");
  EXPECT_EQ(NewFolder::create(path).error().code, Code::kDenied);
  EXPECT_EQ(NewFolder::create(folder_ + "/none/x").error().code, Code::kNotFound);
}

TEST_F(FolderTest, ThatCameMeanwhileIsNotReplaced) {
  const std::string path = folder_ + "/release";
  NewFolder first = NewFolder::create(path).value(), second = NewFolder::create(path).value();
  ASSERT_TRUE(write_file_atomic(first.path() + "/x", "first"));
  ASSERT_TRUE(write_file_atomic(second.path() + "/x", "second"));
  ASSERT_TRUE(first.commit());
  EXPECT_EQ(second.commit().error().code, Code::kDenied);
  EXPECT_EQ(read_file(path + "/x", 10).value(), "first");
}

}  // namespace
}  // namespace polder
