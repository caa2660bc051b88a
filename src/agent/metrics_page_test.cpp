// What the page says of updates.
#include "agent/metrics_page.h"

#include "agent/testing.h"
#include "agent/testing_driver.h"

namespace polder::agent {
namespace {

class MetricsPageTest : public DriverTest {
 protected:
  std::string page(const UpdateStanding& updates) {
    return metrics_page({config, state, reporter, runner, readings, updates});
  }
  NoUnits units;
  AgentState state;
  telemetry::Readings readings;
  Reporter reporter{config, {disk, clock, wall, runner, units, {}, "/nowhere", 1}};
};

TEST_F(MetricsPageTest, HowUpdatesGo) {
  state.bad.resize(2);
  const std::string text = page({.roll_backs = 3,
                                 .refusals = 4,
                                 .checked_well_s = kNow,
                                 .is_check_failed = true,
                                 .free_bytes = 5000,
                                 .is_audit_signed = true});
  for (const char* line : {"# TYPE polder_bad_releases gauge\npolder_bad_releases 2\n",
                           "# TYPE polder_roll_backs_total counter\npolder_roll_backs_total 3\n",
                           "# TYPE polder_refusals gauge\npolder_refusals 4\n",
                           "\npolder_check_success_timestamp_seconds 1800000000\n",
                           "# TYPE polder_check_failed gauge\npolder_check_failed 1\n",
                           "# TYPE polder_free_bytes gauge\npolder_free_bytes 5000\n",
                           "# TYPE polder_audit_log_signed gauge\npolder_audit_log_signed 1\n"})
    EXPECT_NE(text.find(line), text.npos) << line << text;
}

// A number that nobody knows is not there, so that no alarm is raised for it.
TEST_F(MetricsPageTest, WhatIsNotKnownIsNotSaid) {
  const std::string text = page({});
  EXPECT_EQ(text.find("polder_free_bytes"), text.npos);
  EXPECT_NE(text.find("polder_check_failed 0\n"), text.npos);
  EXPECT_NE(text.find("polder_audit_log_signed 0\n"), text.npos);
}

}  // namespace
}  // namespace polder::agent
