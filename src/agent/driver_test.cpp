#include "agent/driver.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <set>

#include "base/fail.h"
#include "platform/storage_fake.h"

namespace polder::agent {
namespace {

constexpr std::int64_t kNow = 1'800'000'000;
constexpr std::int64_t kSecondUs = 1'000'000;

ReleaseId release(const std::string& text, const std::string& model = "people") {
  return {model, trust::Version::parse(text, "test").value(), trust::sha256(model + text)};
}

// A repository with one release at a time, and the slots, as the disk would have them.
class FakeReleases final : public Releases {
 public:
  std::vector<Offer> offers;
  Error check_error{Code::kIo, ""}, download_error{Code::kIo, ""}, stage_error{Code::kIo, ""};
  std::map<std::pair<std::string, Slot>, ReleaseId> slots;
  int checks = 0, downloads = 0, tidied = 0;
  std::function<void()> during_download;

  Result<CheckOutcome> check(const AgentState&, std::int64_t) override {
    ++checks;
    if (!check_error.message.empty()) return Error(check_error);
    return CheckOutcome{.offers = offers, .time_seen_s = kNow};
  }
  Status download(const AgentState&, const Alive& alive) override {
    ++downloads;
    if (during_download) during_download();
    TRY(alive());
    return outcome(download_error);
  }
  Status verify(const AgentState&, const Alive&) override { return {}; }
  Status stage(const AgentState& state, const Alive&) override {
    TRY(clear(state.update->unit, state.update->slot));
    TRY(outcome(stage_error));
    slots.insert_or_assign({state.update->unit, state.update->slot}, state.update->release);
    return {};
  }
  Status clear(const std::string& unit, Slot slot) override {
    slots.erase({unit, slot});
    return {};
  }
  Status verify_slot(const std::string& unit, Slot slot, const ReleaseId& id,
                     const Alive&) override {
    const auto found = slots.find({unit, slot});
    if (found != slots.end() && found->second == id) return {};
    return fail(Code::kCorrupt, "not what was staged");
  }
  Status tidy(const AgentState&) override {
    ++tidied;
    return {};
  }

 private:
  static Status outcome(const Error& error) {
    return error.message.empty() ? Status() : Status(Error(error));
  }
};

class FakeRunner final : public Runner {
 public:
  Error probe_error{Code::kIo, ""};
  std::string bad_version;           // its health is bad
  std::set<std::string> unopenable;  // versions
  std::map<std::string, ReleaseId> running;
  bool shadowing = false;
  std::uint64_t failed_start = 0;
  int shadowed = 0, polls = 0, shadow_fails_at = 1'000'000;
  Error shadow_error{Code::kIo, ""};

  Status probe(const std::string&, Slot, const ReleaseId&, const Alive& alive) override {
    TRY(alive());
    return probe_error.message.empty() ? Status() : Status(Error(probe_error));
  }
  Status run(const std::string& unit, Slot, const ReleaseId& id) override {
    running.erase(unit);
    shadowing = false;
    if (unopenable.contains(id.version.text())) return fail(Code::kCorrupt, "not whole");
    running.insert_or_assign(unit, id);
    return {};
  }
  void stop(const std::string& unit) override { running.erase(unit); }
  Status shadow(const std::string&, Slot, const ReleaseId&) override {
    ++shadowed;
    shadowing = true;
    if (shadowed < shadow_fails_at) return {};
    return Error(shadow_error);
  }
  void end_shadow(const std::string&) override { shadowing = false; }
  void poll() override { ++polls; }
  UnitHealth health(const std::string& unit) override {
    const auto found = running.find(unit);
    if (found == running.end()) return {};
    if (found->second.version.text() == bad_version) return {Health::kFailed, "it crashes"};
    return {.health = Health::kWell, .failed_start = failed_start};
  }
};

class DriverTest : public testing::Test {
 protected:
  FakeStorage disk;
  FakeReleases releases;
  FakeRunner runner;
  ManualClock clock;
  ManualWallClock wall{kNow};
  std::vector<Occurrence> occurred;
  std::uint64_t seed = 1;
  std::int64_t retry_after_s = 0;
  Config config =
      parse_config("device = \"d\"\nmodels = [\"people\"]\nruntime = \"polderd\"\n", "test")
          .value();

  Driver driver(Self self = {}) {
    return Driver(
        config, {},
        {disk, releases, runner, clock, wall, [this] { return seed++; },
         [this](const Occurrence& o) { occurred.push_back(o); }, [this] { return retry_after_s; }},
        self);
  }
  int count(trust::Act act) const {
    return int(std::ranges::count(occurred, act, &Occurrence::act));
  }
  void settle(Driver& agent) {
    const auto turn = agent.turn_until_idle();
    ASSERT_TRUE(turn.ok());
  }
  void install(const std::string& version) {
    releases.offers = {{"people", release(version)}};
    Driver agent = driver();
    ASSERT_TRUE(agent.start().ok());
    settle(agent);
    ASSERT_EQ(agent.state().units.at("people").committed, release(version));
  }
};

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
  // Not again at once.
  settle(agent);
  EXPECT_EQ(releases.downloads, 2);
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
  EXPECT_EQ(count(trust::Act::kUpdateFailed), 3);
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
  EXPECT_NE(told, occurred.end());
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
    const int before = releases.checks;
    turns(renewed, config.observe_s + 600);
    EXPECT_EQ(renewed.state().phase, Phase::kObserve);
    EXPECT_GE(releases.checks, before + 10);
    releases.check_error.message.clear();
    turns(renewed, 120);
    EXPECT_EQ(renewed.state().units.at("polderd").committed, release("1.0.0", "polderd"));
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

// --- Damaged slots

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
    const int before = count(trust::Act::kNote);
    settle(agent);
    ASSERT_TRUE(agent.turn().ok());
    EXPECT_EQ(runner.running.at("people"), release("1.0.0"));
    EXPECT_EQ(agent.state().units.at("people").committed, release("2.0.0"));
    EXPECT_TRUE(agent.state().bad.empty());
    EXPECT_GT(count(trust::Act::kNote), before);
    runner.unopenable.clear();
    runner.bad_version.clear();
    releases.check_error.message.clear();
    settle(agent);
    EXPECT_EQ(runner.running.at("people"), release("2.0.0"));
    EXPECT_EQ(agent.state().units.at("people").previous, release("1.0.0"));
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

// The power goes at every changing call to the disk in an update, again and again.
TEST_F(DriverTest, PowerCutsAtEveryWriteOfTheState) {
  install("1.0.0");
  releases.offers = {{"people", release("2.0.0", "people"), true}};
  std::uint64_t cuts = 0;
  for (std::uint64_t n = 0;; ++n) {
    FakeReleases at = releases;
    const auto copy = disk.after_crash(disk.steps(), 1);
    bool is_cut = false;
    {
      Driver agent(config, {}, {*copy, at, runner, clock, wall, [this] { return seed++; }, {}}, {});
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
      Driver agent(config, {}, {*after, again, runner, clock, wall, [this] { return seed++; }, {}},
                   {});
      ASSERT_TRUE(agent.start().ok()) << n;
      const Unit& unit = agent.state().units.at("people");
      ASSERT_TRUE(unit.running());
      EXPECT_EQ(again.slots.at({"people", unit.active}), *unit.running()) << n;
      settle(agent);
      EXPECT_EQ(agent.state().units.at("people").committed, release("2.0.0")) << n;
    }
  }
  EXPECT_GT(cuts, 50u);
  std::printf("%llu cuts\n", static_cast<unsigned long long>(cuts));
}

}  // namespace
}  // namespace polder::agent
