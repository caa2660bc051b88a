// What the hub publishes by itself.
#include "hub/repository/publisher.h"

#include <sstream>

#include "hub/repository/testing_releaser.h"
#include "hub/store/testing_plans.h"
#include "trust/tuf_metadata.h"

namespace polder::hub {
namespace {

constexpr std::int64_t kHourS = 3'600;

class Assigning : public AssigningTest {};

TEST_F(Assigning, WhatRolloutsWantIsPublishedInGroups) {
  const std::int64_t first = repository_->version();
  for (const char* device : {"cam-1", "cam-2", "cam-3"}) want(device, "1.0.0");
  tend();
  EXPECT_TRUE(log_.empty()) << log_[0];
  EXPECT_EQ(repository_->version(), first + 1) << "one publication for all";
  const trust::Assignment assignment = assigned("cam-2");
  ASSERT_EQ(assignment.releases.size(), 1u);
  EXPECT_EQ(assignment.releases[0].model, "people");
  EXPECT_EQ(assignment.releases[0].version.text(), "1.0.0");
  EXPECT_FALSE(assignment.releases[0].is_runtime);
  EXPECT_FALSE(assignment.shadow);
  want("cam-2", "1.0.0", true, 3);
  publisher_->tend();
  EXPECT_EQ(repository_->version(), first + 1) << "too soon";
  tend();
  tend();
  EXPECT_EQ(repository_->version(), first + 2) << "nothing was changed";
  EXPECT_TRUE(assigned("cam-2").shadow);
  EXPECT_EQ(assigned("cam-2").retry, 3);
  EXPECT_FALSE(assigned("cam-1").shadow);
  want("cam-2", "");
  tend();
  EXPECT_TRUE(assigned("cam-2").releases.empty());
}

TEST_F(Assigning, WhatIsNotPublishedIsNotAssigned) {
  want("cam-1", "9.9.9");
  want("default", "1.0.0");
  tend();
  tend();
  EXPECT_TRUE(assigned("cam-1").releases.empty());
  ASSERT_EQ(log_.size(), 1u) << "told once";
  EXPECT_NE(log_[0].find("people 9.9.9"), std::string::npos) << log_[0];
  EXPECT_EQ(device_gets("assignments/default.json").error().code, Code::kNotFound)
      << "nobody's device is all of them";
}

TEST_F(Assigning, ThousandsOfDevicesHaveTheirOwn) {
  Status done = writer_->write([&](Database& database) -> Status {
    for (int i = 0; i < 1'500; ++i) {
      Status one = database.run(
          "INSERT INTO wanted (device, model, version, shadow, retry, "
          "changed) VALUES (?, 'people', '1.0.0', 0, 0, 1)",
          {"cam-" + std::to_string(i)});
      if (!one.ok()) return one;
    }
    return {};
  });
  ASSERT_TRUE(done.ok()) << done.error().message;
  changed_ = 1;
  tend();
  EXPECT_TRUE(log_.empty()) << log_[0];
  EXPECT_EQ(assigned("cam-1499").releases.size(), 1u);
  // A change of one makes one bin anew.
  want("cam-7", "");
  tend();
  EXPECT_TRUE(assigned("cam-7").releases.empty());
  EXPECT_EQ(assigned("cam-8").releases.size(), 1u);
  const RepositoryState state = repository_->state(wall_.now_s()).value();
  int again = 0;
  for (const auto& role : state.roles)
    if (role.role.starts_with("assignments.bin-") && role.version > 1) ++again;
  EXPECT_EQ(again, 1);
}

TEST_F(Assigning, TheNextStartGoesOnWhereItWas) {
  want("cam-1", "1.0.0");
  tend();
  const std::int64_t version = repository_->version();
  stop();
  start();
  tend();
  EXPECT_EQ(repository_->version(), version);
  want("cam-2", "1.0.0");
  tend();
  EXPECT_EQ(assigned("cam-2").releases.size(), 1u);
}

TEST_F(Assigning, PeoplePublishBesideIt) {
  want("cam-1", "1.0.0");
  tend();
  add_release("people", "1.1.0");
  publish();
  EXPECT_EQ(assigned("cam-1").releases.size(), 1u);
  want("cam-1", "1.1.0");
  tend();
  EXPECT_EQ(assigned("cam-1").releases[0].version.text(), "1.1.0");
}

TEST_F(Assigning, MetadataAreRenewedBeforeTheyExpire) {
  const std::int64_t first = repository_->version();
  wall_.set_s(kNowS + 11 * kHourS);
  publisher_->tend();
  EXPECT_EQ(repository_->version(), first);
  wall_.set_s(kNowS + 12 * kHourS + 60);
  publisher_->tend();
  EXPECT_EQ(repository_->version(), first + 1);
  publisher_->tend();
  EXPECT_EQ(repository_->version(), first + 1);
  // For half a year; targets, which people sign, hold longer than that is.
  want("cam-1", "1.0.0");
  for (int day = 1; day < 170; ++day) {
    wall_.set_s(kNowS + day * 24 * kHourS);
    publisher_->tend();
  }
  EXPECT_TRUE(log_.empty()) << log_[0];
  EXPECT_EQ(assigned("cam-1").releases.size(), 1u);
  const trust::Json shown = json(send("GET", "/v1/repository", "", admin_));
  const auto& warnings = *shown.find("warnings")->array();
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_EQ(*warnings[0].find("role")->string(), "targets");
}

TEST_F(Assigning, AClockThatIsBehindPublishesNothing) {
  wall_.set_s(kNowS + 13 * kHourS);
  publisher_->tend();
  const std::int64_t version = repository_->version();
  wall_.set_s(kNowS - 13 * kHourS);
  want("cam-1", "1.0.0");
  publisher_->tend();
  EXPECT_EQ(repository_->version(), version);
  ASSERT_FALSE(log_.empty());
  EXPECT_NE(log_[0].find("before the last publication"), std::string::npos) << log_[0];
  wall_.set_s(kNowS + 14 * kHourS);
  publisher_->tend();
  EXPECT_EQ(assigned("cam-1").releases.size(), 1u);
}

// What is asked every ten seconds is asked of indices, however large the fleet: releases alone are
// gone through.
TEST_F(Assigning, NothingGoesThroughTheFleet) {
  if (is_postgres(where_)) GTEST_SKIP() << "SQLite alone explains itself so";
  Plans plans;
  Readers explained(where_, [&](std::string_view where) -> Result<std::unique_ptr<Database>> {
    auto opened = open_database(where);
    if (!opened.ok()) return opened;
    return std::unique_ptr<Database>(std::make_unique<Explained>(*std::move(opened), plans));
  });
  Publisher publisher({*repository_, *uploads_, *writer_, explained, *recorder_, wall_,
                       [this](const std::string& text) { log_.push_back(text); }});
  // Devices have a version that the backup does not know.
  const std::int64_t own = repository_->version();
  write("INSERT INTO restoration (restored_s, taken_s, version) VALUES (?, ?, ?)",
        {wall_.now_s(), wall_.now_s() - kHourS, own});
  for (const char* device : {"cam-1", "cam-2"}) {
    write("INSERT INTO device (id, key_id, enrolled_s) VALUES (?, ?, 1)", {device, device});
    write(
        "INSERT INTO device_link (device, seen_s, program, repository, watched_s, swept_s) "
        "VALUES (?, 1, '', ?, 0, 0)",
        {device, own + 2});
    want(device, "1.0.0");
  }
  for (int i = 0; i < 3; ++i) {
    publisher.tend();
    wall_.set_s(wall_.now_s() + 10);
  }
  EXPECT_GT(repository_->version(), own + 2) << (log_.empty() ? "" : log_.back());
  EXPECT_GE(plans.size(), 7u);
  for (const auto& [sql, plan] : plans) {
    std::istringstream lines(plan);
    for (std::string line; std::getline(lines, line);)
      EXPECT_FALSE(is_scan(line) && line != "SCAN model_release") << line << "\n    " << sql;
  }
}

}  // namespace
}  // namespace polder::hub
