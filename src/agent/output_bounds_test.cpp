#include "agent/output_bounds.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "agent/kept_output.h"

namespace polder::agent {
namespace {

namespace fs = std::filesystem;

class OutputBounds : public testing::Test {
 protected:
  OutputBounds() {
    std::string pattern = testing::TempDir() + "polder-output-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    fs::create_directory(folder());
  }
  ~OutputBounds() override { fs::remove_all(folder_); }
  void write(const std::string& name, std::size_t bytes) {
    std::ofstream(folder() + "/" + name) << std::string(bytes, 'x');
    // Later than the one before, whatever the file system's clock counts in.
    fs::last_write_time(folder() + "/" + name, fs::file_time_type() + std::chrono::hours(++age_));
  }
  std::set<std::string> names() const {
    std::set<std::string> all;
    for (const auto& entry : fs::directory_iterator(folder()))
      all.insert(entry.path().filename().string());
    return all;
  }
  std::string folder() const { return folder_ + "/people"; }

  std::string folder_;
  int age_ = 0;
};

TEST_F(OutputBounds, WhatAWorkerKeepsIsLeftAlone) {
  write("00000001-events.jsonl", 600);
  write("events.jsonl", 400);
  EXPECT_TRUE(check_output(folder(), 1000).ok());
  EXPECT_TRUE(trim_output(folder(), 1000).ok());
  EXPECT_EQ(names().size(), 2u);
  EXPECT_TRUE(check_output(folder() + "/none", 1000).ok());
}

TEST_F(OutputBounds, TooManyBytesAndTheOldestGo) {
  write("b", 600);
  write("a", 600);
  write("events.jsonl", 400);
  const Status status = check_output(folder(), 1000);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, Code::kExhausted);
  EXPECT_NE(status.error().message.find("1600 bytes, 1000 are allowed"), std::string::npos);
  EXPECT_TRUE(trim_output(folder(), 1000).ok());
  EXPECT_EQ(names(), (std::set<std::string>{"a", "events.jsonl"}));
}

TEST_F(OutputBounds, FoldersAndLinksAreNoOutputAndLeadNowhere) {
  std::ofstream(folder_ + "/kept") << "x";
  fs::create_directories(folder() + "/deep/er");
  std::ofstream(folder() + "/deep/er/file") << std::string(2000, 'x');
  fs::create_directory_symlink(folder_, folder() + "/link");
  write("events.jsonl", 400);
  EXPECT_FALSE(check_output(folder(), 1000).ok());
  EXPECT_TRUE(trim_output(folder(), 1000).ok());
  EXPECT_EQ(names(), (std::set<std::string>{"events.jsonl"}));
  EXPECT_TRUE(fs::exists(folder_ + "/kept"));
}

TEST_F(OutputBounds, TooManyFiles) {
  for (std::size_t i = 0; i < kMaxKeptFiles + 200; ++i)
    std::ofstream(folder() + "/" + std::to_string(i));
  EXPECT_EQ(check_output(folder(), 1000).error().code, Code::kExhausted);
  EXPECT_TRUE(trim_output(folder(), 1000).ok());
  EXPECT_EQ(names().size(), kMaxKeptFiles);
}

}  // namespace
}  // namespace polder::agent
