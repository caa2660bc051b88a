#include "platform/file.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstring>
#include <filesystem>

#include "platform/clock.h"

namespace polder {
namespace {

class FileTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/polder_file_XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  int entries() const {
    int count = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder_)) ++count;
    return count;
  }
  std::string folder_;
};

TEST_F(FileTest, AtomicWriteThenReadAndMap) {
  const std::string path = folder_ + "/a.txt";
  ASSERT_TRUE(write_file_atomic(path, "one").ok());
  ASSERT_TRUE(write_file_atomic(path, "polder").ok());
  EXPECT_EQ(*read_file(path, 100), "polder");
  auto mapped = MappedFile::open(path);
  ASSERT_TRUE(mapped.ok());
  EXPECT_EQ(mapped->bytes().size(), 6u);
  EXPECT_EQ(char(mapped->bytes()[0]), 'p');
  EXPECT_EQ(entries(), 1);
}

TEST_F(FileTest, ErrorsNameThePath) {
  const auto missing = read_file(folder_ + "/none", 10);
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code, Code::kNotFound);
  EXPECT_NE(missing.error().message.find("/none"), std::string::npos);
  ASSERT_TRUE(write_file_atomic(folder_ + "/big", "0123456789").ok());
  EXPECT_EQ(read_file(folder_ + "/big", 9).error().code, Code::kExhausted);
  EXPECT_EQ(read_file(folder_, 9).error().code, Code::kInvalid);
  EXPECT_FALSE(MappedFile::open(folder_ + "/none").ok());
  EXPECT_FALSE(write_file_atomic(folder_ + "/no/such/folder", "x").ok());
}

TEST_F(FileTest, ListsByName) {
  for (const char* name : {"/b", "/a", "/c"})
    ASSERT_TRUE(write_file_atomic(folder_ + name, "").ok());
  const auto names = list_folder(folder_, 3);
  ASSERT_TRUE(names.ok());
  EXPECT_EQ(*names, (std::vector<std::string>{folder_ + "/a", folder_ + "/b", folder_ + "/c"}));
  EXPECT_EQ(list_folder(folder_, 2).error().code, Code::kExhausted);
  EXPECT_EQ(list_folder(folder_ + "/none", 2).error().code, Code::kNotFound);
}

TEST_F(FileTest, WithoutCommitNothingStays) {
  DiskStore disk;
  {
    auto file = disk.create(folder_ + "/half");
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE((*file)->write("half").ok());
    EXPECT_FALSE(std::filesystem::exists(folder_ + "/half"));
  }
  EXPECT_EQ(entries(), 0);
}

TEST_F(FileTest, SeekOverwrites) {
  DiskStore disk;
  auto file = disk.create(folder_ + "/s");
  ASSERT_TRUE((*file)->write("hello world").ok());
  ASSERT_TRUE((*file)->seek(0).ok());
  ASSERT_TRUE((*file)->write("J").ok());
  ASSERT_TRUE((*file)->commit().ok());
  EXPECT_EQ(*read_file(folder_ + "/s", 100), "Jello world");
}

TEST_F(FileTest, ResolvesOnlyWithinTheFolder) {
  ASSERT_TRUE(make_folders(folder_ + "/in/sub").ok());
  ASSERT_TRUE(write_file_atomic(folder_ + "/in/sub/data", "x").ok());
  ASSERT_TRUE(write_file_atomic(folder_ + "/secret", "x").ok());
  std::filesystem::create_symlink(folder_ + "/secret", folder_ + "/in/link");
  const auto inside = resolve_within(folder_ + "/in", "sub/data");
  ASSERT_TRUE(inside.ok()) << inside.error().message;
  EXPECT_EQ(*read_file(*inside, 10), "x");
  for (const std::string& path : {std::string("../secret"), folder_ + "/secret",
                                  std::string("sub/../../secret"), std::string("link")}) {
    const auto outside = resolve_within(folder_ + "/in", path);
    ASSERT_FALSE(outside.ok()) << path;
    EXPECT_EQ(outside.error().code, Code::kDenied) << path;
  }
  EXPECT_EQ(resolve_within(folder_ + "/in", "none").error().code, Code::kNotFound);
}

TEST_F(FileTest, ReleasedPagesAreReadAgain) {
  const std::string text(50000, 'p');
  ASSERT_TRUE(write_file_atomic(folder_ + "/m", text).ok());
  const auto mapped = MappedFile::open(folder_ + "/m");
  ASSERT_TRUE(mapped.ok());
  mapped->release(mapped->bytes().subspan(100));
  EXPECT_EQ(std::memcmp(mapped->bytes().data(), text.data(), text.size()), 0);
}

TEST(DiskStore, WritesToDevicesInsteadOfReplacingThem) {
  namespace fs = std::filesystem;
  char folder[] = "/tmp/polder_file_XXXXXX";
  ASSERT_NE(mkdtemp(folder), nullptr);
  const std::string null = folder + std::string("/null"), full = folder + std::string("/full");
  fs::create_symlink("/dev/null", null);
  fs::create_symlink("/dev/full", full);
  EXPECT_TRUE(write_file_atomic(null, "abc").ok());
  EXPECT_TRUE(fs::is_symlink(null));
  EXPECT_EQ(write_file_atomic(full, "abc").error().code, Code::kExhausted);
  EXPECT_TRUE(fs::is_symlink(full));
  EXPECT_EQ(write_file_atomic(folder, "abc").error().code, Code::kInvalid);
  fs::remove_all(folder);
}

TEST(MemoryStore, FullDiskFailsAndKeepsNothing) {
  MemoryStore store(8);
  auto file = store.create("x");
  ASSERT_TRUE((*file)->write("12345678").ok());
  ASSERT_TRUE((*file)->seek(0).ok());
  ASSERT_TRUE((*file)->write("abc").ok());  // in place: no growth
  ASSERT_TRUE((*file)->seek(8).ok());
  const Status full = (*file)->write("9");
  ASSERT_FALSE(full.ok());
  EXPECT_EQ(full.error().code, Code::kExhausted);
  EXPECT_TRUE(store.files().empty());
  ASSERT_TRUE((*file)->commit().ok());
  EXPECT_EQ(store.files().at("x"), "abc45678");
}

TEST(Clock, ManualMovesOnlyForward) {
  ManualClock clock;
  clock.sleep_until_us(50);
  clock.sleep_until_us(20);
  EXPECT_EQ(clock.now_us(), 50);
  SystemClock system;
  const auto before = system.now_us();
  system.sleep_until_us(before + 1000);
  EXPECT_GE(system.now_us(), before + 1000);
}

}  // namespace
}  // namespace polder
