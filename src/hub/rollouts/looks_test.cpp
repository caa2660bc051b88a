// In which look that counts what devices tell, soon and late.
#include <gtest/gtest.h>

#include <set>

#include "hub/rollouts/evidence.h"
#include "hub/rollouts/testing_fleet.h"
#include "trust/tuf_metadata.h"

namespace polder::hub {
namespace {

TEST(LookOf, IsWhenItWasCounted) {
  EXPECT_EQ(look_of(1195, 10, 1199), 119);
  EXPECT_EQ(look_of(1185, 10, 1199), 118);
  EXPECT_EQ(look_of(1189, 10, 1190), 118);
}

TEST(LookOf, IsTheFirstThatIsNotTakenForWhatComesLater) {
  EXPECT_EQ(look_of(1179, 10, 1190), 118);
  EXPECT_EQ(look_of(0, 10, 1190), 118);
}

TEST(LookOf, LiesNeverAheadWhateverADevicesClockSays) { EXPECT_EQ(look_of(9000, 10, 1199), 119); }

class Looks : public FleetTest {
 protected:
  Looks() { measures_ = R"(["errors","slow frames","frames that differ"])"; }
  static constexpr const char* kStages =
      R"("stages":[{"devices":1,"shadow":true,"least_minutes":1,"errors_an_hour":180},)"
      R"({"percent":100,"least_minutes":1}])";
  void SetUp() override {
    FleetTest::SetUp();
    wall_.set_s(wall_.now_s() / kTestLookS * kTestLookS);
    make_fleet(3);
    begin("1.1.0", "", kStages);
  }
  // Of a window that ended so long ago.
  void tell(const std::string& name, std::int64_t late_s) {
    report(name, window(device(name)), late_s);
  }
  std::set<std::int64_t> looks_kept() {
    std::set<std::int64_t> looks;
    const auto rows = readers_->query("SELECT look FROM rollout_counts", {});
    EXPECT_TRUE(rows.ok());
    for (const Row& row : *rows) looks.insert(row[0].integer());
    return looks;
  }
};

// Devices of a site see the same at the same time: they tell it before and after a look is over.
TEST_F(Looks, WhatWasCountedAtTheSameTimeIsComparedWhenEverItIsTold) {
  const std::int64_t look = wall_.now_s() / kTestLookS - 1;
  tell("cam-0", 0);
  wall_.set_s(wall_.now_s() + 6);
  tell("cam-1", 6);
  EXPECT_EQ(looks_kept(), (std::set<std::int64_t>{look}));
  turn();
  EXPECT_EQ(looks_kept(), (std::set<std::int64_t>{look})) << "it waits for the third";
  wall_.set_s(wall_.now_s() + 4);
  turn();
  EXPECT_EQ(looks_kept(), std::set<std::int64_t>());
}

TEST_F(Looks, WhatComesWhenItsLookIsTakenCountsInTheNext) {
  tell("cam-0", 0);
  wall_.set_s(wall_.now_s() + kTestLookS);
  turn();
  tell("cam-1", kTestLookS);
  EXPECT_EQ(looks_kept(), (std::set<std::int64_t>{wall_.now_s() / kTestLookS - 1}));
}

TEST_F(Looks, NothingCountsThatADeviceKeptForLong) {
  tell("cam-0", 900);
  EXPECT_FALSE(looks_kept().empty());
  wall_.set_s(wall_.now_s() + 2 * kTestLookS);
  turn();
  tell("cam-1", 901);
  EXPECT_TRUE(looks_kept().empty());
}

// It is compared with what it runs beside, and with no other device.
TEST_F(Looks, AShadowCountsHoweverLateItTells) {
  const std::int64_t begun_s = wall_.now_s();
  looks(history_looks_);
  turn();
  const auto rows = readers_->query("SELECT device FROM wanted WHERE shadow <> 0", {});
  ASSERT_TRUE(rows.ok());
  ASSERT_EQ(rows->size(), 1u);
  Device& one = device((*rows)[0][0].text());
  one.shadow = "1.1.0";
  wall_.set_s(begun_s + 3600);
  turn();
  const auto told = [&] {
    return !readers_->query("SELECT 1 FROM rollout_counts WHERE measure = 'frames that differ'", {})
                ->empty();
  };
  tell(one.name, 3600 + kTestLookS);
  EXPECT_FALSE(told()) << "it was beside it before the rollout began";
  tell(one.name, 1000);
  EXPECT_TRUE(told());
}

// What a gate says is of its last look; devices are those of now.
class LookTimes : public FleetTest {};

TEST_F(LookTimes, AGateSaysWhenItHasLookedAndWhenItWillAgain) {
  make_fleet(2);
  const std::string id = begin("1.1.0");
  looks(2);
  const std::int64_t looked_s = wall_.now_s();
  wall_.set_s(looked_s + 3);
  const trust::Json shown = rollout(id);
  EXPECT_EQ(*shown.find("gate")->find("time")->string(), trust::tuf::time_text(looked_s));
  EXPECT_EQ(*shown.find("next_look")->string(),
            trust::tuf::time_text((looked_s / kTestLookS + 1) * kTestLookS));
  EXPECT_EQ(send("POST", "/v1/rollouts/" + id + "/abort", R"({"reason":"x"})", admin_).status, 200);
  EXPECT_TRUE(rollout(id).find("next_look")->is_null());
}

}  // namespace
}  // namespace polder::hub
