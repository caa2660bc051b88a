// Who only tries a release, or cannot run what is not to blame, does not run it; and what is told
// of a rollout that is over.
#include <gtest/gtest.h>

#include "hub/rollouts/testing_fleet.h"

namespace polder::hub {
namespace {

constexpr const char* kAllAtOnce = R"("stages":[{"percent":100,"least_minutes":0}])";

class Trials : public FleetTest {
 protected:
  void tries(const std::string& name, const std::string& version) {
    report(name,
           proto::ReportLifecycle{proto::LifecycleKind::kActivated, "people", release(version)});
  }
  void commits(const std::string& name, const std::string& version) {
    report(name,
           proto::ReportLifecycle{proto::LifecycleKind::kCommitted, "people", release(version)});
  }
  void pass(std::int64_t seconds = kTestLookS) {
    wall_.set_s(wall_.now_s() + seconds);
    turn();
  }
  bool gate_says(const std::string& id, const std::string& what) {
    return gate(id).find(what) != std::string::npos;
  }
  std::string member(const std::string& id, std::size_t i, const char* name) {
    const trust::Json page = json(send("GET", "/v1/rollouts/" + id + "/devices", "", admin_));
    const trust::Json* const value = page.find("devices")->array()->at(i).find(name);
    return value->is_null() ? "" : *value->string();
  }
};

TEST_F(Trials, OfAFirstReleaseNobodyRunsItBeforeItIsCommitted) {
  make_fleet(2, "");
  const std::string id = begin("1.0.0", "", kAllAtOnce);
  for (const char* name : {"cam-0", "cam-1"}) tries(name, "1.0.0");
  pass();
  EXPECT_EQ(phase(id), "running") << gate(id);
  EXPECT_TRUE(gate_says(id, "no device runs it yet")) << gate(id);
  EXPECT_EQ(count(id, "wanted"), 2);
  EXPECT_EQ(count(id, "running"), 0);
  // An agent that begins anew in the middle of it says what it tries.
  report("cam-0",
         proto::ReportLifecycle{proto::LifecycleKind::kStarted, "people", release("1.0.0")});
  pass();
  EXPECT_EQ(count(id, "running"), 0);
  for (const char* name : {"cam-0", "cam-1"}) commits(name, "1.0.0");
  EXPECT_EQ(count(id, "running"), 2);
  pass();
  EXPECT_EQ(phase(id), "done") << gate(id);
}

TEST_F(Trials, WhatTellsOfFramesRunsIt) {
  make_fleet(1, "");
  const std::string id = begin("1.0.0", "", kAllAtOnce);
  tries("cam-0", "1.0.0");
  Device& one = device("cam-0");
  one.runs = "1.0.0";
  EXPECT_EQ(count(id, "running"), 0);
  report("cam-0", window(one));
  EXPECT_EQ(count(id, "running"), 1);
}

// Its last window is told when nothing runs any more, or the one of before again.
TEST_F(Trials, WhatWasCountedOfOneThatWasTakenBackIsNoRun) {
  make_fleet(1, "");
  const std::string id = begin("1.0.0", "", kAllAtOnce);
  tries("cam-0", "1.0.0");
  Device& one = device("cam-0");
  one.runs = "1.0.0";
  proto::ReportMetrics last = window(one);
  last.units[0].health = proto::ReportHealth::kIdle;
  report("cam-0", last);
  EXPECT_EQ(count(id, "running"), 0);
  pass();
  EXPECT_EQ(phase(id), "running") << gate(id);
}

TEST_F(Trials, ACrashLoopThatIsNoFaultOfTheReleaseHoldsAndIsTold) {
  make_fleet(2, "");
  const std::string id = begin("1.0.0", "", kAllAtOnce);
  const std::string told =
      "does not run it: a plug-in, a camera or a file that it needs is not there (no fault of the "
      "release)";
  // Again and again: it is told once of each.
  for (int i = 0; i < 3; ++i) {
    for (const char* name : {"cam-0", "cam-1"}) {
      tries(name, "1.0.0");
      alarm(name, proto::AlarmKind::kCrashLoop, "1.0.0", Code::kNotFound);
      alarm(name, proto::AlarmKind::kRolledBack, "1.0.0", {}, "for what is no fault of it");
      started(device(name));
    }
    pass();
  }
  EXPECT_EQ(phase(id), "running") << gate(id);
  EXPECT_EQ(count(id, "running"), 0);
  EXPECT_EQ(count(id, "failed"), 0);
  EXPECT_TRUE(gate_says(id, "cam-1: " + told)) << gate(id);
  EXPECT_EQ(history(id).size(), 3u);
  EXPECT_EQ(history(id).at(1), "cam-0: " + told);
  EXPECT_EQ(member(id, 0, "trouble"), told);
  // What was missing is there.
  for (const char* name : {"cam-0", "cam-1"}) {
    tries(name, "1.0.0");
    commits(name, "1.0.0");
  }
  EXPECT_EQ(member(id, 0, "trouble"), "");
  pass();
  EXPECT_EQ(phase(id), "done") << gate(id);
}

// The camera of one that has committed it is away: it goes on with it.
TEST_F(Trials, WhatHappensAfterItIsCommittedIsAnotherMatter) {
  make_fleet(1, "");
  const std::string id = begin("1.0.0", "", R"("stages":[{"percent":100,"least_minutes":1}])");
  commits("cam-0", "1.0.0");
  alarm("cam-0", proto::AlarmKind::kCrashLoop, "1.0.0", Code::kUnavailable);
  EXPECT_EQ(history(id).size(), 1u);
  pass(60);
  EXPECT_EQ(phase(id), "done") << gate(id);
}

TEST_F(Trials, TheLastStageOfAFirstReleaseIsHeldByThoseThatTookItAndDoNotRunIt) {
  make_fleet(4, "");
  const std::string id = begin("1.0.0", "", kAllAtOnce);
  commits("cam-0", "1.0.0");
  for (const char* name : {"cam-1", "cam-2"}) {
    tries(name, "1.0.0");
    alarm(name, proto::AlarmKind::kCrashLoop, "1.0.0", Code::kNotFound);
    started(device(name));
  }
  pass();
  EXPECT_EQ(phase(id), "running");
  EXPECT_TRUE(gate_says(id, "1 of 3 devices run it by now")) << gate(id);
  commits("cam-1", "1.0.0");
  pass();
  EXPECT_EQ(phase(id), "done") << gate(id);
  // Of one that is over it is told what the device does now.
  EXPECT_NE(member(id, 2, "trouble"), "");
  commits("cam-2", "1.0.0");
  EXPECT_EQ(member(id, 2, "trouble"), "");
}

TEST_F(Trials, TheTimeOfAStageWithoutStatisticsBeginsWhenADeviceRunsIt) {
  make_fleet(2, "");
  const std::string id = begin("1.0.0", "", R"("stages":[{"percent":100,"least_minutes":1}])");
  pass(600);
  commits("cam-0", "1.0.0");
  pass();
  EXPECT_EQ(phase(id), "running");
  EXPECT_TRUE(gate_says(id, "10 s of at least 1 min have passed")) << gate(id);
  pass(50);
  EXPECT_EQ(phase(id), "done") << gate(id);
}

TEST_F(Trials, OfARolloutThatIsOverItIsToldWhatDevicesRunNow) {
  make_fleet(2);
  history_looks_ = 0;
  const std::string id = begin("1.1.0");
  for (const char* name : {"cam-0", "cam-1"}) commits(name, "1.1.0");
  ASSERT_EQ(send("POST", "/v1/rollouts/" + id + "/abort", R"({"reason":"x"})", admin_).status, 200);
  EXPECT_EQ(count(id, "running"), 2);
  EXPECT_EQ(member(id, 0, "running"), "1.1.0");
  commits("cam-0", "1.0.0");
  EXPECT_EQ(count(id, "running"), 1);
  EXPECT_EQ(member(id, 0, "running"), "1.0.0");
}

// In a download or a trial; no word of a device is told, but what kind of trouble it was.
TEST_F(Trials, WhatEndsAnUpdateForWhatIsNoFaultOfItIsTold) {
  make_fleet(3, "");
  const std::string id = begin("1.0.0", "", kAllAtOnce);
  const std::size_t lines = history(id).size();
  for (int i = 0; i < 3; ++i)
    alarm("cam-0", proto::AlarmKind::kUpdateFailed, "1.0.0", Code::kExhausted, "CANARY");
  tries("cam-1", "1.0.0");
  alarm("cam-1", proto::AlarmKind::kRolledBack, "1.0.0", Code::kExhausted, "CANARY");
  started(device("cam-1"));
  pass();
  const std::string why =
      "could not take it: there is no room for it (no fault of the release; tried again)";
  EXPECT_EQ(phase(id), "running");
  EXPECT_EQ(count(id, "failed"), 0);
  EXPECT_TRUE(gate_says(id, "2 devices " + why + ", such as cam-0")) << gate(id);
  EXPECT_FALSE(gate_says(id, "CANARY")) << gate(id);
  EXPECT_EQ(member(id, 1, "trouble"), why);
  EXPECT_EQ(history(id).size(), lines);
  // Those that could not take it do not hold the last stage; of one that runs it nothing is said.
  commits("cam-2", "1.0.0");
  commits("cam-0", "1.0.0");
  EXPECT_EQ(member(id, 0, "trouble"), "");
  pass();
  EXPECT_EQ(phase(id), "done") << gate(id);
}

// An agent of before tells no code; and what the hub took back itself has not failed.
TEST_F(Trials, AnUpdateThatEndsWithoutACodeOrIsTakenBackIsNotTold) {
  make_fleet(2);
  history_looks_ = 0;
  const std::string id = begin("1.1.0");
  const std::string told = wanted().begin()->first;
  const std::size_t i = told == "cam-0" ? 0 : 1;
  alarm(told, proto::AlarmKind::kUpdateFailed, "1.1.0", {}, "blob 1: the connection was cut");
  EXPECT_EQ(member(id, i, "trouble"), "");
  const std::string other = told == "cam-0" ? "cam-1" : "cam-0";
  alarm(other, proto::AlarmKind::kRolledBack, "1.1.0", Code::kIo, "it is tried again");
  EXPECT_EQ(member(id, 1 - i, "trouble"), "");
}

TEST_F(Trials, WhoHasCountedNothingIsNamedAsTheReason) {
  make_fleet(2);
  history_looks_ = 1;
  const std::string id = begin("1.1.0");
  pass();
  EXPECT_TRUE(gate_says(id, "0 of 1 devices are there")) << gate(id);
  EXPECT_TRUE(gate_says(id, "2 of 2 have told of no frame of it since this began")) << gate(id);
}

}  // namespace
}  // namespace polder::hub
