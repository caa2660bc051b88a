#include "measure/latency.h"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

namespace polder {
namespace {

std::vector<std::int64_t> one_to(int n) {
  std::vector<std::int64_t> samples(static_cast<std::size_t>(n));
  std::iota(samples.begin(), samples.end(), 1);
  return samples;
}

TEST(Percentile, IsTheNearestRank) {
  const auto hundred = one_to(100);
  EXPECT_EQ(percentile_ns(hundred, 50), 50);
  EXPECT_EQ(percentile_ns(hundred, 90), 90);
  EXPECT_EQ(percentile_ns(hundred, 99), 99);
  EXPECT_EQ(percentile_ns(hundred, 100), 100);
  EXPECT_EQ(percentile_ns(hundred, 0.001), 1);
  // Of five samples the 50th percentile is the third, the 90th and the 99th the fifth.
  const auto five = one_to(5);
  EXPECT_EQ(percentile_ns(five, 50), 3);
  EXPECT_EQ(percentile_ns(five, 90), 5);
  EXPECT_EQ(percentile_ns(five, 20), 1);
  EXPECT_EQ(percentile_ns(five, 20.001), 2);
  EXPECT_EQ(percentile_ns(one_to(1), 99), 1);
}

TEST(Percentile, RanksThatBinaryFractionsMiss) {
  for (int percent = 1; percent <= 100; ++percent)
    for (const int n : {100, 700, 1000})
      EXPECT_EQ(percentile_ns(one_to(n), percent), percent * n / 100) << percent << " of " << n;
}

TEST(Summarize, SortsAndCountsInMicroseconds) {
  std::vector<std::int64_t> samples = {3000, 1000, 2000, 10'000};
  const LatencySummary summary = summarize(samples);
  EXPECT_EQ(summary.runs, 4);
  EXPECT_DOUBLE_EQ(summary.min_us, 1);
  EXPECT_DOUBLE_EQ(summary.p50_us, 2);
  EXPECT_DOUBLE_EQ(summary.p90_us, 10);
  EXPECT_DOUBLE_EQ(summary.max_us, 10);
  EXPECT_DOUBLE_EQ(summary.mean_us, 4);
}

TEST(Summarize, NothingMeasured) { EXPECT_EQ(summarize({}).runs, 0); }

}  // namespace
}  // namespace polder
