// How the rows of a rollout are shown, what becomes of one that nobody can read, and of one that
// has long been over.
#include <gtest/gtest.h>

#include "hub/rollouts/testing_fleet.h"

namespace polder::hub {
namespace {

// Devices are told at once.
class RolloutRows : public FleetTest {
 protected:
  RolloutRows() { history_looks_ = 0; }
};

TEST_F(RolloutRows, IsShownAsItWasAskedFor) {
  make_fleet(2);
  const std::string id =
      begin("1.1.0", R"(,"one_way":true,"window":{"from":"22:30","to":"04:00"})",
            R"("stages":[{"devices":1,"shadow":true,"allowed":0.125},{"devices":1,"failures":2,)"
            R"("least_observations":7,"negligible":0.25},{"percent":100}])");
  const trust::Json shown = rollout(id);
  const trust::Json::Array& stages = *shown.find("stages")->array();
  EXPECT_EQ(*stages[0].find("allowed")->number(), 0.125);
  EXPECT_EQ(*stages[1].find("failures")->integer(), 2);
  EXPECT_EQ(*stages[2].find("failures")->integer(), 2) << "no less than of the stage before";
  EXPECT_EQ(*stages[1].find("least_observations")->integer(), 7);
  EXPECT_EQ(*stages[1].find("negligible")->number(), 0.25);
  EXPECT_TRUE(stages[1].find("percent")->is_null());
  EXPECT_TRUE(stages[2].find("devices")->is_null());
  EXPECT_EQ(*shown.find("window")->find("from")->string(), "22:30");
  EXPECT_EQ(*shown.find("history_looks")->integer(), 0);
  EXPECT_TRUE(*shown.find("one_way")->boolean());
}

// One device that breaks by itself is not the end of a rollout to thousands.
TEST(RolloutPlan, AllowsForMoreFailuresOfMoreDevices) {
  Rollout rollout;
  for (const int permille : {1, 5, 100, 500, 1000})
    rollout.order.stages.push_back({.permille = std::uint32_t(permille), .gate = {.failures = 0}});
  rollout.order.stages.push_back({.permille = 1000, .gate = {.failures = 7}});
  rollout.members = 10'000;
  std::vector<std::uint32_t> failures;
  for (const Stage& stage : rollout.plan().stages) failures.push_back(stage.gate.failures);
  EXPECT_EQ(failures, (std::vector<std::uint32_t>{1, 2, 3, 11, 21, 7}));
  rollout.members = 10'000'000;
  EXPECT_EQ(rollout.plan().stages[4].gate.failures, std::uint32_t(kMaxFailures));
}

TEST_F(RolloutRows, SaysOfFailuresThatAreNotTheEndHowManyAre) {
  make_fleet(4);
  behaviour_["1.1.0"].crashes = true;
  const std::string id =
      begin("1.1.0", "", R"("stages":[{"devices":1,"failures":2},{"percent":100}])");
  looks(2);
  EXPECT_EQ(phase(id), "running");
  EXPECT_NE(gate(id).find("1 of the 2 devices with a hard failure that are the end: cam-"),
            std::string::npos)
      << gate(id);
}

// A hub that is stricter than the one before it, a row that was mended by hand.
TEST_F(RolloutRows, OneThatCannotBeReadHoldsUpNoOther) {
  make_fleet(6);
  for (const char* name : {"cam-0", "cam-1"})
    send("PUT", std::string("/v1/devices/") + name + "/tags", R"({"site":"ams"})", admin_);
  for (const char* name : {"cam-2", "cam-3", "cam-4", "cam-5"})
    send("PUT", std::string("/v1/devices/") + name + "/tags", R"({"site":"rtm"})", admin_);
  const std::string bad = begin("1.1.0", R"(,"query":"site=ams")");
  measures_ = "[]";
  const std::string good = begin("1.2.0", R"(,"query":"site=rtm")");
  ASSERT_EQ(wanted_to_run("1.1.0"), 1);
  const Status broken = writer_->write([&](Database& database) {
    return database.run("UPDATE rollout SET plan = '{\"model\":\"people\"}' WHERE id = ?", {bad});
  });
  ASSERT_TRUE(broken.ok()) << broken.error().message;
  look();
  EXPECT_NE(trouble_.find("rollout " + bad), std::string::npos) << trouble_;
  turn();  // not again before its next look
  EXPECT_EQ(trouble_, "");
  for (int i = 0; i < 60 && phase(good) == "running"; ++i) look();
  EXPECT_EQ(phase(good), "done") << gate(good);
  const trust::Json all = json(send("GET", "/v1/rollouts", "", admin_));
  ASSERT_EQ(all.find("rollouts")->array()->size(), 2u);
  const trust::Json& shown = (*all.find("rollouts")->array())[1];
  EXPECT_EQ(*shown.find("id")->string(), bad);
  EXPECT_NE(shown.find("trouble")->string()->find("version"), std::string::npos);
  EXPECT_TRUE((*all.find("rollouts")->array())[0].find("trouble")->is_null());
  // Devices tell what they have to, come, and leave.
  for (const char* name : {"cam-0", "cam-1"}) alarm(name, proto::AlarmKind::kCrashLoop, "1.1.0");
  add_device("cam-new");
  // People may still end it.
  const Response done =
      send("POST", "/v1/rollouts/" + bad + "/abort", R"({"reason":"it is broken"})", admin_);
  EXPECT_EQ(done.status, 200) << done.body;
  EXPECT_EQ(wanted_to_run("1.1.0"), 0);
}

TEST_F(RolloutRows, WhatHasLongBeenOverIsForgotten) {
  make_fleet(3);
  const std::string id = begin("1.1.0");
  look();
  send("POST", "/v1/rollouts/" + id + "/abort", R"({"reason":"x"})", admin_);
  const auto sweep = [&] {
    const Status done =
        writer_->write([&](Database& database) { return sweep_rollouts(database, wall_.now_s()); });
    ASSERT_TRUE(done.ok()) << done.error().message;
  };
  const auto is_kept = [&](const char* table) {
    return !readers_->query(std::string("SELECT 1 FROM ") + table)->empty();
  };
  wall_.set_s(wall_.now_s() + kRolloutKeptS);
  sweep();
  EXPECT_TRUE(is_kept("rollout_device"));
  EXPECT_TRUE(is_kept("rollout_look"));
  const std::string next = begin("1.2.0");
  wall_.set_s(wall_.now_s() + 1);
  sweep();
  EXPECT_EQ(phase(id), "aborted");
  EXPECT_TRUE(history(id).empty());
  EXPECT_FALSE(is_kept("rollout_look"));
  EXPECT_TRUE(rollout(id).find("devices")->find("running")->is_null());
  // Of one that goes on nothing, however long.
  wall_.set_s(wall_.now_s() + 2 * kRolloutKeptS);
  sweep();
  EXPECT_EQ(count(next, "matching"), 3);
  EXPECT_FALSE(history(next).empty());
}

}  // namespace
}  // namespace polder::hub
