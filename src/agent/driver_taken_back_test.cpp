// Updates that the repository takes back while they are on their way or on trial.
#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "agent/testing_driver.h"

namespace polder::agent {
namespace {

class TakenBackTest : public DriverTest {
 protected:
  // 2.0.0 is on its way, and what `releases` says changes in the middle of it.
  void change(Phase in, const std::function<void()>& change) {
    install("1.0.0");
    config.shadow_s = 3600;
    releases.offers = {{.unit = "people", .release = release("2.0.0"), .shadow = true}};
    device.emplace(driver());
    ASSERT_TRUE(device->start().ok());
    bool has_changed = false;
    do {
      const auto turn = device->turn();
      ASSERT_TRUE(turn.ok());
      clock.sleep_until_us(turn->wake_us);
      if (!has_changed && device->state().phase == in) {
        has_changed = true;
        change();
        occurred.clear();
        device->check_soon();
      }
    } while (!has_changed || device->state().phase != Phase::kIdle);
    state = device->state();
  }
  Driver driver_of_rare_checks() {
    install("1.0.0");
    config.shadow_s = 600;
    config.check_every_s = 86'400;
    return driver();
  }
  // 2.0.0 runs in shadow when it is taken back, which nobody tells the device.
  void take_back_in_shadow(Driver& agent) {
    releases.offers = {{.unit = "people", .release = release("2.0.0"), .shadow = true}};
    ASSERT_TRUE(agent.start().ok());
    while (agent.state().phase != Phase::kShadow) {
      const auto turn = agent.turn();
      ASSERT_TRUE(turn.ok());
      clock.sleep_until_us(turn->wake_us);
    }
    releases.offers = {{"people", release("1.0.0")}};
  }
  std::string reason() const {
    for (const Occurrence& what : occurred)
      if (what.act == trust::Act::kUpdateFailed) return what.text;
    return "";
  }
  std::optional<Driver> device;
  AgentState state;
};

TEST_F(TakenBackTest, WhatIsNotActivatedYetIsGivenUp) {
  for (const Phase phase : {Phase::kDownload, Phase::kStage, Phase::kProbe, Phase::kShadow}) {
    SCOPED_TRACE(phase_name(phase));
    disk = FakeStorage();
    runner.runs.clear();
    change(phase, [&] { releases.offers = {{"people", release("1.0.0")}}; });
    EXPECT_EQ(runner.running.at("people"), release("1.0.0"));
    EXPECT_EQ(std::ranges::count(runner.runs, release("2.0.0")), 0);
    EXPECT_FALSE(runner.shadowing);
    EXPECT_EQ(reason(), "people 2.0.0: the repository does not want it here any more");
    EXPECT_TRUE(state.bad.empty());
    const auto told = std::ranges::find(occurred, trust::Act::kUpdateFailed, &Occurrence::act);
    ASSERT_NE(told, occurred.end());
    EXPECT_FALSE(told->says_worker);  // whose silence would blame the release
    EXPECT_TRUE(told->blames_no_release);
    EXPECT_FALSE(told->code);  // nothing has failed
  }
}

TEST_F(TakenBackTest, WhatIsOnTrialIsGivenUpToo) {
  change(Phase::kObserve, [&] { releases.offers = {{"people", release("1.0.0")}}; });
  EXPECT_EQ(runner.running.at("people"), release("1.0.0"));
  EXPECT_EQ(state.units.at("people").committed, release("1.0.0"));
  EXPECT_TRUE(state.bad.empty());
  const auto told = std::ranges::find(occurred, trust::Act::kUpdateRolledBack, &Occurrence::act);
  ASSERT_NE(told, occurred.end());
  EXPECT_EQ(told->text, "people 2.0.0: the repository does not want it here any more");
  EXPECT_FALSE(told->says_worker);
}

TEST_F(TakenBackTest, AFloorTakesBackToo) {
  change(Phase::kShadow, [&] { releases.floors["people"] = release("2.0.1").version; });
  EXPECT_EQ(state.units.at("people").committed, release("1.0.0"));
}

TEST_F(TakenBackTest, WhatComesAfterItWaitsForItsTurn) {
  change(Phase::kShadow, [&] { releases.offers = {{"people", release("3.0.0")}}; });
  EXPECT_EQ(reason(), "");
  EXPECT_EQ(std::ranges::count(runner.runs, release("2.0.0")), 1);
}

TEST_F(TakenBackTest, ARepositoryThatIsAwayTakesNothingBack) {
  change(Phase::kShadow, [&] { releases.check_error = {Code::kUnavailable, "no network"}; });
  EXPECT_EQ(state.units.at("people").committed, release("2.0.0"));
}

// The last moment before it acts, however far away the next check is.
TEST_F(TakenBackTest, ItIsAskedBeforeItActs) {
  Driver agent = driver_of_rare_checks();
  ASSERT_NO_FATAL_FAILURE(take_back_in_shadow(agent));
  settle(agent);
  EXPECT_EQ(std::ranges::count(runner.runs, release("2.0.0")), 0);
}

// As somebody who tries many models on one device would have it.
TEST_F(DriverTest, ModelsThatAreNoLongerConfiguredGo) {
  for (int i = 0; i < 2 * int(kMaxUnits); ++i) {
    const std::string model = fmt::format("model-{}", i);
    config.models = {model};
    releases.offers = {{model, release("1.0.0", model)}};
    Driver agent = driver();
    ASSERT_TRUE(agent.start().ok()) << i;
    const int tidied = releases.tidied;
    EXPECT_EQ(tidied > 0, i > 0);
    settle(agent);
    ASSERT_EQ(agent.state().units.at(model).committed, release("1.0.0", model));
    EXPECT_EQ(agent.state().units.size(), 2u);
    EXPECT_EQ(releases.slots.size(), 1u);
    releases.tidied = 0;
    EXPECT_EQ(load_state(disk)->units.size(), 2u);
  }
}

// What is lost before it is forgotten would stay for ever.
TEST_F(DriverTest, ASlotIsForgottenOnceItIsEmpty) {
  install("1.0.0");
  config.models = {"cars"};
  releases.offers.clear();
  disk.fail_at(0, StorageFault::kFull, true);  // no state is saved
  ASSERT_TRUE(driver().start().ok());
  EXPECT_TRUE(releases.slots.empty());
  disk.fault_of = nullptr;
  EXPECT_TRUE(load_state(disk)->units.contains("people"));
  ASSERT_TRUE(driver().start().ok());
  EXPECT_FALSE(load_state(disk)->units.contains("people"));
}

// In a trial. A release that hangs or takes too much there, again and again, is to blame as well.
TEST_F(DriverTest, TheDevicesOwnTroubleBlamesNoRelease) {
  struct Case {
    bool is_loop;
    std::optional<Code> code;
    bool is_to_blame;
  };
  install("1.0.0");
  for (const Case& at :
       {Case{false, Code::kUnavailable, false}, Case{true, Code::kUnavailable, false},
        Case{true, Code::kIo, false}, Case{false, {}, false}, Case{true, {}, true},
        Case{true, Code::kTimeout, true}, Case{true, Code::kExhausted, true},
        Case{true, Code::kNotFound, false}, Case{true, Code::kCorrupt, true}}) {
    releases.offers = {{"people", release("2.0.0")}};
    runner.bad_version = "2.0.0";
    runner.is_crash_loop = at.is_loop;
    runner.bad_code = at.code;
    Driver agent = driver();
    ASSERT_TRUE(agent.start().ok());
    settle(agent);
    EXPECT_EQ(agent.state().bad.size(), at.is_to_blame ? 1u : 0u);
    EXPECT_EQ(agent.state().attempts.size(), at.is_to_blame ? 0u : 1u);
    EXPECT_EQ(runner.running.at("people"), release("1.0.0"));
    ASSERT_TRUE(agent.try_again().ok());
  }
}

// However well it has run since.
TEST_F(DriverTest, ACrashLoopInATrialCountsThoughItRunsAgain) {
  install("1.0.0");
  releases.offers = {{"people", release("2.0.0")}};
  runner.bad_version = "2.0.0";
  runner.has_recovered = true;
  Driver agent = driver();
  ASSERT_TRUE(agent.start().ok());
  settle(agent);
  EXPECT_EQ(agent.state().bad.size(), 1u);
  EXPECT_EQ(runner.running.at("people"), release("1.0.0"));
  EXPECT_EQ(std::ranges::count(occurred, "rolled back to 1.0.0", &Occurrence::text), 1);
}

TEST_F(DriverTest, SaysWhenACheckWentWellLast) {
  Driver agent = driver();
  ASSERT_TRUE(agent.start().ok());
  EXPECT_EQ(agent.checked_well_s(), 0);
  settle(agent);
  EXPECT_EQ(agent.checked_well_s(), kNow);
  wall.set_s(kNow + 100);
  releases.check_error = {Code::kUnavailable, "no network"};
  settle(agent);
  EXPECT_EQ(agent.checked_well_s(), kNow);
  EXPECT_EQ(agent.check_error(), "no network");
}

// It names files of this device.
TEST_F(DriverTest, WhatADeviceIsNotSetUpForIsToldOnceAndStays) {
  install("1.0.0");
  releases.offers.clear();
  const auto refuse = [&](const std::string& reason) {
    releases.refusals = {{"people", release("2.0.0"), reason, true}};
  };
  refuse("'/dev/video0' is not there");
  Driver agent = driver();
  ASSERT_TRUE(agent.start().ok());
  for (int i = 0; i < 2; ++i) settle(agent);
  EXPECT_EQ(count(trust::Act::kReleaseRefused), 1);
  EXPECT_TRUE(occurred.back().says_worker);
  EXPECT_EQ(agent.refusals().at(0).reason, "'/dev/video0' is not there");
  EXPECT_TRUE(agent.state().bad.empty());
  refuse("no step 'camrea'");
  settle(agent);
  EXPECT_EQ(count(trust::Act::kReleaseRefused), 2);
}

TEST_F(DriverTest, WhatWasRefusedIsRememberedUntilAnotherReleaseIsCommitted) {
  install("1.0.0");
  releases.offers.clear();
  releases.refusals = {{"people", release("2.0.0"), "below the floor 3.0.0"}};
  Driver agent = driver();
  ASSERT_TRUE(agent.start().ok());
  settle(agent);
  const PastRefusals refused = agent.past_refusals();
  ASSERT_EQ(refused.size(), 1u);
  EXPECT_EQ(refused.at("people").line, "refused: people 2.0.0: below the floor 3.0.0");
  // Nobody wants it here any more.
  releases.refusals.clear();
  clock.advance_us(config.check_every_s * kSecondUs);
  settle(agent);
  EXPECT_TRUE(agent.refusals().empty());
  EXPECT_EQ(agent.past_refusals(), refused);
  releases.offers = {{"people", release("3.0.0")}};
  agent.ask_now();
  settle(agent);
  EXPECT_EQ(runner.running.at("people"), release("3.0.0"));
  EXPECT_TRUE(agent.past_refusals().empty());
}

// Another start knows of it by status.json, which is written after the state.
TEST_F(DriverTest, WhatWasRefusedHoldsOverAStartWhileTheUnitIsThereAndHasWhatItHadThen) {
  install("1.0.0");
  releases.offers.clear();
  releases.refusals = {{"people", release("2.0.0"), "below the floor 3.0.0"},
                       {"other", release("1.0.0"), "not configured here"}};
  Driver agent = driver();
  ASSERT_TRUE(agent.start().ok());
  settle(agent);
  ASSERT_EQ(agent.past_refusals().size(), 1u);
  const PastRefusal refused = agent.past_refusals().at("people");
  releases.refusals.clear();
  const auto kept = [&] {
    Driver next = driver();
    next.remember({{"people", refused}, {"gone", refused}});
    EXPECT_TRUE(next.start().ok());
    return next.past_refusals();
  };
  EXPECT_EQ(kept(), (PastRefusals{{"people", refused}}));
  // The power goes in the middle of a commit, and once it is over.
  releases.offers = {{"people", release("3.0.0")}};
  Driver other = driver();
  ASSERT_TRUE(other.start().ok());
  while (other.state().phase != Phase::kCommit) {
    ASSERT_TRUE(other.turn().ok());
    clock.advance_us(kSecondUs);
  }
  EXPECT_TRUE(kept().empty());
  settle(other);
  EXPECT_EQ(other.state().phase, Phase::kIdle);
  EXPECT_TRUE(kept().empty());
}

// A role file that is held back, a key that does not answer, a camera that is away.
TEST_F(TakenBackTest, WhatIsRefusedForAMomentIsNotTakenBack) {
  for (const Phase phase : {Phase::kShadow, Phase::kObserve}) {
    SCOPED_TRACE(phase_name(phase));
    disk = FakeStorage();
    change(phase, [&] {
      releases.offers.clear();
      releases.refusals = {{"people", release("2.0.0"), "its keys cannot be fetched"}};
    });
    EXPECT_EQ(state.units.at("people").committed, release("2.0.0"));
    releases.refusals.clear();
  }
}

TEST_F(TakenBackTest, WhatNobodyWantsIsGivenUp) {
  change(Phase::kObserve, [&] { releases.offers.clear(); });
  EXPECT_EQ(state.units.at("people").committed, release("1.0.0"));
}

// Back to 1.0.0 was ordered, and no longer is.
TEST_F(TakenBackTest, TheWayBackCanBeTakenBack) {
  install("1.0.0");
  install("2.0.0");
  releases.offers = {{"people", release("1.0.0")}};
  releases.during_download = [this] { releases.offers = {{"people", release("2.0.0")}}; };
  runner.runs.clear();
  Driver agent = driver();
  ASSERT_TRUE(agent.start().ok());
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(agent.turn().ok());
  }
  ASSERT_EQ(agent.state().phase, Phase::kDownload);
  ASSERT_TRUE(agent.turn().ok());
  agent.check_soon();
  settle(agent);
  EXPECT_EQ(runner.runs, std::vector{release("2.0.0")});
}

// What was lost comes back though nobody wants it, but not below a floor.
TEST_F(TakenBackTest, WhatWasLostIsHeldToTheFloor) {
  for (const bool has_floor : {false, true}) {
    disk = FakeStorage();
    releases.floors.clear();
    install("1.0.0");
    releases.slots.clear();
    runner.running.clear();
    runner.unopenable = {"1.0.0"};
    Driver agent = driver();
    ASSERT_TRUE(agent.start().ok());
    runner.unopenable.clear();
    bool has_changed = false;
    do {
      const auto turn = agent.turn();
      ASSERT_TRUE(turn.ok());
      clock.sleep_until_us(turn->wake_us);
      if (agent.state().phase == Phase::kDownload && !std::exchange(has_changed, true)) {
        if (has_floor) releases.floors["people"] = release("2.0.0").version;
        releases.offers.clear();
        agent.check_soon();
      }
    } while (!has_changed || agent.state().phase != Phase::kIdle);
    EXPECT_EQ(runner.running.contains("people"), !has_floor);
  }
}

// What was heard and could not be saved is asked for again.
TEST_F(TakenBackTest, AFullDiskForgetsNothing) {
  Driver agent = driver_of_rare_checks();
  ASSERT_NO_FATAL_FAILURE(take_back_in_shadow(agent));
  agent.check_soon();
  disk.fail_at(1, StorageFault::kFull);
  ASSERT_TRUE(agent.turn().ok());
  EXPECT_EQ(agent.state().phase, Phase::kShadow);
  clock.advance_us(700 * kSecondUs);
  settle(agent);
  EXPECT_EQ(std::ranges::count(runner.runs, release("2.0.0")), 0);
}

// A check in the middle of an update has seen what comes after it, of which nobody tells again.
TEST_F(TakenBackTest, WhatWasHeardMeanwhileIsLookedAtAtOnce) {
  config.check_every_s = 86'400;
  change(Phase::kObserve, [&] {
    releases.offers = {{"people", release("2.0.1")}};
    runner.bad_version = "2.0.0";
  });
  ASSERT_EQ(state.units.at("people").committed, release("1.0.0"));
  const std::int64_t before_us = clock.now_us();
  while (device->state().units.at("people").committed != release("2.0.1")) {
    ASSERT_LT(clock.now_us(), before_us + 7200 * kSecondUs);
    const auto turn = device->turn();
    ASSERT_TRUE(turn.ok());
    clock.sleep_until_us(turn->wake_us);
  }
}

// A floor that comes during a trial takes nothing back to what is further below it.
TEST_F(TakenBackTest, AFloorDoesNotEndATrial) {
  change(Phase::kObserve, [&] { releases.floors["people"] = release("2.0.1").version; });
  EXPECT_EQ(state.units.at("people").committed, release("2.0.0"));
}

TEST_F(TakenBackTest, ALongDownloadAsksInTheMiddle) {
  install("1.0.0");
  config.check_every_s = 3600;
  releases.offers = {{"people", release("2.0.0")}};
  releases.during_download = [this] {
    clock.advance_us(3600 * kSecondUs);
    if (releases.downloads == 3) releases.offers = {{"people", release("1.0.0")}};
  };
  Driver agent = driver();
  ASSERT_TRUE(agent.start().ok());
  const int before = std::exchange(releases.downloads, 0);
  ASSERT_GT(before, 0);
  settle(agent);
  EXPECT_EQ(releases.downloads, 3);
  EXPECT_EQ(agent.state().units.at("people").committed, release("1.0.0"));
}

// What a device's own trouble ends is no fault of the release: whoever counts must see that.
TEST_F(TakenBackTest, OwnTroubleBlamesNobody) {
  runner.bad_code = Code::kUnavailable;
  change(Phase::kObserve, [&] { runner.bad_version = "2.0.0"; });
  const auto told = std::ranges::find(occurred, trust::Act::kUpdateRolledBack, &Occurrence::act);
  ASSERT_NE(told, occurred.end());
  EXPECT_TRUE(told->says_worker);
  EXPECT_TRUE(told->blames_no_release);
}

}  // namespace
}  // namespace polder::agent
