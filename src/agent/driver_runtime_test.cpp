// Updates of polderd itself.
#include "agent/testing_driver.h"

namespace polder::agent {
namespace {

// The polderd that was installed starts the new one, which commits itself.
TEST_F(DriverTest, TheRuntimeRestartsIntoItsSlot) {
  releases.offers = {{"polderd", release("1.0.0", "polderd")}};
  Driver installed = driver();
  ASSERT_TRUE(installed.start().ok());
  auto turn = installed.turn_until_idle();
  ASSERT_TRUE(turn.ok());
  EXPECT_TRUE(turn->restart);
  EXPECT_EQ(installed.state().phase, Phase::kActivate);

  Driver renewed = driver({Slot::kA, true});
  ASSERT_TRUE(renewed.start().ok());
  turn = renewed.turn_until_idle();
  EXPECT_FALSE(turn->restart);
  EXPECT_EQ(renewed.state().units.at("polderd").committed, release("1.0.0", "polderd"));
}

// One that could not would be the last that the device ever gets.
TEST_F(DriverTest, ARuntimeIsCommittedOnceItHasReadTheRepository) {
  releases.offers = {{"polderd", release("1.0.0", "polderd")}};
  Driver installed = driver();
  ASSERT_TRUE(installed.start().ok());
  ASSERT_TRUE(installed.turn_until_idle()->restart);
  EXPECT_EQ(count(trust::Act::kUpdateInstalled), 0);  // that is for the new one to say
  const auto turns = [&](Driver& agent, std::int64_t seconds) {
    const std::int64_t end_us = clock.now_us() + seconds * kSecondUs;
    while (clock.now_us() < end_us) {
      const auto turn = agent.turn();
      if (turn->restart) return;
      clock.sleep_until_us(turn->wake_us);
    }
  };
  releases.check_error = {Code::kUnavailable, "no network"};
  {
    Driver renewed = driver({Slot::kA, true});
    ASSERT_TRUE(renewed.start().ok());
    EXPECT_EQ(count(trust::Act::kUpdateInstalled), 1);
    const int before = releases.checks;
    turns(renewed, config.observe_s + 600);
    EXPECT_EQ(renewed.state().phase, Phase::kObserve);
    EXPECT_GE(releases.checks, before + 10);
    releases.check_error.message.clear();
    turns(renewed, 120);
    EXPECT_EQ(renewed.state().units.at("polderd").committed, release("1.0.0", "polderd"));
    EXPECT_EQ(count(trust::Act::kUpdateInstalled), 1);
  }
  releases.offers = {{"polderd", release("2.0.0", "polderd")}};
  {
    Driver first = driver({Slot::kA, false});
    ASSERT_TRUE(first.start().ok());
    ASSERT_TRUE(first.turn_until_idle()->restart);
  }
  releases.check_error = {Code::kUnavailable, "no network"};
  Driver deaf = driver({Slot::kB, true});
  ASSERT_TRUE(deaf.start().ok());
  turns(deaf, 25 * 3600);
  EXPECT_EQ(deaf.state().units.at("polderd").active, Slot::kA);
  EXPECT_TRUE(deaf.turn()->restart);
  EXPECT_TRUE(deaf.state().bad.empty());  // the network may be to blame
}

TEST_F(DriverTest, ARuntimeThatDiesGivesWayToTheOneBefore) {
  releases.offers = {{"polderd", release("1.0.0", "polderd")}};
  {
    Driver installed = driver();
    ASSERT_TRUE(installed.start().ok());
    ASSERT_TRUE(installed.turn_until_idle()->restart);
  }
  // Each start is counted before the new one gets its turn, which it does not survive.
  for (int i = 0; i < 3; ++i) {
    Driver launcher = driver();
    ASSERT_TRUE(launcher.start().ok());
    EXPECT_TRUE(launcher.turn()->restart) << i;
  }
  Driver launcher = driver();
  ASSERT_TRUE(launcher.start().ok());
  EXPECT_EQ(launcher.state().phase, Phase::kRollBack);
  settle(launcher);
  EXPECT_EQ(launcher.state().units.at("polderd").active, Slot::kNone);
  EXPECT_EQ(launcher.state().bad.size(), 1u);
  EXPECT_TRUE(releases.slots.empty());
}

TEST_F(DriverTest, ARuntimeThatCannotBeStartedIsStoodInFor) {
  install("1.0.0");
  releases.offers = {{"polderd", release("1.0.0", "polderd")}};
  {
    Driver installed = driver();
    ASSERT_TRUE(installed.start().ok());
    ASSERT_TRUE(installed.turn_until_idle()->restart);
    // A trial fails, and is tried again later.
    installed.runtime_does_not_start("no such file");
    EXPECT_EQ(installed.state().phase, Phase::kRollBack);
    EXPECT_FALSE(installed.turn()->restart);
    EXPECT_EQ(installed.state().attempts.size(), 1u);
    EXPECT_TRUE(installed.state().bad.empty());
  }
  wall.set_s(kNow + 3600);
  {
    Driver installed = driver();
    ASSERT_TRUE(installed.start().ok());
    ASSERT_TRUE(installed.turn_until_idle()->restart);
    Driver renewed = driver({Slot::kA, true});
    ASSERT_TRUE(renewed.start().ok());
    settle(renewed);
    ASSERT_TRUE(renewed.state().units.at("polderd").committed);
  }
  runner.running.clear();
  releases.offers.clear();
  Driver installed = driver();
  ASSERT_TRUE(installed.start().ok());
  EXPECT_TRUE(runner.running.empty());  // the other one is to run it
  EXPECT_TRUE(installed.turn()->restart);
  installed.runtime_does_not_start("no such file");
  EXPECT_FALSE(installed.turn()->restart);
  EXPECT_EQ(runner.running.at("people"), release("1.0.0"));
  releases.offers = {{"polderd", release("1.0.0", "polderd")}};
  EXPECT_TRUE(installed.turn_until_idle()->restart);
  EXPECT_EQ(installed.state().phase, Phase::kActivate);
}

}  // namespace
}  // namespace polder::agent
