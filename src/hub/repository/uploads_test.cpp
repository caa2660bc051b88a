#include "hub/repository/uploads.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "platform/file.h"
#include "trust/digest.h"

namespace polder::hub {
namespace {

class UploadsTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() /
              ("polder-uploads-" + std::to_string(::getpid()) + "-" +
               testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::remove_all(folder_);
    open();
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  void open() { uploads_ = Uploads::open(folder_).value(); }

  static std::string digest(std::string_view text) { return trust::hex(trust::sha256(text)); }
  Result<Uploaded> add(const std::string& whole, std::int64_t from, std::int64_t bytes) {
    return uploads_->add(digest(whole), {from, std::int64_t(whole.size())},
                         std::string_view(whole).substr(std::size_t(from), std::size_t(bytes)));
  }

  std::filesystem::path folder_;
  std::unique_ptr<Uploads> uploads_;
};

TEST_F(UploadsTest, PiecesBecomeAFile) {
  const std::string text = "one two three";
  EXPECT_EQ(uploads_->find(digest(text)).error().code, Code::kNotFound);
  EXPECT_EQ(add(text, 0, 4)->received, 4);
  EXPECT_FALSE(uploads_->find(digest(text))->is_whole);
  // A hub that was ended goes on where it was; a piece whose answer was lost is sent again.
  open();
  EXPECT_EQ(add(text, 0, 4)->received, 4);
  EXPECT_EQ(add(text, 2, 6)->received, 8);
  const auto gap = add(text, 9, 2);
  EXPECT_EQ(gap.error().code, Code::kInvalid);
  EXPECT_NE(gap.error().message.find("8 bytes so far"), std::string::npos);
  const auto last = add(text, 8, 5);
  ASSERT_TRUE(last.ok()) << last.error().message;
  EXPECT_TRUE(last->is_whole);
  EXPECT_EQ(read_file(uploads_->path(digest(text)), 100).value(), text);
  EXPECT_TRUE(add(text, 0, 4)->is_whole);  // and what is there is not taken again
}

TEST_F(UploadsTest, AnEmptyFileIsOne) { EXPECT_TRUE(add("", 0, 0)->is_whole); }

TEST_F(UploadsTest, AnotherFileThanWasSaidIsForgotten) {
  const std::string named = digest("what was said");
  const auto other = uploads_->add(named, {0, 5}, "other");
  EXPECT_EQ(other.error().code, Code::kInvalid);
  EXPECT_NE(other.error().message.find(digest("other")), std::string::npos);
  EXPECT_EQ(uploads_->find(named).error().code, Code::kNotFound);
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
}

TEST_F(UploadsTest, WhatIsTooLargeIsRefusedBeforeItComes) {
  EXPECT_EQ(uploads_->add(digest("x"), {0, kMaxUploadBytes + 1}, "x").error().code, Code::kInvalid);
  EXPECT_EQ(uploads_->add(digest("x"), {0, 1}, "xy").error().code, Code::kInvalid);
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
}

TEST_F(UploadsTest, FilesThatNobodyTookAreAtMostSoMany) {
  for (std::size_t i = 0; i <= kMaxUploads; ++i)
    ASSERT_TRUE(std::ofstream(folder_ / std::to_string(i)).good());
  const auto more = add("one more", 0, 3);
  EXPECT_EQ(more.error().code, Code::kIncompatible) << more.error().message;
  EXPECT_NE(more.error().message.find("remove some"), std::string::npos) << more.error().message;
}

TEST_F(UploadsTest, WhatNobodyTookGoes) {
  EXPECT_TRUE(add("whole", 0, 5)->is_whole);
  EXPECT_FALSE(add("in part", 0, 2)->is_whole);
  struct stat info {};
  ASSERT_EQ(::stat(uploads_->path(digest("whole")).c_str(), &info), 0);
  ASSERT_TRUE(uploads_->forget_before(info.st_mtime).ok());
  EXPECT_TRUE(uploads_->find(digest("whole"))->is_whole);
  ASSERT_TRUE(uploads_->forget_before(info.st_mtime + 60).ok());
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
}

}  // namespace
}  // namespace polder::hub
