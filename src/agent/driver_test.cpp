#include "agent/driver.h"

#include <algorithm>

#include "agent/testing_driver.h"

namespace polder::agent {
namespace {

TEST_F(DriverTest, InstallsAndRunsAfterARestart) {
  install("1.0.0");
  EXPECT_EQ(runner.running.at("people"), release("1.0.0"));
  EXPECT_EQ(count(trust::Act::kUpdateInstalled), 1);
  EXPECT_EQ(count(trust::Act::kUpdateCommitted), 1);
  EXPECT_EQ(releases.tidied, 1);
  runner.running.clear();
  Driver agent = driver();
  ASSERT_TRUE(agent.start().ok());
  EXPECT_EQ(runner.running.at("people"), release("1.0.0"));
  EXPECT_EQ(agent.state().boot, 2);
  // Nothing new: nothing happens.
  settle(agent);
  EXPECT_EQ(releases.downloads, 1);
}

TEST_F(DriverTest, ABadReleaseIsRolledBackOnce) {
  install("1.0.0");
  runner.bad_version = "2.0.0";
  releases.offers = {{"people", release("2.0.0")}};
  Driver agent = driver();
  ASSERT_TRUE(agent.start().ok());
  settle(agent);
  EXPECT_EQ(runner.running.at("people"), release("1.0.0"));
  EXPECT_EQ(count(trust::Act::kUpdateRolledBack), 1);
  EXPECT_EQ(releases.slots.size(), 1u);
  ASSERT_EQ(agent.state().bad.size(), 1u);
  EXPECT_EQ(agent.state().bad[0].reason, "it crashes");
  for (int i = 0; i < 3; ++i) settle(agent);
  EXPECT_EQ(releases.downloads, 2);
  EXPECT_EQ(count(trust::Act::kReleaseRefused), 1);
  // Both say what its worker said, which is for this device alone.
  for (const Occurrence& what : occurred) {
    const bool is_told =
        what.act == trust::Act::kUpdateRolledBack || what.act == trust::Act::kReleaseRefused;
    EXPECT_EQ(what.says_worker, is_told) << what.text;
    if (is_told) {
      EXPECT_EQ(what.release, release("2.0.0"));
    }
  }
  // It blocks no other.
  releases.offers = {{"people", release("2.0.1")}};
  settle(agent);
  EXPECT_EQ(runner.running.at("people"), release("2.0.1"));
}

// Too seldom for a crash loop, too often for the time that it is watched.
TEST_F(DriverTest, ItIsWatchedAgainAfterEachFailure) {
  install("1.0.0");
  for (const bool recovers : {true, false}) {
    const std::string version = recovers ? "2.0.0" : "3.0.0";
    releases.offers = {{"people", release(version)}};
    Driver agent = driver();
    ASSERT_TRUE(agent.start().ok());
    agent.ask_now();
    const std::int64_t from_us = clock.now_us();
    std::int64_t failed_us = from_us;
    for (bool begun = false; !begun || agent.state().phase != Phase::kIdle;) {
      begun |= agent.state().phase == Phase::kObserve;
      const bool fails = !recovers || clock.now_us() < from_us + 3600 * kSecondUs;
      if (begun && fails && clock.now_us() >= failed_us + config.observe_s / 2 * kSecondUs)
        failed_us = clock.now_us(), ++runner.failed_start;
      const auto turn = agent.turn();
      ASSERT_TRUE(turn.ok());
      clock.sleep_until_us(turn->wake_us);
    }
    EXPECT_EQ(runner.running.at("people"), release("2.0.0"));
    EXPECT_GE(clock.now_us(), from_us + (recovers ? 3600 : 24 * 3600) * kSecondUs);
    EXPECT_TRUE(agent.state().bad.empty());
  }
}

// Shut down every five minutes, it is watched for ten in two starts; when its plug is pulled it
// never is, and tries again later.
TEST_F(DriverTest, AnOrderlyEndKeepsWhatWasObserved) {
  for (const bool in_order : {true, false}) {
    releases.offers = {{"people", release(in_order ? "1.0.0" : "2.0.0")}};
    int starts = 0;
    for (bool is_over = false; !is_over && starts < 20; ++starts) {
      Driver agent = driver();
      ASSERT_TRUE(agent.start().ok());
      for (const std::int64_t end_us = clock.now_us() + 330 * kSecondUs; clock.now_us() < end_us;) {
        const auto turn = agent.turn();
        ASSERT_TRUE(turn.ok());
        clock.sleep_until_us(std::min(turn->wake_us, end_us));
        // One trial is enough.
        if (count(trust::Act::kUpdateRolledBack) > 0) releases.offers.clear();
      }
      is_over = !agent.state().update && starts > 0;
      if (in_order) agent.note_end();
    }
    EXPECT_EQ(starts, in_order ? 2 : 10);
    EXPECT_EQ(runner.running.at("people"), release("1.0.0"));
  }
  EXPECT_EQ(count(trust::Act::kUpdateRolledBack), 1);
  EXPECT_TRUE(AgentState(load_state(disk).value()).bad.empty());
}

// Settings are read when the agent starts.
TEST_F(DriverTest, OtherSettingsOrAWordTryABadReleaseAgain) {
  install("1.0.0");
  runner.bad_version = "2.0.0";
  releases.offers = {{"people", release("2.0.0")}};
  const int before = releases.downloads;
  for (const int downloads : {1, 1, 2}) {
    Driver agent = driver();
    ASSERT_TRUE(agent.start().ok());
    ASSERT_TRUE(downloads != 2 || agent.try_again().ok());
    settle(agent);
    EXPECT_EQ(releases.downloads, before + downloads);
    ASSERT_EQ(agent.state().bad.size(), 1u);
  }
  config.worker.memory_bytes += 1;
  runner.bad_version.clear();
  install("2.0.0");
  EXPECT_EQ(runner.running.at("people"), release("2.0.0"));
}

// What ran in shadow has not been observed, and a start that ends at once takes nothing away.
TEST_F(DriverTest, AnOrderlyEndCountsTheTrialAlone) {
  install("1.0.0");
  config.shadow_s = 300;
  releases.offers = {{"people", release("2.0.0"), true}};
  const auto run_until = [&](Driver& agent, Phase phase, std::int64_t more_s) {
    ASSERT_TRUE(agent.start().ok());
    while (agent.state().phase != phase) {
      const auto turn = agent.turn();
      ASSERT_TRUE(turn.ok());
      clock.sleep_until_us(turn->wake_us);
    }
    for (const std::int64_t end_us = clock.now_us() + more_s * kSecondUs;
         clock.now_us() < end_us;) {
      const auto turn = agent.turn();
      ASSERT_TRUE(turn.ok());
      clock.sleep_until_us(std::min(turn->wake_us, end_us));
    }
    agent.note_end();
  };
  {
    Driver agent = driver();
    run_until(agent, Phase::kShadow, 200);
  }
  {
    Driver agent = driver();
    run_until(agent, Phase::kObserve, 100);
    EXPECT_GE(agent.state().update->observed_s, 98);
    EXPECT_LE(agent.state().update->observed_s, 100);
  }
  Driver agent = driver();
  run_until(agent, Phase::kObserve, 0);
  EXPECT_GE(agent.state().update->observed_s, 98);
}

TEST_F(DriverTest, AFirstReleaseThatIsBadLeavesNothingRunning) {
  runner.bad_version = "1.0.0";
  releases.offers = {{"people", release("1.0.0")}};
  Driver agent = driver();
  ASSERT_TRUE(agent.start().ok());
  settle(agent);
  EXPECT_TRUE(runner.running.empty());
  EXPECT_TRUE(releases.slots.empty());
}

TEST_F(DriverTest, OnlyTheProbeBlamesTheRelease) {
  install("1.0.0");
  releases.offers = {{"people", release("2.0.0")}};
  Driver agent = driver();
  ASSERT_TRUE(agent.start().ok());
  releases.download_error = {Code::kCorrupt, "half copied"};
  settle(agent);
  EXPECT_TRUE(agent.state().bad.empty());
  EXPECT_EQ(agent.state().attempts.size(), 1u);
  // Not again at once; what is tried again later is not refused, as those outside hear of that.
  settle(agent);
  EXPECT_EQ(releases.downloads, 2);
  EXPECT_EQ(count(trust::Act::kReleaseRefused), 0);
  EXPECT_TRUE(occurred.back().text.starts_with("could not be installed")) << occurred.back().text;
  releases.download_error.message.clear();
  clock.advance_us(3600 * kSecondUs);
  runner.probe_error = {Code::kTimeout, "p99 12 ms, at most 10 ms"};
  settle(agent);
  EXPECT_TRUE(agent.state().bad.empty());
  clock.advance_us(3600 * kSecondUs);
  runner.probe_error = {Code::kCorrupt, "golden 'a': 0.1 expected, 0.2 found"};
  settle(agent);
  EXPECT_EQ(agent.state().bad.size(), 1u);
  EXPECT_EQ(runner.running.at("people"), release("1.0.0"));
  std::vector<std::optional<Code>> codes;
  for (const Occurrence& what : occurred)
    if (what.act == trust::Act::kUpdateFailed) codes.push_back(what.code);
  EXPECT_EQ(codes,
            (std::vector<std::optional<Code>>{Code::kCorrupt, Code::kTimeout, Code::kCorrupt}));
  settle(agent);
  EXPECT_EQ(count(trust::Act::kReleaseRefused), 1);
}

TEST_F(DriverTest, AnUnreachableRepositoryStopsNothing) {
  install("1.0.0");
  releases.check_error = {Code::kTimeout, "timestamp.json has expired"};
  Driver agent = driver();
  ASSERT_TRUE(agent.start().ok());
  settle(agent);
  settle(agent);
  EXPECT_EQ(agent.check_error(), "timestamp.json has expired");
  EXPECT_EQ(runner.running.at("people"), release("1.0.0"));
  EXPECT_EQ(count(trust::Act::kMetadataRefused), 1);
  releases.check_error.message.clear();
  settle(agent);
  EXPECT_EQ(agent.check_error(), "");
}

// An error of metadata that have expired has the time in it.
TEST_F(DriverTest, ARefusalThatRepeatsIsRecordedOnce) {
  Driver agent = driver();
  ASSERT_TRUE(agent.start().ok());
  const auto check = [&](Code code, const std::string& text) {
    releases.check_error = {code, text};
    clock.advance_us(config.check_every_s * kSecondUs);
    settle(agent);
    EXPECT_EQ(agent.check_error(), text);
    return count(trust::Act::kMetadataRefused);
  };
  EXPECT_EQ(check(Code::kTimeout, "timestamp.json: expired, and it is 10:00"), 1);
  EXPECT_EQ(check(Code::kTimeout, "timestamp.json: expired, and it is 10:30"), 1);
  EXPECT_EQ(check(Code::kDenied, "timestamp.json: signed by nobody"), 2);
  EXPECT_EQ(check(Code::kTimeout, "snapshot.json: expired, and it is 11:30"), 3);
  EXPECT_EQ(check(Code::kTimeout, "timestamp.json: expired, and it is 12:00"), 3);
  releases.check_error.message.clear();
  clock.advance_us(config.check_every_s * kSecondUs);
  settle(agent);
  EXPECT_EQ(check(Code::kTimeout, "timestamp.json: expired, and it is 13:00"), 4);
}

TEST_F(DriverTest, ShadowRunsForItsTime) {
  install("1.0.0");
  releases.offers = {{"people", release("2.0.0"), true}};
  Driver agent = driver();
  ASSERT_TRUE(agent.start().ok());
  const std::int64_t before_us = clock.now_us();
  settle(agent);
  EXPECT_GT(runner.shadowed, 100);
  EXPECT_FALSE(runner.shadowing);
  EXPECT_GE(clock.now_us() - before_us, (config.shadow_s + config.observe_s) * kSecondUs);
  EXPECT_EQ(runner.running.at("people"), release("2.0.0"));
}

TEST_F(DriverTest, WhatFailsInShadowIsNotActivated) {
  install("1.0.0");
  releases.offers = {{"people", release("2.0.0"), true}};
  runner.shadow_fails_at = 5;
  // What it does itself is its fault; what may be the old one's, or the machine's, is not.
  runner.shadow_error = {Code::kUnavailable, "in shadow: signal 9"};
  Driver agent = driver();
  ASSERT_TRUE(agent.start().ok());
  settle(agent);
  EXPECT_EQ(runner.running.at("people"), release("1.0.0"));
  EXPECT_FALSE(runner.shadowing);
  EXPECT_TRUE(agent.state().bad.empty());
  ASSERT_EQ(agent.state().attempts.size(), 1u);
  releases.offers = {{"people", release("3.0.0"), true}};
  runner.shadowed = 0;
  runner.shadow_error = {Code::kCorrupt, "in shadow: it fails"};
  agent.ask_now();
  settle(agent);
  EXPECT_EQ(runner.running.at("people"), release("1.0.0"));
  EXPECT_FALSE(runner.shadowing);
  ASSERT_EQ(agent.state().bad.size(), 1u);
  EXPECT_EQ(agent.state().bad[0].reason, "in shadow: it fails");
  const auto failed = std::ranges::find_if(occurred, [](const Occurrence& what) {
    return what.act == trust::Act::kUpdateFailed && what.says_worker;
  });
  EXPECT_NE(failed, occurred.end());
}

TEST_F(DriverTest, WhatChangesTheRulesIsOnRecord) {
  install("1.0.0");
  EXPECT_EQ(count(trust::Act::kFloorRaised), 0);
  releases.floors["people"] = trust::Version::parse("0.5.0", "test").value();
  releases.root = 2;
  releases.check_error = {Code::kUnavailable, "no network"};  // after the root was read
  Driver agent = driver();
  ASSERT_TRUE(agent.start().ok());
  settle(agent);
  EXPECT_EQ(count(trust::Act::kRootTrusted), 1);
  releases.check_error.message.clear();
  for (int i = 0; i < 3; ++i) settle(agent);
  EXPECT_EQ(count(trust::Act::kFloorRaised), 1);
  const auto raised = std::ranges::find(occurred, trust::Act::kFloorRaised, &Occurrence::act);
  EXPECT_TRUE(raised->text.starts_with("the floor is now ")) << raised->text;
  EXPECT_EQ(count(trust::Act::kRootTrusted), 1);
  ASSERT_TRUE(agent.try_again().ok());
  EXPECT_EQ(count(trust::Act::kRetryAsked), 1);
}

TEST_F(DriverTest, WhatAProbeSaysStays) {
  install("1.0.0");
  releases.offers = {{"people", release("2.0.0")}};
  runner.probe_error = {Code::kCorrupt, "what the probe has read"};
  Driver agent = driver();
  ASSERT_TRUE(agent.start().ok());
  settle(agent);
  EXPECT_EQ(count(trust::Act::kUpdateFailed), 1);
  for (const Occurrence& what : occurred) {
    if (what.text.find("has read") != std::string::npos) {
      EXPECT_TRUE(what.says_worker) << what.text;
    }
  }
}

TEST_F(DriverTest, AShadowThatCannotBeIsPassedOver) {
  install("1.0.0");
  releases.offers = {{"people", release("2.0.0"), true}};
  runner.shadow_fails_at = 1;
  runner.shadow_error = {Code::kUnsupported, "another input"};
  Driver agent = driver();
  ASSERT_TRUE(agent.start().ok());
  settle(agent);
  EXPECT_EQ(runner.shadowed, 1);
  EXPECT_EQ(runner.running.at("people"), release("2.0.0"));
  const auto told = std::ranges::find_if(occurred, [](const Occurrence& what) {
    return what.text == "not run beside the old one: another input" && what.says_worker;
  });
  ASSERT_NE(told, occurred.end());
  EXPECT_EQ(told->act, trust::Act::kShadowPassedOver);  // which the audit log has
}

}  // namespace
}  // namespace polder::agent
