// Every task runs exactly once, for many small jobs in a row, parked or spinning.
#include "runtime/thread_pool.h"

#include <gtest/gtest.h>

#include <chrono>
#include <numeric>
#include <thread>
#include <vector>

#include "platform/fail_threads.h"
#include "platform/testing.h"

namespace polder {

TEST(ThreadPool, EveryTaskOnce) {
  const auto started = ThreadPool::start(4);
  ASSERT_TRUE(started.ok()) << started.error().message;
  ThreadPool& pool = **started;
  EXPECT_EQ(pool.width(), 4);
  for (int round = 0; round < 2000; ++round) {
    const int count = round % 37;
    std::vector<int> hits(std::size_t(count), 0);
    pool.for_each(count, [&](int i) { ++hits[std::size_t(i)]; });
    EXPECT_EQ(std::accumulate(hits.begin(), hits.end(), 0), count);
    for (const int hit : hits) EXPECT_EQ(hit, 1);
    if (round % 500 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(3));
  }
}

TEST(ThreadPool, WidthOneRunsInOrderOnTheCaller) {
  const auto pool = ThreadPool::start(1);
  ASSERT_TRUE(pool.ok());
  std::vector<int> order;
  (*pool)->for_each(5, [&](int i) { order.push_back(i); });
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4}));
}

TEST(ThreadPool, ThreadsThatCannotBeStartedAreAnError) {
  const NoNewThreads limit;
  const auto pool = ThreadPool::start(3);
  ASSERT_FALSE(pool.ok());
  EXPECT_EQ(pool.error().code, Code::kExhausted);
  EXPECT_NE(pool.error().message.find("of 3"), std::string::npos) << pool.error().message;
}

// A worker that waits is told to end; the test ends, too.
TEST(ThreadPool, FailingAtTheSecondWorkerEndsTheFirst) {
#ifdef POLDER_SANITIZED
  GTEST_SKIP() << "sanitizers must see each thread";
#endif
  g_threads_left = 1;
  const auto pool = ThreadPool::start(3);
  g_threads_left = 1 << 30;
  ASSERT_FALSE(pool.ok());
  EXPECT_NE(pool.error().message.find("thread 3 of 3"), std::string::npos) << pool.error().message;
}

}  // namespace polder
