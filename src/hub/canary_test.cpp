#include "hub/canary.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace polder::hub {
namespace {

// One look at `canaries` and `controls`, each of 1000 trials; the rates are of failures.
std::vector<DeviceCounts> look(std::uint32_t canaries, double canary_rate, std::uint32_t controls,
                               double control_rate, bool canaries_run = true) {
  std::vector<DeviceCounts> all;
  for (std::uint32_t i = 0; i < canaries + controls; ++i) {
    const bool is_canary = i < canaries;
    const double rate = is_canary ? canary_rate : control_rate;
    all.push_back({.device = i,
                   .is_canary = is_canary && canaries_run,
                   .counts = {1000, static_cast<std::uint64_t>(std::lround(1000 * rate))}});
  }
  return all;
}

CanaryComparison with_history(double canary_rate = 0.05) {
  CanaryComparison comparison;
  for (int i = 0; i < 50; ++i) comparison.look(look(3, canary_rate, 30, 0.05, false));
  return comparison;
}

TEST(Canary, KnowsNothingWithoutCanariesOrControls) {
  CanaryComparison comparison;
  const Judgement none = comparison.judge(1.5);
  EXPECT_EQ(none.worse, 1);
  EXPECT_EQ(none.acceptable, 1);
  for (int i = 0; i < 100; ++i) comparison.look(look(3, 0.5, 0, 0));
  const Judgement alone = comparison.judge(1.5);
  EXPECT_EQ(alone.worse, 1);
  EXPECT_EQ(alone.acceptable, 1);
  EXPECT_EQ(alone.control_trials, 0u);
  EXPECT_NEAR(alone.low, kLeastRatio, 1e-3);
  EXPECT_NEAR(alone.high, kMostRatio, 1e-3);
}

TEST(Canary, FindsOneThatFailsTwiceAsOften) {
  CanaryComparison comparison = with_history();
  for (int i = 0; i < 5; ++i) comparison.look(look(3, 0.1, 30, 0.05));
  const Judgement now = comparison.judge(1.5);
  EXPECT_GT(now.worse, 1000);
  EXPECT_LT(now.acceptable, 1.5);
  EXPECT_LT(now.low, 2.0);
  EXPECT_GT(now.high, 2.0);
  EXPECT_NEAR(now.ratio, 2.0, 0.3);
  EXPECT_EQ(now.canary_trials, 15'000u);
  EXPECT_EQ(now.control_trials, 150'000u);
}

// As a hub does that is restarted after each look.
TEST(Canary, GoesOnFromJsonAsIfNothingHadBeen) {
  CanaryComparison one, other;
  for (int i = 0; i < 40; ++i) {
    const auto looked = look(i < 30 ? 1 : 3, 0.06 + 0.001 * i, 9, 0.05, i >= 10);
    one.look(looked);
    other.look(looked);
    const Judgement now = one.judge(1.5);
    const auto text = trust::Json::parse(other.to_json().compact(), "state");
    ASSERT_TRUE(text.ok()) << text.error().message;
    auto read = CanaryComparison::from_json(*text, "state");
    ASSERT_TRUE(read.ok()) << read.error().message;
    other = std::move(*read);
    const Judgement same = other.judge(1.5);
    EXPECT_EQ(now.ratio, same.ratio);
    EXPECT_EQ(now.worse, same.worse);
    EXPECT_EQ(now.acceptable, same.acceptable);
    EXPECT_EQ(now.dispersion, same.dispersion);
    EXPECT_EQ(now.control_trials, same.control_trials);
  }
  const auto damaged = CanaryComparison::from_json(trust::Json::Members{}, "state");
  ASSERT_FALSE(damaged.ok());
  EXPECT_EQ(damaged.error().code, Code::kCorrupt);
}

TEST(Canary, AcceptsOneThatIsTheSame) {
  CanaryComparison comparison = with_history();
  for (int i = 0; i < 50; ++i) comparison.look(look(3, 0.05, 30, 0.05));
  const Judgement now = comparison.judge(1.5);
  EXPECT_GT(now.acceptable, 20);
  EXPECT_EQ(now.worse, 1);
  EXPECT_LT(now.low, 1);
  EXPECT_GT(now.high, 1);
}

TEST(Canary, HoldsADeviceToItsOwnHistory) {
  CanaryComparison comparison = with_history(0.15);  // always failed three times as often
  for (int i = 0; i < 50; ++i) comparison.look(look(3, 0.15, 30, 0.05));
  const Judgement now = comparison.judge(1.5);
  EXPECT_LT(now.worse, 2);
  EXPECT_GT(now.acceptable, 20);
}

TEST(Canary, DayAndNightAreNoReason) {
  CanaryComparison comparison = with_history();
  for (int i = 0; i < 50; ++i) {
    const double rate = 0.05 * (1 + 0.8 * std::sin(0.3 * i)) + 0.1;  // all fail more, and swing
    comparison.look(look(3, rate, 30, rate));
  }
  EXPECT_LT(comparison.judge(1.5).worse, 2);
}

TEST(Canary, ScatterOfTheControlsWeakensTheEvidence) {
  const auto evidence = [](std::uint64_t swing) {
    CanaryComparison comparison;
    const auto swung = [swing](int time, std::vector<DeviceCounts> all) {
      for (DeviceCounts& one : all) {
        const bool up = (static_cast<std::uint32_t>(time) + one.device) % 2 == 0;
        if (up) one.counts.failures += swing;
        if (!up) one.counts.failures -= swing;
      }
      return all;
    };
    for (int i = 0; i < 50; ++i) comparison.look(swung(i, look(3, 0.05, 30, 0.05, false)));
    for (int i = 0; i < 2; ++i) comparison.look(swung(i, look(3, 0.07, 30, 0.05)));
    return comparison.judge(1.5);
  };
  EXPECT_LT(evidence(0).dispersion, 2);
  EXPECT_GT(evidence(30).dispersion, 10);
  EXPECT_GT(evidence(0).worse, 2 * evidence(30).worse);
}

// Two sites, of which each has bad hours of its own; all canaries are of one.
TEST(Canary, WhatASiteSharesIsNoReason) {
  const auto evidence = [](bool is_known) {
    CanaryComparison comparison;
    for (int i = 0; i < 90; ++i) {
      std::vector<DeviceCounts> all = look(3, 0.05, 30, 0.05, i >= 50);
      const double burst = i >= 50 && i % 2 == 0 ? 3 : 1;
      for (DeviceCounts& one : all) {
        const bool is_first = one.device < 12;
        if (is_first) one.counts.failures = static_cast<std::uint64_t>(50 * burst);
        if (is_known) one.stratum = is_first ? 1 : 2;
      }
      comparison.look(all);
    }
    return comparison.judge(1.5);
  };
  EXPECT_LT(evidence(true).worse, 2);
  EXPECT_GT(evidence(true).acceptable, 20);
  EXPECT_GT(evidence(false).ratio, 1.2);
}

TEST(Canary, ASiteWithoutControlsTellsNothing) {
  CanaryComparison comparison = with_history();
  for (int i = 0; i < 20; ++i) {
    std::vector<DeviceCounts> all = look(3, 0.5, 30, 0.05);
    for (std::size_t k = 0; k < 3; ++k) all[k].stratum = 1;
    comparison.look(all);
  }
  EXPECT_EQ(comparison.judge(1.5).worse, 1);
  EXPECT_EQ(comparison.judge(1.5).acceptable, 1);
  EXPECT_EQ(comparison.judge(1.5).canary_trials, 60'000u);
}

TEST(Canary, KnowsWhoHardlyEverFails) {
  CanaryComparison comparison = with_history(0.01);
  const auto ratios = comparison.own_ratios();
  EXPECT_EQ(ratios.size(), 33u);
  EXPECT_LT(ratios.at(0), 0.5);
  EXPECT_NEAR(ratios.at(10), 1, 0.15);
}

TEST(Canary, OneThatWentBackTellsOfNeither) {
  CanaryComparison comparison = with_history();
  comparison.look(look(3, 0.05, 30, 0.05));
  const Judgement before = comparison.judge(1.5);
  for (int i = 0; i < 20; ++i) comparison.look(look(3, 0.5, 30, 0.05, false));
  const Judgement after = comparison.judge(1.5);
  EXPECT_EQ(after.canary_trials, before.canary_trials);
  EXPECT_EQ(after.worse, before.worse);
}

TEST(Canary, ThoseThatBecameCanariesLaterCountToo) {
  CanaryComparison comparison = with_history();
  std::vector<DeviceCounts> all = look(3, 0.05, 30, 0.05);
  comparison.look(all);
  for (std::size_t i = 3; i < 10; ++i) {
    all[i].is_canary = true;
    all[i].counts.failures = 100;
  }
  for (int i = 0; i < 5; ++i) comparison.look(all);
  const Judgement now = comparison.judge(1.5);
  EXPECT_GT(now.worse, 1000);  // of seven of ten
  EXPECT_EQ(now.canary_trials, 53'000u);
}

TEST(Canary, CountsWithoutTrialsChangeNothing) {
  CanaryComparison comparison = with_history();
  comparison.look({});
  std::vector<DeviceCounts> empty = look(3, 0, 30, 0);
  for (DeviceCounts& one : empty) one.counts = {};
  comparison.look(empty);
  const Judgement now = comparison.judge(1.5);
  EXPECT_EQ(now.canary_trials, 0u);
  EXPECT_TRUE(std::isfinite(now.worse) && std::isfinite(now.acceptable) &&
              std::isfinite(now.ratio));
  EXPECT_EQ(now.worse, 1);
}

}  // namespace
}  // namespace polder::hub
