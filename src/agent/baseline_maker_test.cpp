// Bins of baselines, and what of long runs they are made of.
#include "agent/baseline_maker.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

namespace polder::agent {
namespace {

telemetry::BinCounts counts_of(const std::vector<double>& values) {
  const std::vector<double> edges = baseline_edges(values);
  EXPECT_EQ(edges.size(), std::size_t(telemetry::kBins - 1));
  EXPECT_TRUE(std::ranges::is_sorted(edges, std::less_equal<>()));
  telemetry::Histogram bins(edges);
  for (const double value : values) bins.add(value);
  EXPECT_EQ(bins.count(), values.size());
  // Nothing that was seen is beyond the outer edges, which are for what is not like it.
  EXPECT_EQ(bins.counts().front(), 0u);
  EXPECT_EQ(bins.counts().back(), 0u);
  return bins.counts();
}

TEST(Baselines, EachBinHasAsMany) {
  std::vector<double> values;
  for (int i = 0; i < 1400; ++i) values.push_back(std::pow(i / 1400.0, 2) * 0.3 + 0.1);
  const auto counts = counts_of(values);
  // But those at the low end, which are narrower than a 256th of the range by themselves.
  for (int i = 3; i < telemetry::kBins - 1; ++i) EXPECT_NEAR(double(counts[i]), 100, 60) << i;
}

TEST(Baselines, ValuesThatAreEqualAreInOneBin) {
  EXPECT_EQ(counts_of(std::vector<double>(300, 0.5))[1], 300u);
  EXPECT_EQ(counts_of({0.0})[1], 1u);
  std::vector<double> two(200, 0.25);
  two.resize(300, 1);
  const auto counts = counts_of(two);
  EXPECT_EQ(counts[1], 200u);
  EXPECT_EQ(*std::ranges::max_element(counts.begin() + 2, counts.end()), 100u);
}

TEST(Baselines, OfALongRunEverySecondValueIsLeftOut) {
  for (const int run : {1, 7, 8, 9, 15, 16, 17, 32, 33, 1000}) {
    ThinnedValues thinned(8);
    for (int i = 0; i < run; ++i) thinned.add(i);
    const std::vector<double>& values = thinned.values();
    ASSERT_LE(values.size(), 8u) << run;
    ASSERT_GE(values.size(), std::min<std::size_t>(run, 4)) << run;
    const double stride = values.size() > 1 ? values[1] : 1;
    for (std::size_t i = 0; i < values.size(); ++i) EXPECT_EQ(values[i], double(i) * stride) << run;
    EXPECT_LT(run - 1 - values.back(), stride) << run;
  }
  ThinnedValues none(8);
  none.add(std::numeric_limits<double>::quiet_NaN());
  none.add(std::numeric_limits<double>::infinity());
  EXPECT_TRUE(none.values().empty());
}

}  // namespace
}  // namespace polder::agent
