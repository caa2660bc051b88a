#include "platform/thread.h"

#include <gtest/gtest.h>

#include <atomic>

#include "platform/fail_threads.h"
#include "platform/testing.h"

namespace polder {
namespace {

void count_up(void* counter) { ++*static_cast<std::atomic<int>*>(counter); }

TEST(ThreadGroup, EachThreadRunsTheFunctionOnce) {
  std::atomic<int> counter{0};
  ThreadGroup group;
  ASSERT_TRUE(group.start(5, count_up, &counter).ok());
  EXPECT_EQ(group.size(), 5);
  group.join();
  EXPECT_EQ(counter, 5);
  ASSERT_TRUE(group.start(2, count_up, &counter).ok());
  group.join();
  EXPECT_EQ(counter, 7);
}

TEST(ThreadGroup, WhatCannotBeStartedIsAnError) {
  std::atomic<int> counter{0};
  ThreadGroup group;
  {
    const NoNewThreads limit;
    const Status status = group.start(3, count_up, &counter);
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, Code::kExhausted);
    EXPECT_NE(status.error().message.find("thread 2 of 4 cannot be started"), std::string::npos)
        << status.error().message;
    EXPECT_NE(status.error().message.find("fewer (--threads)"), std::string::npos);
    EXPECT_EQ(group.size(), 0);
  }
  EXPECT_TRUE(group.start(3, count_up, &counter).ok());
  group.join();
  EXPECT_EQ(counter, 3);
}

// Those before it have been started: they run to their end.
TEST(ThreadGroup, FailingInTheMiddleLeavesTheOthersToJoin) {
#ifdef POLDER_SANITIZED
  GTEST_SKIP() << "sanitizers must see each thread";
#endif
  std::atomic<int> counter{0};
  {
    ThreadGroup group;
    g_threads_left = 1;
    const Status status = group.start(3, count_up, &counter);
    g_threads_left = 1 << 30;
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, Code::kExhausted);
    EXPECT_NE(status.error().message.find("thread 3 of 4 cannot be started"), std::string::npos)
        << status.error().message;
    EXPECT_EQ(group.size(), 1);
  }
  EXPECT_EQ(counter, 1);
}

}  // namespace
}  // namespace polder
