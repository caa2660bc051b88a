#include "agent/status.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "agent/identity.h"
#include "agent/testing_status.h"
#include "base/fail.h"
#include "trust/csr.h"
#include "trust/signer.h"

namespace polder::agent {
namespace {

AgentState some_state() {
  AgentState state = good_state();
  state.bad.push_back(bad_release());
  return state;
}

Standing standing(AgentState state, std::optional<Live> live = {}, bool is_running = true) {
  return {
      .state = std::move(state), .live = std::move(live), .is_running = is_running, .now_s = kNowS};
}

ShadowResult some_shadow() {
  return {.release = "people 1.4.0",
          .beside = "people 1.2.0",
          .models = {{"detector", 30, 0.5, 0.25, 1, 2, 3, 4, 0.75, 0.5}},
          .slowed_stage = "infer",
          .alone_p99_ms = 2.5,
          .beside_p99_ms = 6.5,
          .failure = "signal 11"};
}

Config config_with_hub() { return config_with("[hub]\nurl = \"https://hub.example:8443\"\n"); }

TEST(Status, SaysHowItStandsWithItsHub) {
  Live live{.said_s = kNowS - 3, .health = {{"people", "well"}}};
  live.hub = {.state = HubState::kRefused,
              .certificate_until_s = kNowS + 60,
              .checked_in_s = kNowS - 60,
              .trouble = "hub: it is revoked",
              .advice = "ask for another token"};
  const auto again = Live::parse(live.to_json().compact(), "status.json");
  ASSERT_TRUE(again.ok()) << again.error().message;
  EXPECT_EQ(again->hub, live.hub);
  Standing now = standing(some_state(), live);
  now.hub = live.hub;
  const std::string text = status_text(config_with_hub(), now);
  EXPECT_NE(text.find("hub: https://hub.example:8443: refused, certificate until 2027-01-15"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("it is revoked\n    ask for another token"), std::string::npos) << text;
  const trust::Json json = status_json(config_with_hub(), now);
  EXPECT_EQ(*json.find("hub")->find("state")->string(), "refused");
  EXPECT_TRUE(status_json(config_with(), now).find("hub")->is_null());
  EXPECT_EQ(status_text(config_with(), now).find("hub:"), std::string::npos);
  // What a polderd before hubs has written.
  trust::Json old = live.to_json();
  old.members()->erase("hub");
  EXPECT_EQ(Live::parse(old.compact(), "status.json")->hub, HubStanding());
}

TEST(Status, JsonAndTextSayWhatRuns) {
  Live live{.said_s = kNowS - 3,
            .checked_s = 5,
            .refusals = {"refused: people 0.1: below"},
            .health = {{"people", "well"}},
            .next_start_s = {{"people", kNowS}},
            .output = {{"people", {1500, 2, 3}}},
            .shadow = {{"people", some_shadow()}}};
  live.reports.units["people"] = {.classes = {{"person", 41}},
                                  .signals = {{"camera.brightness", {0.31, 2}}}};
  const trust::Json json = status_json(config_with(), standing(some_state(), live));
  EXPECT_EQ(*json.find("units")->find("people")->find("running")->find("version")->string(),
            "1.2.0");
  EXPECT_EQ(*json.find("units")->find("people")->find("health")->string(), "well");
  const std::string text = status_text(config_with(), standing(some_state(), live));
  EXPECT_EQ(text.find("not running"), text.npos);
  EXPECT_NE(status_text(config_with(), standing(some_state(), live, false)).find("not running"),
            text.npos);
  for (const char* part :
       {"camera-17: idle", "1.2.0", "crash loop", "well; started again at 2027-01-15T08:00:00Z",
        "refused: people 0.1",
        "shadow: people 1.4.0 beside people 1.2.0; 'detector': 30 inferences",
        "50.0% agree, p99 4.000 ms (old 2.000 ms), mean score 0.500 (old 0.750); stage",
        "output: 1.5 kB in", "2 bytes dropped", "classes: person 41",
        "camera.brightness: 2 alarm(s) of drift, PSI 0.310: changed"})
    EXPECT_NE(text.find(part), std::string::npos) << text;
}

TEST(Status, SaysWhyAReleaseFailedAndWhetherItIsTriedAgain) {
  AgentState state = some_state();
  state.attempts.push_back(
      {.release = release("1.4.0"), .failures = 2, .reason = "polderd.toml:7: no step 'camra'"});
  const char* why = "failed: people 1.4.0: could not be installed, 2 times by now: polderd.toml:7";
  EXPECT_NE(status_text(config_with(), standing(state)).find(why), std::string::npos);
  const auto tried_again = [&](const Config& config) {
    return *status_json(config, standing(state))
                .find("bad")
                ->array()
                ->front()
                .find("tried_again")
                ->boolean();
  };
  EXPECT_FALSE(tried_again(config_with()));
  const Config other = config_with("[pipeline.people]\ncamera.path = \"/dev/video0\"\n");
  EXPECT_TRUE(tried_again(other));
  EXPECT_NE(status_text(other, standing(state)).find("crash loop (with other settings than now"),
            std::string::npos);
}

TEST(Status, SaysWhatWasLost) {
  AgentState state = some_state();
  EXPECT_TRUE(status_json(config_with(), standing(state))
                  .find("units")
                  ->find("people")
                  ->find("lost")
                  ->is_null());
  Unit& unit = state.units["people"];
  unit.committed = release("1.2.5");
  const trust::Json json = status_json(config_with(), standing(state));
  EXPECT_EQ(*json.find("units")->find("people")->find("lost")->find("version")->string(), "1.2.5");
  EXPECT_NE(status_text(config_with(), standing(state)).find("lost: 1.2.5: its slot was damaged"),
            std::string::npos);
  // While it is installed again there is more to tell.
  state.update = Update{.unit = "people", .release = release("1.2.5"), .slot = Slot::kB};
  EXPECT_EQ(status_text(config_with(), standing(state)).find("lost"), std::string::npos);
}

TEST(Status, TellsTheWayBackWhileItsSlotHoldsIt) {
  AgentState state = some_state();
  Unit& unit = state.units["people"];
  const auto told = [&](const char* words) {
    const bool is_null = status_json(config_with(), standing(state))
                             .find("units")
                             ->find("people")
                             ->find("previous")
                             ->is_null();
    const std::string text = status_text(config_with(), standing(state));
    EXPECT_NE(text.find(words), text.npos) << text;
    EXPECT_EQ(is_null, text.find("way back") == text.npos) << text;
    return !is_null;
  };
  unit.previous = release("1.1.0");
  EXPECT_FALSE(told(" slot a\n"));
  unit.slots[1] = release("1.1.0");
  EXPECT_TRUE(told(" slot a, way back: 1.1.0\n"));
  unit.slots[1] = release("1.3.0");  // another one that is tried there
  EXPECT_FALSE(told(" slot a\n"));
  unit = {};
  EXPECT_FALSE(told(" slot none\n"));
}

TEST(Status, AConfigurationThatIsWrongIsSaidFirstAndComparedWithNothing) {
  Standing now = standing(some_state(), Live{.said_s = kNowS,
                                             .health = {{"people", "well"}},
                                             .output = {{"people", {}}},
                                             .config = "another"});
  EXPECT_TRUE(status_json(config_with(), now).find("configuration_error")->is_null());
  now.config_error = "polderd.toml:3: no key 'x'";
  const Config config = legible_config("device = \"camera-17\"\n");
  const std::string text = status_text(config, now);
  EXPECT_TRUE(text.starts_with("polderd.toml:3: no key 'x'\ncamera-17: idle\n")) << text;
  for (const char* part : {"reload", "tried again", "/var/lib"}) {
    EXPECT_NE(status_text(config_with("folder = \"/var/lib/x\"\n[worker]\nthreads = 2\n"),
                          standing(some_state(), now.live))
                  .find(part),
              text.npos);
    EXPECT_EQ(text.find(part), text.npos) << text;
  }
  EXPECT_EQ(*status_json(config, now).find("configuration_error")->string(), now.config_error);
}

TEST(Status, NumbersCarryTheirTimeAndOldOnesAreNotOfNow) {
  const Live live{.said_s = kNowS - 3, .health = {{"people", "well"}}};
  const Config config = config_with();
  const auto json = [&](const Standing& now) { return status_json(config, now); };
  const auto text = [&](const Standing& now) { return status_text(config, now); };
  Standing now = standing(some_state(), live);
  EXPECT_EQ(*json(now).find("live")->find("said_s")->integer(), kNowS - 3);
  EXPECT_TRUE(*json(now).find("live_is_current")->boolean());
  EXPECT_NE(text(now).find(", well"), std::string::npos);
  EXPECT_NE(text(now).find("numbers: of 3 s ago\n"), std::string::npos) << text(now);
  // Of one that hangs, and of one that has ended.
  for (const bool is_running : {true, false}) {
    now.is_running = is_running;
    now.live->said_s = is_running ? kNowS - kLiveHoldsS - 1 : kNowS - 3;
    EXPECT_FALSE(*json(now).find("live_is_current")->boolean());
    EXPECT_TRUE(json(now).find("units")->find("people")->find("health")->is_null());
    EXPECT_NE(text(now).find("was: well"), std::string::npos) << text(now);
    EXPECT_NE(text(now).find("they are not of now"), std::string::npos) << text(now);
  }
  EXPECT_NE(text(standing(some_state())).find("numbers: none yet"), std::string::npos);
  EXPECT_FALSE(*json(standing(some_state())).find("live_is_current")->boolean());
}

TEST(Status, SaysThatTheConfigurationHasChanged) {
  Live live{.said_s = kNowS, .config = trust::hex(config_with().file)};
  const auto text = [&](const Config& config) {
    return status_text(config, standing(some_state(), live));
  };
  EXPECT_EQ(text(config_with()).find("systemctl reload"), std::string::npos);
  const Config other = config_with("[reports]\nevery_s = 5\n");
  EXPECT_NE(text(other).find("polderd.toml has changed since polderd read it: systemctl reload"),
            std::string::npos)
      << text(other);
  EXPECT_TRUE(
      *status_json(other, standing(some_state(), live)).find("configuration_changed")->boolean());
}

TEST(Status, SaysWhatExpiresSoonAndWhoRenewsIt) {
  constexpr std::int64_t kDayS = 86'400;
  Standing now = standing(some_state());
  now.expiries = {{"timestamp", kNowS + 3 * 3600}, {"root", kNowS + 31 * kDayS}};
  EXPECT_EQ(status_text(config_with(), now).find("expires"), std::string::npos);
  EXPECT_EQ(*status_json(config_with(), now).find("expires")->find("timestamp")->string(),
            "2027-01-15T11:00:00Z");
  now.expiries = {{"timestamp", kNowS + 3600}, {"root", kNowS + 29 * kDayS}};
  const std::string text = status_text(config_with(), now);
  for (const char* part : {"timestamp.json expires at 2027-01-15T09:00:00Z (in 1 hours)",
                           "'polder repo publish'", "root.json expires at ", "(in 29 days)",
                           "holders of the root keys", "polder repo renew REPO root"})
    EXPECT_NE(text.find(part), std::string::npos) << text;
}

TEST(Status, WhatWasRefusedIsToldWhenNobodyOffersItAnyMore) {
  Live live{.said_s = kNowS - 3,
            .past_refusals = {{"people", {"refused: people 0.1: below", kNowS}}}};
  const std::string line =
      "  refused: people 0.1: below (2027-01-15T08:00:00Z; it is not offered any more)\n";
  const auto text = [&] { return status_text(config_with(), standing(some_state(), live)); };
  EXPECT_NE(text().find(line), std::string::npos) << text();
  live.refusals = {"refused: people 0.1: below"};
  EXPECT_EQ(text().find("not offered any more"), std::string::npos) << text();
  // An older polderd knew none.
  trust::Json old = live.to_json();
  old.members()->erase("past_refusals");
  EXPECT_TRUE(Live::parse(old.compact(), "status.json")->past_refusals.empty());
}

TEST(Status, LiveComesBack) {
  Live live{.said_s = kNowS,
            .checked_s = 5,
            .check_error = "no",
            .note = "nothing is assigned",
            .refusals = {"a", "b"},
            .past_refusals = {{"people", {"refused: people 0.1: below", kNowS, "0f"}}},
            .health = {{"people", "well"}},
            .next_start_s = {{"people", kNowS}},
            .output = {{"people", {1, 2, 3}}},
            .shadow = {{"people", some_shadow()}}};
  live.reports.units["people"] = {.classes = {{"person", 41}, {"7", 1}},
                                  .signals = {{"a.score", {0.25, 0}}, {"b.rms", {{}, 3}}}};
  live.audit = {"audit log: entries are not signed", "chmod 600"};
  live.metrics_error = "metrics: the port is taken";
  live.config = "ab";
  live.lockable_bytes = 8 << 20;
  EXPECT_EQ(Live::parse(live.to_json().compact(), "x").value(), live);
  EXPECT_NE(status_text(config_with(), standing(some_state(), live)).find("chmod 600"),
            std::string::npos);
  EXPECT_FALSE(Live::parse("{}", "x").ok());
  Live large;
  large.refusals.assign(100, std::string(5000, 'x') + " y");
  large.check_error.assign(9000, 'e');
  const auto read = Live::parse(large.to_json().compact(), "x");
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(read->refusals.size(), kMaxLiveRefusals);
}

TEST(Identity, IsMadeOnceAndAsksForACertificate) {
  std::string folder = testing::TempDir() + "identity-XXXXXX";
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  const Config config = config_with("folder = \"" + folder + "\"\n");
  trust::NoPassphrase none;
  const auto before = show_identity(config, none);
  ASSERT_FALSE(before.ok());
  EXPECT_NE(before.error().message.find("polderd identity create"), std::string::npos);
  const auto made = create_identity(config, none);
  ASSERT_TRUE(made.ok()) << made.error().message;
  EXPECT_EQ(show_identity(config, none)->key.id(), made->key.id());
  EXPECT_EQ(create_identity(config, none).error().code, Code::kDenied);
  const auto request =
      trust::certificate_request(*open_identity(config, none).value(), config.device);
  ASSERT_TRUE(request.ok()) << request.error().message;
  EXPECT_TRUE(request->starts_with("-----BEGIN CERTIFICATE REQUEST-----"));
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace polder::agent
