// Devices that have the release before its rollout begins, that cannot have it yet, or that are not
// heard of any more once they were told; and what a shadow costs them.
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "hub/rollouts/silence.h"
#include "hub/rollouts/testing_fleet.h"

namespace polder::hub {
namespace {

constexpr char kForAll[] = R"("stages":[{"percent":100,"least_minutes":1}])";

class Brought : public FleetTest {
 protected:
  void run_to_its_end(const std::string& id, int most = 600) {
    for (int i = 0; i < most && phase(id) == "running"; ++i) look();
    EXPECT_EQ(phase(id), "done") << gate(id);
  }
  void tag_half() {
    for (std::size_t i = 0; i < devices_.size() / 2; ++i)
      send("PUT", "/v1/devices/" + devices_[i].name + "/tags", R"({"site":"ams"})", admin_);
  }
  std::string preview(const std::string& version) {
    return send("POST", "/v1/rollout-previews",
                R"({"model":"people","version":")" + version + R"("})", admin_)
        .body;
  }
};

// They would be canaries that nobody has seen with the old release.
TEST_F(Brought, WhoHasItOfAPilotTakesNoPart) {
  make_fleet(24);
  tag_half();
  run_to_its_end(begin("1.1.0", R"(,"query":"site=ams")", kForAll));
  look();
  ASSERT_EQ(running("1.1.0"), 12);
  const std::string foreseen = preview("1.1.0");
  EXPECT_NE(foreseen.find(R"("matching":12)"), foreseen.npos) << foreseen;
  EXPECT_NE(foreseen.find(R"("running":12)"), foreseen.npos) << foreseen;
  EXPECT_NE(foreseen.find("12 devices are left out: an earlier rollout has brought it to them"),
            foreseen.npos)
      << foreseen;
  const std::string id = begin("1.1.0");
  EXPECT_EQ(count(id, "matching"), 12);
  run_to_its_end(id);
  EXPECT_EQ(wanted_to_run("1.1.0"), 24);
}

TEST_F(Brought, AnAbortTakesNothingFromThem) {
  make_fleet(24);
  tag_half();
  run_to_its_end(begin("1.1.0", R"(,"query":"site=ams")", kForAll));
  const std::string id = begin("1.1.0");
  looks(8);
  ASSERT_EQ(send("POST", "/v1/rollouts/" + id + "/abort", R"({"reason":"not now"})", admin_).status,
            200);
  looks(2);
  EXPECT_EQ(running("1.1.0"), 12);
  EXPECT_EQ(wanted_to_run("1.1.0"), 12);
}

TEST_F(Brought, ForNobodyElseThereIsNone) {
  make_fleet(4);
  run_to_its_end(begin("1.1.0", "", kForAll));
  const Response again = order("1.1.0");
  EXPECT_EQ(again.status, 409) << again.body;
  EXPECT_NE(again.body.find("a rollout has brought people 1.1.0 to all 4 devices"), again.body.npos)
      << again.body;
  EXPECT_NE(preview("1.1.0").find("to all 4 devices"), std::string::npos);
}

TEST_F(Brought, TheBetterOfTwoGoesToThoseThatHaveTheOther) {
  make_fleet(40);
  publish_release("1.2.0");
  measures_ = "[]";
  run_to_its_end(begin("1.1.0", R"(,"other_version":"1.2.0")", kForAll));
  const int others = running("1.1.0");
  measures_ = R"(["errors","slow frames","empty frames"])";
  const std::string id = begin("1.2.0");
  EXPECT_EQ(count(id, "matching"), others);
  run_to_its_end(id);
  looks(2);
  EXPECT_EQ(running("1.2.0"), 40);
}

// As from the factory, when all rollouts are done.
TEST_F(Brought, WhoComesLaterWithAnOlderOneGetsIt) {
  make_fleet(6);
  run_to_its_end(begin("1.1.0", "", kForAll));
  add_device("older", "0.9.0");
  add_device("newer", "1.2.0");
  add_device("other", "not a version");
  add_device("empty", "");
  looks(3);
  EXPECT_EQ(device("older").runs, "1.1.0");
  EXPECT_EQ(device("newer").runs, "1.2.0");
  EXPECT_EQ(device("other").runs, "not a version");
  EXPECT_EQ(device("empty").runs, "1.1.0");
}

// Nobody could fetch it: a device that is told of it would be taken for one that does not take it.
TEST_F(Brought, NobodyIsToldOfWhatIsNotPublished) {
  make_fleet(3);
  is_published_ = false;
  const std::string id = begin("1.1.0");
  for (int i = 0; i < 4; ++i) {
    looks(8);
    wall_.set_s(wall_.now_s() + 3 * 86'400);
  }
  EXPECT_EQ(wanted_to_run("1.1.0"), 0);
  add_device("late");
  looks(2);
  EXPECT_EQ(wanted_to_run("1.1.0"), 0);
  publish_release("1.1.0");
  run_to_its_end(id);
}

// A release that ends the device is on one, however long that is away.
TEST_F(Brought, NobodyTakesThePlaceOfOneThatIsHeardOfNoMore) {
  make_fleet(6);
  const std::string id = begin("1.1.0");
  std::set<std::string> told;
  for (int day = 0; day < 15; day += 3) {
    for (int i = 0; i < 12; ++i) {
      look();
      for (Device& one : devices_) {
        if (wanted()[one.name] != "1.1.0" || !told.insert(one.name).second) continue;
        // It has heard of it, and goes on for a moment.
        wall_.set_s(wall_.now_s() + 1);
        report(one.name, window(one));
        one.is_away = true;
      }
    }
    wall_.set_s(wall_.now_s() + 3 * 86'400 + 60);
    for (const Device& one : devices_)
      if (!one.is_away) report(one.name, window(one));
  }
  EXPECT_EQ(told.size(), 1u) << gate(id);
  EXPECT_NE(gate(id).find("1 of 1 devices were told of it and are not there"), std::string::npos)
      << gate(id);
}

class Silence : public Brought {
 protected:
  // Up to where shares begin.
  std::string begin_shares() {
    std::string id = begin("1.1.0");
    for (int i = 0; i < 400 && phase(id) == "running" && stage(id) < 2; ++i) look();
    EXPECT_EQ(stage(id), 2) << gate(id);
    return id;
  }
};

// It lives, is well, and gives nothing: no measure counts that.
TEST_F(Silence, OfDevicesThatRunItHoldsTheStage) {
  make_fleet(60);
  const std::string id = begin_shares();
  for (std::size_t i = 0; i < devices_.size(); ++i)
    if (devices_[i].runs != "1.1.0" && i % 4 != 0) devices_[i].mute_with = "1.1.0";
  looks(200);
  EXPECT_EQ(phase(id), "running");
  EXPECT_EQ(stage(id), 2);
  EXPECT_NE(gate(id).find("devices that were told to run it tell of no frame, such as cam-"),
            std::string::npos)
      << gate(id);
  EXPECT_NE(gate(id).find("; of those with the old release 0 of "), std::string::npos) << gate(id);
  // What is said between looks is what the last one found.
  ASSERT_EQ(send("POST", "/v1/rollouts/" + id + "/pause", R"({"reason":"x"})", admin_).status, 200);
  ASSERT_EQ(send("POST", "/v1/rollouts/" + id + "/resume", "", admin_).status, 200);
  EXPECT_EQ(stage(id), 2);
  EXPECT_NE(gate(id).find("tell of no frame"), std::string::npos) << gate(id);
  for (Device& one : devices_) one.mute_with.clear();
  run_to_its_end(id);
}

TEST_F(Silence, OfDevicesThatAreGoneHoldsTheStage) {
  make_fleet(100);
  const std::string id = begin_shares();
  std::set<std::string> took;
  int count = 0;
  for (int i = 0; i < 300 && phase(id) == "running"; ++i) {
    look();
    for (Device& one : devices_)
      if (one.runs == "1.1.0" && took.insert(one.name).second && ++count % 5 < 2)
        one.is_away = true;
  }
  EXPECT_EQ(phase(id), "running");
  EXPECT_EQ(stage(id), 2);
  EXPECT_NE(gate(id).find("tell of no frame"), std::string::npos) << gate(id);
}

// Where as many are with the old release, it is not the new one's doing.
TEST_F(Silence, OfAsManyElsewhereHoldsNothing) {
  make_fleet(60);
  const std::string id = begin_shares();
  for (std::size_t i = 0; i < devices_.size(); i += 4) devices_[i].is_away = true;
  run_to_its_end(id);
}

TEST(ChanceOfSilence, IsThatOfABinomialTail) {
  EXPECT_NEAR(chance_of_silence(0, 10, 0.1), 1, 1e-9);
  EXPECT_NEAR(chance_of_silence(1, 10, 0.1), 1 - std::pow(0.9, 10), 1e-9);
  EXPECT_NEAR(chance_of_silence(10, 10, 0.5), std::pow(0.5, 10), 1e-9);
}

// A step takes as long as both models meanwhile: that is not how slow its device is by itself.
TEST_F(Brought, WhatAShadowCostsHidesNoSlowerRelease) {
  history_looks_ = 96;
  measures_ = R"(["errors","slow frames","empty frames","frames that differ","slower frames"])";
  make_fleet(20);
  behaviour_["1.1.0"].every = 10;  // twice as many slow frames
  const std::string id =
      begin("1.1.0", "",
            R"("stages":[{"devices":1,"shadow":true,"least_minutes":4,"errors_an_hour":180},)"
            R"({"devices":1,"least_minutes":4,"errors_an_hour":180},)"
            R"({"devices":3,"least_minutes":4,"errors_an_hour":180},)"
            R"({"percent":100,"least_minutes":4}])");
  for (int i = 0; i < 400 && phase(id) == "running"; ++i) look();
  EXPECT_EQ(phase(id), "aborted") << gate(id);
  EXPECT_NE(reason(id).find("slow frames"), std::string::npos) << reason(id);
  EXPECT_LE(stage(id), 2);
}

}  // namespace
}  // namespace polder::hub
