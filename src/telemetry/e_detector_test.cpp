#include "telemetry/e_detector.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace polder::telemetry {
namespace {

// The proof's inequality, exactly: over every path of values of 0 and 1 with the mean at an end of
// the band the evidence after n values has a mean of at most n.
TEST(EDetector, TheMeanOfTheEvidenceIsAtMostTheTime) {
  constexpr int kSteps = 12;
  for (const double mean : {0.2, 0.25, 0.3}) {
    double total = 0;
    for (int path = 0; path < 1 << kSteps; ++path) {
      EDetector detector({0.2, 0.3}, 1e12);
      double probability = 1;
      for (int i = 0; i < kSteps; ++i) {
        const bool one = path >> i & 1;
        detector.add(one);
        probability *= one ? mean : 1 - mean;
      }
      total += probability * detector.evidence();
    }
    EXPECT_LE(total, kSteps * (1 + 1e-12)) << mean;
    EXPECT_GT(total, kSteps / 4.0) << mean;
  }
}

double share_alarmed(double mean, double mean_run, int values, int runs) {
  std::mt19937_64 random(4);
  int alarmed = 0;
  for (int run = 0; run < runs; ++run) {
    EDetector detector({0.09, 0.11}, mean_run);
    std::bernoulli_distribution error(mean);
    for (int i = 0; i < values; ++i) detector.add(error(random));
    alarmed += detector.is_alarmed();
  }
  return alarmed / double(runs);
}

TEST(EDetector, FalseAlarmsAreWithinTheBound) {
  // At an end of the band, the worst case: at most values / mean_run.
  for (const double mean : {0.09, 0.11}) EXPECT_LE(share_alarmed(mean, 20'000, 2000, 400), 0.1);
}

TEST(EDetector, ChangesAreFound) {
  EXPECT_EQ(share_alarmed(0.30, 20'000, 400, 50), 1);
  EXPECT_EQ(share_alarmed(0.01, 20'000, 2500, 50), 1);
}

TEST(EDetector, AnAlarmIsRaisedOnceAndStands) {
  EDetector detector({0.4, 0.6}, 100);
  int raised = 0;
  for (int i = 0; i < 5000; ++i) raised += detector.add(1);
  EXPECT_EQ(raised, 1);
  EXPECT_TRUE(detector.is_alarmed());
  EXPECT_TRUE(std::isfinite(detector.evidence()));
  detector.reset();
  EXPECT_FALSE(detector.is_alarmed());
  EXPECT_EQ(detector.evidence(), 0);
}

TEST(EDetector, ABandOfEverythingCannotBeLeft) {
  EDetector detector({}, 1);
  for (int i = 0; i < 1000; ++i) EXPECT_FALSE(detector.add(i % 2));
  EXPECT_FALSE(detector.add(std::numeric_limits<double>::quiet_NaN()));
  EXPECT_EQ(detector.count(), 1000u);
}

TEST(EDetector, FactorsAreNeverNegative) {
  for (const Band band : {Band{0, 0}, {0, 0.01}, {0.99, 1}, {1, 1}, {0.5, 0.5}}) {
    EDetector detector(band, 1e9);
    for (int i = 0; i < 100; ++i) {
      detector.add(i % 3 == 0 ? -7 : i % 3 == 1 ? 7 : 0.5);
      EXPECT_GE(detector.evidence(), 0);
    }
  }
}

TEST(MeanBand, CoversTheMean) {
  std::vector<double> edges;
  for (int i = 1; i < 16; ++i) edges.push_back(i / 16.0);
  std::vector<std::int64_t> counts(16);
  std::mt19937_64 random(5);
  std::uniform_real_distribution<double> score(0, 1);
  double sum = 0;
  for (int i = 0; i < 10'000; ++i) {
    const double value = score(random) * score(random);
    sum += value;
    ++counts[std::size_t(value * 16)];
  }
  const Band band = mean_band(edges, counts);
  EXPECT_LT(band.low, 0.25);
  EXPECT_GT(band.high, 0.25);
  EXPECT_LT(band.high - band.low, 0.11);
  EXPECT_LE(band.low, sum / 10'000);
  for (const auto& [low, high] : {std::pair{mean_band(edges, {}).low, mean_band(edges, {}).high},
                                  {mean_band({}, {}).low, mean_band({}, {}).high}}) {
    EXPECT_EQ(low, 0);
    EXPECT_EQ(high, 1);
  }
}

}  // namespace
}  // namespace polder::telemetry
