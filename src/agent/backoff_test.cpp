#include "agent/backoff.h"

#include <gtest/gtest.h>

#include <set>

#include "agent/testing.h"

namespace polder::agent {
namespace {

constexpr std::int64_t kUs = 77 * kSecondUs;

Attempts attempts(std::int64_t failures, std::int64_t not_before_s, std::uint32_t patch = 0) {
  const trust::Version version{1, 0, patch, ""};
  return {{"people", version, trust::sha256(version.text())}, failures, not_before_s};
}
AgentState with(std::vector<Attempts> all) {
  AgentState state;
  state.attempts = std::move(all);
  return state;
}

TEST(Backoff, DoublesUpToTheLongest) {
  const Policy policy;
  std::int64_t expected_s = 60;
  for (int failures = 1; failures <= 12; ++failures) {
    EXPECT_EQ(longest_backoff_s(failures, policy), std::min(expected_s, kDay));
    expected_s *= 2;
  }
  EXPECT_EQ(longest_backoff_s(kMaxCount, policy), kDay);
  EXPECT_EQ(longest_backoff_s(1, {.first_wait_s = 0, .longest_wait_s = 0}), 1);
}

TEST(Backoff, ChanceTakesHalfOfItAtMost) {
  std::set<std::int64_t> waits;
  for (std::uint64_t random = 0; random < 1000; ++random)
    waits.insert(backoff_s(3, random * 0x9e3779b97f4a7c15u, {}));
  EXPECT_EQ(*waits.begin(), 120);
  EXPECT_EQ(*waits.rbegin(), 240);
  EXPECT_GT(waits.size(), 100u);
}

TEST(Backoff, AfterAStartTheClockOfTheDaySaysWhatIsLeft) {
  const Attempts item = attempts(3, kNow + 200);  // 240 s at most
  const auto left_s = [&](std::int64_t clock_s) {
    Backoff backoff{Policy()};
    backoff.start(with({item}), clock_s, kUs);
    return backoff.left_s(item, kUs);
  };
  EXPECT_EQ(left_s(kNow), 200);
  EXPECT_EQ(left_s(kNow + 199), 1);
  EXPECT_EQ(left_s(kNow + 200), 0);
  EXPECT_EQ(left_s(kNow - 40), 240);
  // Before it failed, or so it seems.
  for (const std::int64_t clock_s : {kNow - 41, kNow - kDay / 2, kNow - 20 * kYear, std::int64_t(0),
                                     INT64_MIN, kNow + 20 * kYear, INT64_MAX})
    EXPECT_EQ(left_s(clock_s), 0) << clock_s;
}

TEST(Backoff, WhileItRunsTheClockOfTheDayDoesNotCount) {
  const Attempts first = attempts(1, kNow + 50), other = attempts(2, kNow + 100, 1);
  Backoff backoff{Policy()};
  backoff.start(with({}), kNow - 20 * kYear, 0);
  EXPECT_EQ(backoff.left_s(first, kUs), 0);
  backoff.follow(with({}), with({first}), kNow, kUs);
  EXPECT_EQ(backoff.left_s(first, kUs), 50);
  // Others fail by a clock that has jumped meanwhile.
  for (const std::int64_t clock_s : {std::int64_t(0), kNow + 20 * kYear})
    backoff.follow(with({first}), with({first, attempts(2, clock_s + 100, 1)}), clock_s,
                   kUs + 10 * kSecondUs);
  EXPECT_EQ(backoff.left_s(other, kUs + 10 * kSecondUs), 100);
  EXPECT_EQ(backoff.left_s(first, kUs + 10 * kSecondUs), 40);
  EXPECT_EQ(backoff.left_s(first, kUs + 50 * kSecondUs - 1), 1);
  EXPECT_EQ(backoff.left_s(first, kUs + 50 * kSecondUs), 0);
  // Installed, then failed again some day.
  backoff.follow(with({first, other}), with({other}), kNow, kUs);
  EXPECT_EQ(backoff.left_s(first, kUs), 0);
  EXPECT_GT(backoff.left_s(other, kUs), 0);
}

}  // namespace
}  // namespace polder::agent
