#include "measure/memory.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

namespace polder {
namespace {

TEST(ProcessMemory, ReadsItsLines) {
  auto memory = parse_process_status(
      "Name:\tVmRSS: x\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\nRssAnon:\t   512 kB\n");
  ASSERT_TRUE(memory.ok()) << memory.error().message;
  EXPECT_EQ(memory->peak_rss_bytes, 2 << 20);
  EXPECT_EQ(memory->rss_bytes, 1 << 20);
  EXPECT_EQ(memory->anon_bytes, 1 << 19);
}

TEST(ProcessMemory, SaysWhatIsWrong) {
  auto missing = parse_process_status("VmRSS:\t 1 kB\n");
  ASSERT_FALSE(missing.ok());
  EXPECT_NE(missing.error().message.find("VmHWM"), std::string::npos);
  EXPECT_FALSE(parse_process_status("VmRSS:\t 1 MB\nVmHWM: 1 kB\n").ok());
  EXPECT_FALSE(parse_process_status("VmRSS:").ok());
  EXPECT_FALSE(parse_process_status("").ok());
}

TEST(ProcessMemory, SeesPagesThatThisProcessTouches) {
  auto before = process_memory();
  ASSERT_TRUE(before.ok()) << before.error().message;
  std::vector<char> pages(64 << 20);
  std::memset(pages.data(), 1, pages.size());
  auto after = process_memory();
  ASSERT_TRUE(after.ok());
  EXPECT_GE(after->rss_bytes - before->rss_bytes, 60 << 20);
  EXPECT_GE(after->anon_bytes - before->anon_bytes, 60 << 20);
  EXPECT_GE(after->peak_rss_bytes, after->rss_bytes);
  EXPECT_EQ(pages[12345], 1);
}

}  // namespace
}  // namespace polder
