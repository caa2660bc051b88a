// Every task runs exactly once, for many small jobs in a row, parked or spinning.
#include "runtime/thread_pool.h"

#include <gtest/gtest.h>

#include <chrono>
#include <numeric>

namespace polder {

TEST(ThreadPool, EveryTaskOnce) {
  ThreadPool pool(4);
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
  ThreadPool pool(1);
  std::vector<int> order;
  pool.for_each(5, [&](int i) { order.push_back(i); });
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4}));
}

}  // namespace polder
