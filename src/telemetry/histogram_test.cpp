#include "telemetry/histogram.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace polder::telemetry {
namespace {

std::vector<double> edges() {
  std::vector<double> edges;
  for (int i = 1; i < kBins; ++i) edges.push_back(i / double(kBins));
  return edges;
}

TEST(Histogram, Bins) {
  Histogram histogram(edges());
  for (const double value :
       {-1e9, 0.0, 1 / 16.0, 0.99, 1.0, 1e9, std::numeric_limits<double>::infinity()})
    histogram.add(value);
  histogram.add(std::numeric_limits<double>::quiet_NaN());
  EXPECT_EQ(histogram.counts()[0], 2u);
  EXPECT_EQ(histogram.counts()[1], 1u);  // an edge belongs to the bin above
  EXPECT_EQ(histogram.counts()[15], 4u);
  EXPECT_EQ(histogram.count(), 7u);
  EXPECT_EQ(histogram.refused(), 1u);
  histogram.clear();
  EXPECT_EQ(histogram.count(), 0u);
}

TEST(Psi, ByHand) {
  // All of it in the lower half against all of it in the upper: eight bins of 100 against none and
  // the other way round. p = 100.5 / 808 and q = 0.5 / 808 in each.
  BinCounts found{};
  std::vector<std::int64_t> expected(kBins);
  for (std::size_t i = 0; i < kBins; ++i) found[i] = i < 8 ? 100 : 0;
  for (std::size_t i = 0; i < kBins; ++i) expected[i] = i < 8 ? 0 : 100;
  const double want = kBins * (100.0 / 808) * std::log(201.0);
  EXPECT_NEAR(*psi(found, expected), want, 1e-12);
  for (std::size_t i = 0; i < kBins; ++i) expected[i] = std::int64_t(found[i]);
  EXPECT_EQ(*psi(found, expected), 0);
}

TEST(Psi, ChanceStaysStableAndShiftsShow) {
  std::mt19937_64 random(3);
  std::normal_distribution<double> before(0.5, 0.15), after(0.65, 0.15);
  Histogram reference(edges()), same(edges()), moved(edges());
  for (int i = 0; i < 5000; ++i) {
    reference.add(before(random));
    same.add(before(random));
    moved.add(after(random));
  }
  const std::vector<std::int64_t> expected(reference.counts().begin(), reference.counts().end());
  EXPECT_LT(*psi(same.counts(), expected), 0.02);
  EXPECT_GT(*psi(moved.counts(), expected), 0.25);
}

TEST(Psi, SaysNothingOfTooLittle) {
  const std::vector<std::int64_t> expected(kBins, 100);
  BinCounts found{};
  found[3] = kMinPsiCount - 1;
  EXPECT_FALSE(psi(found, expected));
  found[3] = kMinPsiCount;
  EXPECT_TRUE(psi(found, expected));
  EXPECT_FALSE(psi(found, std::vector<std::int64_t>(kBins, 1)));
  EXPECT_FALSE(psi(found, std::vector<std::int64_t>(kBins - 1, 1000)));
  EXPECT_FALSE(psi(found, std::vector<std::int64_t>(kBins, -1)));
}

}  // namespace
}  // namespace polder::telemetry
