// Clocks, waits and windows.
#include <memory>

#include "agent/testing_driver.h"

namespace polder::agent {
namespace {

// A server that is busy says when to come again.
TEST_F(DriverTest, AServerThatAsksForTimeGetsIt) {
  Driver agent = driver();
  ASSERT_TRUE(agent.start().ok());
  releases.check_error = {Code::kUnavailable, "status 503"};
  retry_after_s = 100 * config.check_every_s;
  settle(agent);
  const std::int64_t end_us = clock.now_us() + (retry_after_s - 1) * kSecondUs;
  const int checks = releases.checks;
  while (clock.now_us() < end_us) clock.sleep_until_us(agent.turn()->wake_us + 60 * kSecondUs);
  EXPECT_EQ(releases.checks, checks);
  clock.sleep_until_us(end_us + 2 * kSecondUs);
  settle(agent);
  EXPECT_EQ(releases.checks, checks + 1);
}

// The power goes in each phase before activation, and comes back two days later.
TEST_F(DriverTest, WhatWasOfferedLongAgoIsAskedForAgain) {
  for (const Phase phase : {Phase::kDownload, Phase::kVerify, Phase::kStage, Phase::kProbe}) {
    for (const bool is_withdrawn : {true, false}) {
      disk = FakeStorage(), releases = FakeReleases(), runner = FakeRunner();
      wall.set_s(kNow);
      install("1.0.0");
      releases.offers = {{"people", release("2.0.0")}};
      {
        Driver agent = driver();
        ASSERT_TRUE(agent.start().ok());
        while (agent.state().phase != phase) clock.sleep_until_us(agent.turn()->wake_us);
      }
      wall.set_s(kNow + 2 * 24 * 3600);
      if (is_withdrawn) releases.offers.clear();
      Driver agent = driver();
      ASSERT_TRUE(agent.start().ok());
      settle(agent);
      EXPECT_EQ(runner.running.at("people"), release("1.0.0"));
      clock.advance_us(60 * kSecondUs);
      settle(agent);
      EXPECT_EQ(runner.running.at("people"), release(is_withdrawn ? "1.0.0" : "2.0.0"));
      EXPECT_TRUE(agent.state().bad.empty());
    }
  }
}

TEST_F(DriverTest, ADownloadHasADay) {
  install("1.0.0");
  releases.offers = {{"people", release("2.0.0")}};
  releases.during_download = [this] { wall.set_s(kNow + 24 * 3600 + 1), releases.offers.clear(); };
  Driver agent = driver();
  ASSERT_TRUE(agent.start().ok());
  settle(agent);
  EXPECT_EQ(agent.state().attempts.size(), 1u);
  clock.advance_us(60 * kSecondUs);
  settle(agent);
  EXPECT_EQ(runner.running.at("people"), release("1.0.0"));
}

// By a clock that is behind what was seen, the time that is believed stands still.
TEST_F(DriverTest, AnOfferEndsWithoutAClock) {
  install("1.0.0");
  wall.set_s(kNow - 5 * 86'400);
  releases.offers = {{"people", release("2.0.0")}};
  releases.during_download = [this] {
    clock.advance_us((24 * 3600 + 1) * kSecondUs);
    releases.offers.clear();
  };
  Driver agent = driver();
  ASSERT_TRUE(agent.start().ok());
  settle(agent);
  EXPECT_EQ(agent.now_s(), kNow);
  EXPECT_EQ(agent.state().attempts.size(), 1u);
  EXPECT_EQ(runner.running.at("people"), release("1.0.0"));
  // The next one has its own day.
  releases.during_download = {};
  releases.offers = {{"people", release("3.0.0")}};
  settle(agent);
  EXPECT_EQ(runner.running.at("people"), release("3.0.0"));
}

// `polderd check` says how long that is: no device waits for its next check as well.
TEST_F(DriverTest, WhatIsPutOffIsAskedForWhenItsTimeHasCome) {
  install("1.0.0");
  releases.offers = {{"people", release("2.0.0")}};
  releases.download_error = {Code::kUnavailable, "no network"};
  Driver agent = driver();
  ASSERT_TRUE(agent.start().ok());
  const auto wait = [&](std::int64_t seconds) {
    const std::int64_t end_us = clock.now_us() + seconds * kSecondUs;
    while (clock.now_us() < end_us)
      clock.sleep_until_us(std::min(std::max(agent.turn()->wake_us, clock.now_us() + 1), end_us));
  };
  wait(1);
  EXPECT_EQ(releases.downloads, 2);
  wait(61);
  EXPECT_EQ(releases.downloads, 3);
  EXPECT_LE(releases.checks, 4);
  // Nor is a server that is busy asked before its time.
  retry_after_s = 500;
  wait(121);
  EXPECT_EQ(releases.downloads, 4);
  wait(300);
  EXPECT_EQ(releases.downloads, 4);
  retry_after_s = 0;
  // The network is away when it is due, and comes back.
  releases.check_error = {Code::kUnavailable, "no network"};
  wait(400);
  EXPECT_EQ(releases.downloads, 4);
  releases.check_error.message.clear();
  releases.download_error.message.clear();
  wait(480);
  EXPECT_EQ(runner.running.at("people"), release("2.0.0"));
  // Once it is here the repository is asked as seldom as ever.
  wait(config.observe_s + 1);
  const int checks = releases.checks;
  wait(config.check_every_s / 2);
  EXPECT_EQ(releases.checks, checks);
}

TEST_F(DriverTest, SomebodyWhoAsksNeedNotWait) {
  install("1.0.0");
  releases.offers = {{"people", release("2.0.0")}};
  releases.download_error = {Code::kExhausted, "the disk is full"};
  Driver agent = driver();
  ASSERT_TRUE(agent.start().ok());
  for (int i = 0; i < 3; ++i) settle(agent);
  EXPECT_EQ(releases.downloads, 2);
  releases.download_error.message.clear();
  agent.ask_now();
  settle(agent);
  EXPECT_EQ(runner.running.at("people"), release("2.0.0"));
}

TEST_F(DriverTest, AWindowHoldsUpdatesBack) {
  install("1.0.0");
  releases.offers = {{"people", release("2.0.0")}};
  const int minute = int(kNow % 86'400 / 60);
  config.window = DayWindow{(minute + 60) % 1440, (minute + 120) % 1440};
  Driver agent = driver();
  ASSERT_TRUE(agent.start().ok());
  settle(agent);
  EXPECT_EQ(runner.running.at("people"), release("1.0.0"));
  wall.set_s(kNow + 5400);
  settle(agent);
  EXPECT_EQ(runner.running.at("people"), release("2.0.0"));
}

TEST_F(DriverTest, AClockBeforeWhatWasSeenIsNotBelieved) {
  install("1.0.0");
  wall.set_s(0);
  releases.offers = {{"people", release("2.0.0")}};
  releases.download_error = {Code::kUnavailable, "no network"};
  Driver agent = driver();
  ASSERT_TRUE(agent.start().ok());
  EXPECT_EQ(agent.now_s(), kNow);
  settle(agent);
  ASSERT_EQ(agent.state().attempts.size(), 1u);
  // A wait is measured all the same.
  EXPECT_GT(agent.wait_left_s(agent.state().attempts[0]), 0);
  EXPECT_LE(agent.wait_left_s(agent.state().attempts[0]), 60);
}

// A download fails while the clock is wrong; the clock is put right, or wrong in another way, in
// the middle of it or afterwards, with or without a restart: the next try is due when it would have
// been without that.
TEST_F(DriverTest, AWaitIsNoLongerForAClockThatWasWrong) {
  constexpr std::int64_t kDay = 86'400, kYear = 365 * kDay;
  int version = 1;
  install("1.0.0");
  for (const std::int64_t wrong_by_s : {std::int64_t(0), 3600 * std::int64_t(5), kDay, 20 * kYear,
                                        -20 * kYear, -kNow, -std::int64_t(30)}) {
    for (const bool in_the_middle : {false, true}) {
      for (const bool restarts : {false, true}) {
        SCOPED_TRACE(fmt::format("{} s, {} {}", wrong_by_s, in_the_middle, restarts));
        releases.offers = {{"people", release(fmt::format("1.0.{}", version++))}};
        releases.download_error = {Code::kUnavailable, "no network"};
        wall.set_s(kNow + wrong_by_s);
        releases.during_download = [&] {
          if (in_the_middle) wall.set_s(kNow);
        };
        auto agent = std::make_unique<Driver>(driver());
        ASSERT_TRUE(agent->start().ok());
        settle(*agent);
        ASSERT_EQ(agent->state().attempts.size(), 1u);
        wall.set_s(kNow);
        if (restarts) {
          agent = std::make_unique<Driver>(driver());
          ASSERT_TRUE(agent->start().ok());
        }
        const int downloads = releases.downloads;
        const std::int64_t left_s = agent->wait_left_s(agent->state().attempts[0]);
        EXPECT_LE(left_s, 60);
        // By the very clock that it failed by, it is not due at once either.
        if (!restarts || wrong_by_s == 0 || in_the_middle) {
          EXPECT_GE(left_s, 30);
          settle(*agent);
          EXPECT_EQ(releases.downloads, downloads);
        }
        clock.advance_us(left_s * kSecondUs);
        releases.download_error.message.clear();
        settle(*agent);
        EXPECT_EQ(agent->state().units.at("people").committed, releases.offers[0].release);
        EXPECT_TRUE(agent->state().attempts.empty());
      }
    }
  }
}

// What fails in the field is taken back at once, whatever the hour.
TEST_F(DriverTest, AWindowDoesNotHoldTheWayBack) {
  install("1.0.0");
  install("2.0.0");
  const int minute = int(kNow % 86'400 / 60);
  config.window = DayWindow{(minute + 60) % 1440, (minute + 120) % 1440};
  releases.offers = {{"people", release("1.0.0")}};
  Driver agent = driver();
  ASSERT_TRUE(agent.start().ok());
  settle(agent);
  EXPECT_EQ(runner.running.at("people"), release("1.0.0"));
  EXPECT_FALSE(agent.is_kept_waiting());
  releases.offers = {{"people", release("3.0.0")}};
  settle(agent);
  EXPECT_TRUE(agent.is_kept_waiting());
}

// Nor what brings back what the disk has lost: a device that runs nothing waits for no night.
TEST_F(DriverTest, AWindowKeepsNothingDark) {
  install("1.0.0");
  const int minute = int(kNow % 86'400 / 60);
  config.window = DayWindow{(minute + 60) % 1440, (minute + 120) % 1440};
  runner.running.clear();
  releases.damaged[{"people", Slot::kA}] = releases.damaged[{"people", Slot::kB}] = Code::kCorrupt;
  Driver agent = driver();
  ASSERT_TRUE(agent.start().ok());
  EXPECT_FALSE(runner.running.contains("people"));
  for (int i = 0; i < 3; ++i) settle(agent);
  EXPECT_EQ(runner.running.at("people"), release("1.0.0"));
}

// What has been seen may be days ahead of the clock: time that is believed stands still then, but
// neither waits nor windows do.
TEST_F(DriverTest, NothingWaitsForTheTimeThatIsBelieved) {
  install("1.0.0");
  wall.set_s(kNow - 5 * 86'400);
  config.window = DayWindow{0, 60};
  releases.offers = {{"people", release("2.0.0")}};
  Driver agent = driver();
  ASSERT_TRUE(agent.start().ok());
  const std::int64_t midnight_s = kNow - kNow % 86'400 - 5 * 86'400;
  wall.set_s(midnight_s + 7200);
  settle(agent);
  EXPECT_EQ(runner.running.at("people"), release("1.0.0"));
  wall.set_s(midnight_s + 60);
  releases.download_error = {Code::kUnavailable, "no network"};
  settle(agent);
  ASSERT_EQ(agent.state().attempts.size(), 1u);
  releases.download_error.message.clear();
  clock.advance_us(61 * kSecondUs);
  settle(agent);
  EXPECT_EQ(agent.now_s(), kNow);
  EXPECT_EQ(runner.running.at("people"), release("2.0.0"));
}

// A new device without a clock: it is not older than its program.
TEST_F(DriverTest, AClockBeforeTheProgramIsNotBelieved) {
  wall.set_s(0);
  Driver agent = driver({.built_s = kNow});
  ASSERT_TRUE(agent.start().ok());
  EXPECT_EQ(agent.now_s(), kNow);
  wall.set_s(kNow + 5);
  EXPECT_EQ(agent.now_s(), kNow + 5);
}

}  // namespace
}  // namespace polder::agent
