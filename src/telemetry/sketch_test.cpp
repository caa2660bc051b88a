#include "telemetry/sketch.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

namespace polder::telemetry {
namespace {

double exact(std::vector<double> values, double fraction) {
  std::ranges::sort(values);
  const auto rank = std::size_t(std::ceil(fraction * double(values.size())));
  return values[std::max<std::size_t>(rank, 1) - 1];
}

TEST(Sketch, QuantilesOfManyShapes) {
  std::mt19937_64 random(1);
  std::lognormal_distribution<double> latency(1, 1.5);
  std::uniform_real_distribution<double> score(0, 1);
  std::exponential_distribution<double> gap(1e-3);
  for (int shape = 0; shape < 3; ++shape) {
    Sketch sketch;
    std::vector<double> values;
    for (int i = 0; i < 5000; ++i) {
      const double value = shape == 0 ? latency(random) : shape == 1 ? score(random) : gap(random);
      values.push_back(value);
      sketch.add(value);
    }
    for (const double fraction : {0.0, 0.01, 0.5, 0.9, 0.99, 0.999, 1.0}) {
      const double want = exact(values, fraction);
      EXPECT_NEAR(sketch.quantile(fraction), want, want * Sketch::kRelativeError * 1.0001)
          << shape << " " << fraction;
    }
    EXPECT_EQ(sketch.count(), 5000u);
  }
}

TEST(Sketch, TheRangeIsCovered) {
  EXPECT_GE(Sketch::upper_bound(Sketch::kBuckets), Sketch::kLargest);
  EXPECT_LT(Sketch::upper_bound(Sketch::kBuckets - 1), Sketch::kLargest);
  Sketch sketch;
  for (const double value : {Sketch::kSmallest, 1.0, Sketch::kLargest}) {
    sketch.clear();
    sketch.add(value);
    EXPECT_DOUBLE_EQ(sketch.quantile(0.5), value);
  }
}

TEST(Sketch, WhatIsNoNumberAndWhatIsOutside) {
  Sketch sketch;
  EXPECT_EQ(sketch.quantile(0.5), 0);
  sketch.add(std::numeric_limits<double>::quiet_NaN());
  sketch.add(std::numeric_limits<double>::infinity());
  EXPECT_EQ(sketch.count(), 0u);
  EXPECT_EQ(sketch.refused(), 2u);
  sketch.add(-5);
  sketch.add(1e300);
  EXPECT_EQ(sketch.min(), 0);
  EXPECT_EQ(sketch.max(), Sketch::kLargest);
  EXPECT_EQ(sketch.count(), 2u);
}

TEST(Sketch, SumsAreWhatOneSketchOfAllWouldBe) {
  std::mt19937_64 random(2);
  std::lognormal_distribution<double> value_of(0, 2);
  Sketch whole, parts[3], merged;
  for (int i = 0; i < 999; ++i) {
    const double value = value_of(random);
    whole.add(value);
    parts[i % 3].add(value);
  }
  for (const Sketch& part : parts) merged.merge(part);
  merged.merge(Sketch());
  EXPECT_EQ(merged.buckets(), whole.buckets());
  EXPECT_EQ(merged.min(), whole.min());
  EXPECT_EQ(merged.max(), whole.max());
  EXPECT_NEAR(merged.sum(), whole.sum(), 1e-9 * whole.sum());
}

// What came over the wire holds a part of the buckets: it goes on as the sketch that was sent.
TEST(Sketch, PartsAreAddedTo) {
  const auto with = [](const std::vector<double>& values) {
    Sketch sketch;
    for (const double value : values) sketch.add(value);
    return sketch;
  };
  const auto sent = [](const Sketch& sketch) {
    return *Sketch::from_parts(sketch.buckets(), sketch.min(), sketch.max(), sketch.sum(), 0);
  };
  const Sketch some = with({4, 5, 6});
  for (const double value : {0.0, 5.0, 1e8}) {
    Sketch added = sent(some);
    added.add(value);
    const Sketch all = with({4, 5, 6, value});
    EXPECT_EQ(added.buckets(), all.buckets()) << value;
    EXPECT_EQ(added.quantile(0.75), all.quantile(0.75)) << value;

    Sketch merged = sent(some);
    merged.merge(sent(with({value})));
    EXPECT_EQ(merged.buckets(), added.buckets()) << value;
    Sketch empty;
    empty.merge(sent(some));
    EXPECT_EQ(empty.buckets(), some.buckets());
  }
}

TEST(Sketch, CountsDoNotWrap) {
  Sketch sketch;
  sketch.add(1, std::numeric_limits<std::uint64_t>::max());
  sketch.add(1, std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(sketch.count(), std::uint64_t(1) << 53);
  EXPECT_NEAR(sketch.quantile(0.5), 1, 0.02);
}

TEST(Sketch, Parts) {
  Sketch sketch;
  for (int i = 0; i < 100; ++i) sketch.add(i * 0.1);
  const auto again = Sketch::from_parts(sketch.buckets(), sketch.min(), sketch.max(), sketch.sum(),
                                        sketch.refused());
  ASSERT_TRUE(again.ok()) << again.error().message;
  EXPECT_EQ(again->buckets(), sketch.buckets());
  EXPECT_EQ(again->quantile(0.9), sketch.quantile(0.9));
  ASSERT_TRUE(Sketch::from_parts({}, 0, 0, 0, 3).ok());

  const auto refused = [](const std::vector<Sketch::Bucket>& buckets, double min, double max,
                          double sum) {
    const auto result = Sketch::from_parts(buckets, min, max, sum, 0);
    return !result.ok() && result.error().code == Code::kCorrupt;
  };
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto buckets = sketch.buckets();
  EXPECT_TRUE(refused({}, 0, 1, 1));
  EXPECT_TRUE(refused({{Sketch::kBuckets + 1, 1}}, 1, 1, 1));
  EXPECT_TRUE(refused({{0, 0}}, 0, 0, 0));
  EXPECT_TRUE(refused({{0, ~0ull}}, 0, 0, 0));
  EXPECT_TRUE(refused({{0, 1}, {0, 1}}, 0, 0, 0));
  EXPECT_TRUE(
      refused({buckets.rbegin(), buckets.rend()}, sketch.min(), sketch.max(), sketch.sum()));
  EXPECT_TRUE(refused(buckets, nan, sketch.max(), sketch.sum()));
  EXPECT_TRUE(refused(buckets, sketch.min(), 1e12, sketch.sum()));
  EXPECT_TRUE(refused(buckets, sketch.min(), 5, sketch.sum()));
  EXPECT_TRUE(refused(buckets, sketch.min(), sketch.max(), 1e6));
  EXPECT_TRUE(refused(buckets, sketch.min(), sketch.max(), nan));
}

}  // namespace
}  // namespace polder::telemetry
