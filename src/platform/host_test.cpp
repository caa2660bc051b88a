#include "platform/host.h"

#include <gtest/gtest.h>

namespace polder {
namespace {

TEST(Host, ReadsFilesThatStateNoSize) {
  auto status = read_kernel_text("/proc/self/status");
  ASSERT_TRUE(status.ok()) << status.error().message;
  EXPECT_NE(status->find("\nVmHWM:"), std::string::npos);
  auto mappings = read_kernel_text("/proc/self/smaps");  // several blocks long
  ASSERT_TRUE(mappings.ok()) << mappings.error().message;
  EXPECT_GT(mappings->size(), 32u << 10);
  EXPECT_EQ(mappings->back(), '\n');
}

TEST(Host, ErrorsNameThePath) {
  auto missing = read_kernel_text("/proc/none");
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code, Code::kNotFound);
  EXPECT_NE(missing.error().message.find("/proc/none"), std::string::npos);
  EXPECT_FALSE(read_kernel_text("/proc").ok());
}

TEST(Host, WhatIsReleasedComesBack) {
  release_idle_memory();
  EXPECT_TRUE(read_kernel_text("/proc/self/status").ok());
  release_idle_memory();
  EXPECT_FALSE(read_kernel_text("/proc").ok());
}

TEST(Host, CountsCores) { EXPECT_GE(usable_cores(), 1); }

}  // namespace
}  // namespace polder
