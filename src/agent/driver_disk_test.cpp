// Disks that are full, lose what they hold, or stop with the power.
#include <cstdio>
#include <set>

#include "agent/testing_driver.h"

namespace polder::agent {
namespace {

TEST_F(DriverTest, AStateThatCannotBeSavedEndsWhatSomebodyAskedFor) {
  Driver agent = driver();
  ASSERT_TRUE(agent.start().ok());
  releases.offers = {{"people", release("2.0.0")}};
  disk.fail_at(0, StorageFault::kFull, true);
  const auto turn = agent.turn_until_idle();
  ASSERT_FALSE(turn.ok());
  EXPECT_EQ(turn.error().code, Code::kExhausted);
  EXPECT_EQ(releases.downloads, 0);
}

TEST_F(DriverTest, AFullDiskWaitsAndGoesOn) {
  install("1.0.0");
  releases.offers = {{"people", release("2.0.0")}};
  Driver agent = driver();
  ASSERT_TRUE(agent.start().ok());
  bool full = true;
  disk.fault_of = [&](std::uint64_t) { return full ? StorageFault::kFull : StorageFault::kNone; };
  for (int i = 0; i < 5; ++i) {
    const auto turn = agent.turn();
    ASSERT_TRUE(turn.ok());
    clock.sleep_until_us(turn->wake_us);
  }
  EXPECT_EQ(releases.downloads, 1);
  EXPECT_EQ(runner.running.at("people"), release("1.0.0"));
  full = false;
  clock.advance_us(20 * kSecondUs);
  settle(agent);
  EXPECT_EQ(runner.running.at("people"), release("2.0.0"));
}

// The disk has lost what runs: the release before it runs, and the lost one is installed again.
TEST_F(DriverTest, ADamagedSlotIsInstalledAgain) {
  install("1.0.0");
  install("2.0.0");
  for (const bool found_at_start : {true, false}) {
    runner.running.clear();
    Driver agent = driver();
    if (found_at_start) runner.unopenable = {"2.0.0"};
    releases.check_error = {Code::kUnavailable, "no network"};
    ASSERT_TRUE(agent.start().ok());
    if (!found_at_start) runner.bad_version = "2.0.0";  // a crash loop, long after the commit
    releases.slots.erase({"people", agent.state().units.at("people").active});
    const int before = count(trust::Act::kReleaseLost);
    settle(agent);
    ASSERT_TRUE(agent.turn().ok());
    EXPECT_EQ(runner.running.at("people"), release("1.0.0"));
    EXPECT_EQ(agent.state().units.at("people").committed, release("2.0.0"));
    EXPECT_TRUE(agent.state().bad.empty());
    EXPECT_EQ(count(trust::Act::kReleaseLost), before + 1);
    runner.unopenable.clear();
    runner.bad_version.clear();
    releases.check_error.message.clear();
    settle(agent);
    EXPECT_EQ(runner.running.at("people"), release("2.0.0"));
    EXPECT_EQ(agent.state().units.at("people").previous, release("1.0.0"));
  }
}

// The journal promises no way back whose slot has suffered as well.
TEST_F(DriverTest, OfTwoDamagedSlotsNothingIsSaidToRun) {
  install("1.0.0");
  install("2.0.0");
  runner.runs.clear(), runner.running.clear();
  releases.slots.clear();
  releases.check_error = {Code::kUnavailable, "no network"};
  Driver agent = driver();
  ASSERT_TRUE(agent.start().ok());
  settle(agent);
  ASSERT_TRUE(agent.turn().ok());
  EXPECT_TRUE(runner.runs.empty());
  const auto told = std::ranges::find(occurred, trust::Act::kReleaseLost, &Occurrence::act);
  ASSERT_NE(told, occurred.end());
  EXPECT_EQ(told->object, "people 2.0.0");
  EXPECT_NE(told->text.find("so is that of people 1.0.0, and nothing runs until it"),
            std::string::npos)
      << told->text;
  EXPECT_EQ(count(trust::Act::kReleaseLost), 1);
}

// A slot whose files are there, of the right sizes, and hold something else or cannot be read.
TEST_F(DriverTest, ASlotIsHashedBeforeItRuns) {
  install("1.0.0");
  install("2.0.0");
  for (const Code code : {Code::kCorrupt, Code::kNotFound, Code::kIo}) {
    Driver agent = driver();
    runner.runs.clear();
    releases.check_error = {Code::kUnavailable, "no network"};
    releases.damaged[{"people", load_state(disk)->units.at("people").active}] = code;
    ASSERT_TRUE(agent.start().ok());
    EXPECT_NE(agent.damage("people").find("another digest"), std::string::npos);
    settle(agent);
    ASSERT_TRUE(agent.turn().ok());
    EXPECT_EQ(runner.runs, std::vector<ReleaseId>{release("1.0.0")});
    EXPECT_EQ(agent.damage("people"), "");
    EXPECT_EQ(agent.state().units.at("people").committed, release("2.0.0"));
    EXPECT_TRUE(agent.state().bad.empty());
    releases.check_error.message.clear();
    settle(agent);
    EXPECT_EQ(runner.running.at("people"), release("2.0.0"));
  }
}

// Where there is no other, a disk that fails may be well again.
TEST_F(DriverTest, WhatCannotBeReadIsNotGivenUpForNothing) {
  install("1.0.0");
  const std::pair<std::string, Slot> place{"people", Slot::kA};
  releases.damaged[place] = Code::kIo;
  runner.running.clear();
  Driver agent = driver();
  ASSERT_TRUE(agent.start().ok());
  settle(agent);
  EXPECT_TRUE(runner.running.empty());
  EXPECT_TRUE(agent.state().units.at("people").running());
  releases.damaged.clear();
  clock.advance_us(61 * kSecondUs);
  settle(agent);
  EXPECT_EQ(runner.running.at("people"), release("1.0.0"));
}

TEST_F(DriverTest, ASlotIsHashedOnceByAProcessAndAgainWhenItCrashes) {
  install("1.0.0");
  Driver agent = driver();
  releases.hashed = 0;
  ASSERT_TRUE(agent.start().ok());
  for (int i = 0; i < 5; ++i) {
    settle(agent);
    clock.advance_us(61 * kSecondUs);
  }
  EXPECT_EQ(releases.hashed, 1);
  runner.bad_version = "1.0.0";
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(agent.turn().ok());
    clock.advance_us(kSecondUs);
  }
  EXPECT_EQ(releases.hashed, 2);
  EXPECT_EQ(runner.running.at("people"), release("1.0.0"));
}

// Between its installation and its trial.
TEST_F(DriverTest, WhatTheDiskDoesToANewReleaseIsNoFaultOfIt) {
  install("1.0.0");
  for (const Phase phase : {Phase::kProbe, Phase::kShadow, Phase::kActivate}) {
    releases.offers = {{"people", release("2.0.0"), true}};
    Driver agent = driver();
    ASSERT_TRUE(agent.start().ok());
    agent.ask_now();
    while (agent.state().phase != phase) clock.sleep_until_us(agent.turn()->wake_us);
    // After a power cut: what was hashed before is not believed.
    Driver again = driver();
    runner.runs.clear();
    releases.damaged[{"people", agent.state().update->slot}] = Code::kCorrupt;
    ASSERT_TRUE(again.start().ok());
    settle(again);
    EXPECT_EQ(runner.running.at("people"), release("1.0.0")) << int(phase);
    EXPECT_EQ(std::ranges::count(runner.runs, release("2.0.0")), 0);
    EXPECT_TRUE(again.state().bad.empty());
    EXPECT_EQ(again.state().attempts.size(), 1u);
    clock.advance_us(3600 * kSecondUs);
    wall.set_s(wall.now_s() + 3600);
  }
}

// What does not run though its slot is whole is left alone: a camera may be unplugged.
TEST_F(DriverTest, AWholeSlotIsKept) {
  install("1.0.0");
  install("2.0.0");
  Driver agent = driver();
  ASSERT_TRUE(agent.start().ok());
  runner.bad_version = "2.0.0";
  settle(agent);
  ASSERT_TRUE(agent.turn().ok());
  EXPECT_EQ(runner.running.at("people"), release("2.0.0"));
}

// An update of a unit whose slot is lost has nothing to go back to: it begins anew.
TEST_F(DriverTest, AnUpdateOfADamagedUnitBeginsAnew) {
  install("1.0.0");
  for (const Phase phase : {Phase::kStage, Phase::kObserve}) {
    releases.offers = {{"people", release("2.0.0")}};
    {
      Driver agent = driver();
      ASSERT_TRUE(agent.start().ok());
      agent.ask_now();
      while (agent.state().phase != phase) ASSERT_TRUE(agent.turn().ok());
      releases.slots.erase({"people", agent.state().units.at("people").active});
    }
    runner.unopenable = {phase == Phase::kStage ? "1.0.0" : "2.0.0"};
    Driver agent = driver();
    ASSERT_TRUE(agent.start().ok());
    for (int i = 0; i < 5; ++i) ASSERT_TRUE(agent.turn().ok());
    if (phase == Phase::kObserve) {
      EXPECT_EQ(runner.running.at("people"), release("1.0.0"));
      break;
    }
    runner.unopenable.clear();
    clock.sleep_until_us(clock.now_us() + 3600 * kSecondUs);
    wall.set_s(kNow + 3600);
    releases.offers = {{"people", release("1.0.0")}};
    settle(agent);
    EXPECT_EQ(runner.running.at("people"), release("1.0.0"));
  }
}

// The power goes at every changing call to the disk in an update, again and again.
TEST_F(DriverTest, PowerCutsAtEveryWriteOfTheState) {
  config.shadow_s = 600;
  install("1.0.0");
  releases.offers = {{"people", release("2.0.0", "people"), true}};
  std::uint64_t cuts = 0;
  for (std::uint64_t n = 0;; ++n) {
    FakeReleases at = releases;
    const auto copy = disk.after_crash(disk.steps(), 1);
    bool is_cut = false;
    std::set<trust::Act> told;  // what is recorded is lost with the power
    const auto record = [&](const Occurrence& what) {
      if (what.release == release("2.0.0")) told.insert(what.act);
    };
    {
      Driver agent(config, {}, {*copy, at, runner, clock, wall, [this] { return seed++; }, record},
                   {});
      ASSERT_TRUE(agent.start().ok());
      copy->fail_at(n, StorageFault::kPowerCut, true);
      for (int i = 0; i < 20'000 && !is_cut; ++i) {
        const auto turn = agent.turn();
        clock.sleep_until_us(turn->wake_us);
        is_cut = copy->fault_of && copy->fault_of(copy->calls()) == StorageFault::kPowerCut;
        if (agent.state().units.at("people").committed == release("2.0.0")) break;
      }
    }
    if (!is_cut) break;
    ++cuts;
    for (const std::uint64_t choice : {0u, 1u, 7u}) {
      const auto after = copy->after_crash(copy->steps(), choice);
      FakeReleases again = at;
      const std::set<trust::Act> told_before = told;
      Driver agent(config, {},
                   {*after, again, runner, clock, wall, [this] { return seed++; }, record}, {});
      ASSERT_TRUE(agent.start().ok()) << n;
      const Unit& unit = agent.state().units.at("people");
      ASSERT_TRUE(unit.running());
      EXPECT_EQ(again.slots.at({"people", unit.active}), *unit.running()) << n;
      settle(agent);
      EXPECT_EQ(agent.state().units.at("people").committed, release("2.0.0")) << n;
      EXPECT_TRUE(told.contains(trust::Act::kUpdateInstalled)) << n;
      EXPECT_TRUE(told.contains(trust::Act::kUpdateCommitted)) << n;
      told = told_before;
    }
  }
  EXPECT_GT(cuts, 50u);
  std::printf("%llu cuts\n", static_cast<unsigned long long>(cuts));
}

}  // namespace
}  // namespace polder::agent
