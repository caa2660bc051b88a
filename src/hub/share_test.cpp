#include "hub/share.h"

#include <gtest/gtest.h>

#include <random>

namespace polder::hub {
namespace {

Judgement after(std::initializer_list<double> shares, int times = 1, double limit = 0.25) {
  ShareEvidence evidence(limit);
  for (int i = 0; i < times; ++i)
    for (const double share : shares) evidence.look(share);
  return evidence.judge();
}

TEST(Share, ProvesNothingWithoutLooks) {
  const Judgement none = after({});
  EXPECT_EQ(none.worse, 1);
  EXPECT_EQ(none.acceptable, 1);
  EXPECT_EQ(none.low, 0);
  EXPECT_EQ(none.high, 4);
}

TEST(Share, FindsWhatIsBelowAndWhatIsAbove) {
  const Judgement good = after({0.03}, 20);
  EXPECT_GT(good.acceptable, 20);
  EXPECT_LT(good.worse, 1);
  EXPECT_NEAR(good.ratio, 0.12, 1e-9);
  const Judgement bad = after({0.7}, 8);
  EXPECT_GT(bad.worse, 320);
  EXPECT_LT(bad.acceptable, 1);
  EXPECT_LT(bad.low, 2.8);
  EXPECT_GT(bad.high, 2.8);
  EXPECT_GT(after({0.7}, 40).low, 1);
  EXPECT_GT(after({1}, 5).worse, 100);
}

// One look in which all frames differ is one observation, however many frames it has: a static
// scene with one object at the threshold.
TEST(Share, AStaticSceneProvesLittle) {
  EXPECT_LT(after({1, 1}).worse, 20);
  // On average 5% differ, all in one look of twenty.
  ShareEvidence evidence(0.25);
  double most = 1;
  for (int i = 0; i < 200; ++i) {
    evidence.look(i % 20 == 0 ? 1 : 0);
    most = std::max(most, evidence.judge().worse);
  }
  EXPECT_LT(most, 10);
  EXPECT_GT(evidence.judge().acceptable, 20);
}

// Fifteen looks without a difference prove a quarter.
TEST(Share, KnowsHowManyLooksProveALimitAtBest) {
  EXPECT_EQ(ShareEvidence::looks_to_prove(0.25, 20), 15);
  for (const double limit : {1e-6, 0.02, 0.04, 0.25, 0.9}) {
    const auto looks = static_cast<int>(ShareEvidence::looks_to_prove(limit, 20));
    EXPECT_GE(after({0}, looks, limit).acceptable, 20 * (1 - 1e-9)) << limit;
    EXPECT_LT(after({0}, looks - 1, limit).acceptable, 20) << limit;
  }
}

// Of 2,000 that lie just at the limit few are found above it (or below), though looks are all or
// nothing and each is looked at 300 times: of 1 in 40, and of 1 in 20.
TEST(Share, ErrsNoMoreOftenThanItSays) {
  constexpr int kRuns = 2000, kLooks = 300;
  constexpr double kLimit = 0.25;
  std::mt19937_64 random(1);
  int worse = 0, acceptable = 0;
  for (int run = 0; run < kRuns; ++run) {
    ShareEvidence evidence(kLimit);
    double most_worse = 1, most_acceptable = 1;
    for (int i = 0; i < kLooks; ++i) {
      evidence.look(std::bernoulli_distribution(kLimit)(random) ? 1 : 0);
      const Judgement now = evidence.judge();
      most_worse = std::max(most_worse, now.worse);
      most_acceptable = std::max(most_acceptable, now.acceptable);
    }
    worse += most_worse >= 40;
    acceptable += most_acceptable >= 20;
  }
  EXPECT_LE(worse, kRuns / 40);
  EXPECT_LE(acceptable, kRuns / 20);
  EXPECT_GT(worse + acceptable, 0);  // it does bet
}

TEST(Share, GoesOnFromJsonAsIfNothingHadBeen) {
  ShareEvidence one(0.02), other(0.02);
  for (int i = 0; i < 30; ++i) {
    one.look(0.01 * (i % 7));
    other.look(0.01 * (i % 7));
    const auto json = trust::Json::parse(other.to_json().compact(), "state");
    ASSERT_TRUE(json.ok());
    auto read = ShareEvidence::from_json(*json, "state");
    ASSERT_TRUE(read.ok()) << read.error().message;
    other = *read;
    EXPECT_EQ(one.judge().worse, other.judge().worse);
    EXPECT_EQ(one.judge().acceptable, other.judge().acceptable);
    EXPECT_EQ(one.judge().high, other.judge().high);
  }
  for (const char* text : {"{}", R"({"limit":1,"looks":0,"sum":0,"worse":[],"acceptable":[]})",
                           R"({"limit":0.5,"looks":0,"sum":0,"worse":[1],"acceptable":[]})"}) {
    const auto damaged = ShareEvidence::from_json(*trust::Json::parse(text, "state"), "state");
    ASSERT_FALSE(damaged.ok());
    EXPECT_EQ(damaged.error().code, Code::kCorrupt);
  }
}

}  // namespace
}  // namespace polder::hub
