#include "agent/expiry.h"

#include <gtest/gtest.h>

#include "base/fail.h"
#include "platform/storage_fake.h"
#include "trust/tuf_metadata.h"

namespace polder::agent {
namespace {

constexpr std::int64_t kNowS = 1'800'000'000, kHourS = 3600, kDayS = 24 * kHourS;

// Of a role whose file says that it was made for so many days; 0: says nothing.
Expiry stored(const std::string& role, std::int64_t life_days) {
  FakeStorage disk;
  const std::string life =
      life_days == 0 ? "" : fmt::format(",\"{}\":{}", trust::tuf::kLifeMember, life_days);
  EXPECT_TRUE(disk.make_folder("metadata").ok());
  EXPECT_TRUE(replace_stored(disk, "metadata/" + role + ".json",
                             fmt::format("{{\"signed\":{{\"expires\":\"{}\"{}}}}}",
                                         trust::tuf::time_text(kNowS), life))
                  .ok());
  const auto all = trusted_expiries(disk);
  EXPECT_EQ(all.size(), 1u);
  return all.empty() ? Expiry() : all.front();
}

// How long before its end it is told.
std::int64_t notice_s(const Expiry& item) {
  std::int64_t left_s = 1;
  while (left_s < 400 * kDayS && !soon({item}, item.expires_s - left_s).empty()) left_s += 600;
  return left_s / kHourS * kHourS;
}

TEST(Expiry, IsToldEarlyInProportionToTheTimeThatItWasMadeFor) {
  EXPECT_EQ(notice_s(stored("timestamp", 0)), 2 * kHourS);
  EXPECT_EQ(notice_s(stored("timestamp", 1)), 3 * kHourS);
  EXPECT_EQ(notice_s(stored("timestamp", 7)), kDayS);
  EXPECT_EQ(notice_s(stored("timestamp", 28)), 4 * kDayS);
  EXPECT_EQ(notice_s(stored("timestamp", 3650)), 30 * kDayS);
  EXPECT_EQ(notice_s(stored("snapshot", 0)), kDayS);
  EXPECT_EQ(notice_s(stored("snapshot", 28)), 4 * kDayS);
  EXPECT_EQ(notice_s(stored("targets", 0)), 30 * kDayS);
}

}  // namespace
}  // namespace polder::agent
