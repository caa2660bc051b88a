#include "agent/clock_floor.h"

#include <gtest/gtest.h>

#include "agent/testing.h"

namespace polder::agent {
namespace {

TEST(ClockFloor, NoClockIsBelievedBeforeWhatWasSeen) {
  EXPECT_EQ(believed_time_s(kNow, 0), kNow);
  EXPECT_EQ(believed_time_s(kNow + kDay, kNow), kNow + kDay);
  // Backwards, 20 years behind, and none at all.
  for (const std::int64_t clock : {kNow - 1, kNow - 20 * kYear, std::int64_t(0), -kYear, INT64_MIN})
    EXPECT_EQ(believed_time_s(clock, kNow), kNow);
  EXPECT_EQ(believed_time_s(INT64_MIN, 0), 0);
  EXPECT_EQ(believed_time_s(INT64_MAX, kNow), kMaxTimeS);
}

TEST(ClockFloor, RisesWithFreshMetadataAndNoFurtherThanTheyLast) {
  EXPECT_EQ(raised_time_seen_s(0, kNow, kNow + 7 * kDay), kNow);
  EXPECT_EQ(raised_time_seen_s(kNow, kNow + kDay, kNow + 7 * kDay), kNow + kDay);
  EXPECT_EQ(raised_time_seen_s(kNow, kNow - kDay, kNow + 7 * kDay), kNow);  // never falls
  // Whatever the clock said: not beyond the timestamp's expiry.
  EXPECT_EQ(raised_time_seen_s(kNow, kNow + 20 * kYear, kNow + 7 * kDay), kNow + 7 * kDay);
  EXPECT_EQ(raised_time_seen_s(kNow, INT64_MAX, INT64_MAX), kMaxTimeS);
}

}  // namespace
}  // namespace polder::agent
