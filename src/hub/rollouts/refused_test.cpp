// Devices that refuse the release of their rollout: it is said, and nothing goes on without proof.
#include <gtest/gtest.h>

#include "hub/rollouts/testing_fleet.h"

namespace polder::hub {
namespace {

// Devices are told at once.
class Refused : public FleetTest {
 protected:
  Refused() { history_looks_ = 0; }

  // Whoever is to run it and has not said so yet; how many they were.
  int refuse(const std::string& version, const std::string& why) {
    int count = 0;
    for (const auto& [name, wanted] : wanted()) {
      Device& one = device(name);
      if (wanted != version || std::ranges::count(one.gave_up, version) > 0) continue;
      one.gave_up.push_back(version);
      alarm(name, proto::AlarmKind::kReleaseRefused, version, {}, why);
      ++count;
    }
    return count;
  }
  void next_turn() {
    wall_.set_s(wall_.now_s() + kTestLookS);
    turn();
  }
  std::string listed(std::string_view what) {
    const trust::Json page = json(send("GET", "/v1/rollouts", "", admin_));
    const trust::Json* const found = page.find("rollouts")->array()->front().find(what);
    return found && found->string() ? *found->string() : "null";
  }
};

constexpr const char* kFloor = "below the floor 2.0.0";

TEST_F(Refused, AStageThatNobodyIsLeftForSaysWhy) {
  make_fleet(2);
  const std::string id = begin("1.1.0");
  ASSERT_EQ(refuse("1.1.0", kFloor), 1);
  next_turn();
  ASSERT_EQ(refuse("1.1.0", kFloor), 1);
  next_turn();
  EXPECT_EQ(stage(id), 0);
  const std::string why =
      "2 of 2 devices that were told refused it: below the floor 2.0.0. Abort it, or let devices "
      "join that can take it";
  EXPECT_EQ(gate(id).find("hold; " + why), 0u) << gate(id);
  EXPECT_EQ(gate(id).find("devices are there"), std::string::npos) << gate(id);
  EXPECT_EQ(listed("waits_for"), why);
  // One that joins is told.
  add_device("cam-new");
  next_turn();
  EXPECT_EQ(wanted().at("cam-new"), "1.1.0");
}

TEST_F(Refused, WhatMostOfThemSaidIsTold) {
  make_fleet(3);
  const std::string id =
      begin("1.1.0", "",
            R"("stages":[{"devices":3,"least_minutes":1},{"percent":100,"least_minutes":1}])");
  const auto told = wanted();
  ASSERT_EQ(told.size(), 3u);
  int i = 0;
  for (const auto& one : told)
    alarm(one.first, proto::AlarmKind::kReleaseRefused, "1.1.0", {}, ++i == 1 ? "" : kFloor);
  next_turn();
  EXPECT_EQ(gate(id).find("hold; 3 of 3 devices that were told refused it, most of them: below the "
                          "floor 2.0.0. Abort it"),
            0u)
      << gate(id);
}

TEST_F(Refused, OneOfSeveralIsToldBesideWhatItWaitsFor) {
  make_fleet(4);
  measures_ = "[]";
  const std::string id = begin("1.1.0");
  ASSERT_EQ(refuse("1.1.0", ""), 1);
  look();
  look();
  ASSERT_EQ(running("1.1.0"), 1);
  EXPECT_EQ(gate(id).find("hold; 10 s of"), 0u) << gate(id);
  EXPECT_NE(gate(id).find("1 of 2 devices that were told refused it: without a word why"),
            std::string::npos)
      << gate(id);
}

TEST_F(Refused, WhoOnlyDoesNotTakeItRefusesNothing) {
  make_fleet(3);
  const std::string id = begin("1.1.0");
  // Three days each until another takes the place of the one that was told.
  for (Device& one : devices_) one.gave_up.emplace_back("1.1.0");
  const auto wait = [&] {
    wall_.set_s(wall_.now_s() + 4 * 86'400);
    look();
    look();
  };
  wait();
  EXPECT_EQ(gate(id).find("refused"), std::string::npos) << gate(id);
  EXPECT_NE(gate(id).find("1 of 2 devices that were told have not taken it for days"),
            std::string::npos)
      << gate(id);
  const auto all = wanted();
  const auto told = std::ranges::find(all, "1.1.0", [](const auto& one) { return one.second; });
  ASSERT_NE(told, all.end());
  alarm(told->first, proto::AlarmKind::kReleaseRefused, "1.1.0", {}, kFloor);
  wait();
  wait();
  EXPECT_EQ(gate(id).find("hold; 1 of 3 devices that were told refused it: below the floor 2.0.0. "
                          "Abort it, or let devices join that can take it; 2 of 3 devices that "
                          "were told have not taken it for days"),
            0u)
      << gate(id);
}

// Nothing is compared in the last stage, and by time alone this would be done.
TEST_F(Refused, NoStageEndsWellThatEverybodyRefuses) {
  make_fleet(4);
  const std::string id = begin("1.1.0", "", R"("stages":[{"percent":100,"least_minutes":1}])");
  ASSERT_EQ(refuse("1.1.0", kFloor), 4);
  looks(20);
  EXPECT_EQ(phase(id), "running");
  EXPECT_EQ(gate(id).find("hold; 4 of 4 devices that were told refused it: "), 0u) << gate(id);
  add_device("cam-new");
  looks(20);
  EXPECT_EQ(phase(id), "done") << gate(id);
  EXPECT_EQ(listed("waits_for"), "null");
}

}  // namespace
}  // namespace polder::hub
