#include "agent/status.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "agent/identity.h"
#include "base/fail.h"
#include "trust/signer.h"

namespace polder::agent {
namespace {

Config config_with(const std::string& more = "") {
  return parse_config("device = \"camera-17\"\nmodels = [\"people\"]\n" + more, "test").value();
}

ReleaseId release(const std::string& version) {
  return {"people", trust::Version::parse(version, "test").value(), trust::sha256(version)};
}

AgentState some_state() {
  AgentState state;
  Unit unit{.active = Slot::kA};
  unit.slots[0] = unit.committed = release("1.2.0");
  unit.highest = unit.committed->version;
  state.units["people"] = unit;
  state.bad.push_back({.release = release("1.3.0"),
                       .time_s = 1,
                       .reason = "crash loop",
                       .settings = config_with().settings_digest("people")});
  return state;
}

ShadowResult some_shadow() {
  return {.release = "people 1.4.0",
          .beside = "people 1.2.0",
          .models = {{"detector", 30, 0.5, 0.25, 1, 2, 3, 4}},
          .slowed_stage = "infer",
          .alone_p99_ms = 2.5,
          .beside_p99_ms = 6.5,
          .failure = "signal 11"};
}

TEST(Status, JsonAndTextSayWhatRuns) {
  Live live{.checked_s = 5,
            .refusals = {"people 0.1: below"},
            .health = {{"people", "well"}},
            .output = {{"people", {1500, 2, 3}}},
            .shadow = {{"people", some_shadow()}}};
  live.reports.units["people"] = {.classes = {{"person", 41}},
                                  .signals = {{"camera.brightness", {0.31, 2}}}};
  const trust::Json json = status_json(config_with(), some_state(), live, true);
  EXPECT_EQ(*json.find("units")->find("people")->find("running")->find("version")->string(),
            "1.2.0");
  EXPECT_EQ(*json.find("units")->find("people")->find("health")->string(), "well");
  const std::string text = status_text(config_with(), some_state(), live, true);
  EXPECT_EQ(text.find("not running"), text.npos);
  EXPECT_NE(status_text(config_with(), some_state(), live, false).find("not running"), text.npos);
  for (const char* part : {"camera-17: idle", "1.2.0", "crash loop", "refused: people 0.1",
                           "shadow: people 1.4.0 beside people 1.2.0; 'detector': 30 inferences",
                           "50.0% agree, p99 4.000 ms (old 2.000 ms); stage 'infer' took",
                           "output: 1.5 kB in", "2 bytes dropped", "classes: person 41",
                           "camera.brightness: 2 alarm(s) of drift, PSI 0.310: changed"})
    EXPECT_NE(text.find(part), std::string::npos) << text;
}

TEST(Status, SaysWhyAReleaseFailedAndWhetherItIsTriedAgain) {
  AgentState state = some_state();
  state.attempts.push_back(
      {.release = release("1.4.0"), .failures = 2, .reason = "polderd.toml:7: no step 'camra'"});
  const char* why = "failed: people 1.4.0: could not be installed, 2 times by now: polderd.toml:7";
  EXPECT_NE(status_text(config_with(), state, {}, true).find(why), std::string::npos);
  const auto tried_again = [&](const Config& config) {
    return *status_json(config, state, {}, true)
                .find("bad")
                ->array()
                ->front()
                .find("tried_again")
                ->boolean();
  };
  EXPECT_FALSE(tried_again(config_with()));
  const Config other = config_with("[pipeline.people]\ncamera.path = \"/dev/video0\"\n");
  EXPECT_TRUE(tried_again(other));
  EXPECT_NE(status_text(other, state, {}, true).find("crash loop (with other settings than now"),
            std::string::npos);
}

TEST(Status, SaysWhatWasLost) {
  AgentState state = some_state();
  EXPECT_TRUE(status_json(config_with(), state, {}, true)
                  .find("units")
                  ->find("people")
                  ->find("lost")
                  ->is_null());
  Unit& unit = state.units["people"];
  unit.committed = release("1.2.5");
  const trust::Json json = status_json(config_with(), state, {}, true);
  EXPECT_EQ(*json.find("units")->find("people")->find("lost")->find("version")->string(), "1.2.5");
  EXPECT_NE(status_text(config_with(), state, {}, true).find("lost: 1.2.5: its slot was damaged"),
            std::string::npos);
  // While it is installed again there is more to tell.
  state.update = Update{.unit = "people", .release = release("1.2.5"), .slot = Slot::kB};
  EXPECT_EQ(status_text(config_with(), state, {}, true).find("lost"), std::string::npos);
}

TEST(Status, LiveComesBack) {
  Live live{.checked_s = 5,
            .check_error = "no",
            .refusals = {"a", "b"},
            .health = {{"people", "well"}},
            .output = {{"people", {1, 2, 3}}},
            .shadow = {{"people", some_shadow()}}};
  live.reports.units["people"] = {.classes = {{"person", 41}, {"7", 1}},
                                  .signals = {{"a.score", {0.25, 0}}, {"b.rms", {{}, 3}}}};
  live.audit = {"audit log: entries are not signed", "chmod 600"};
  EXPECT_EQ(Live::parse(live.to_json().compact(), "x").value(), live);
  EXPECT_NE(status_text(config_with(), some_state(), live, true).find("chmod 600"),
            std::string::npos);
  EXPECT_FALSE(Live::parse("{}", "x").ok());
  Live large;
  large.refusals.assign(100, std::string(5000, 'x') + " y");
  large.check_error.assign(9000, 'e');
  const auto read = Live::parse(large.to_json().compact(), "x");
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(read->refusals.size(), kMaxLiveRefusals);
}

TEST(Doctor, AHealthyDeviceHasNothingWrong) {
  AgentState state = some_state();
  state.bad.clear();
  Facts facts{.config = config_with("repository = \"/media/stick\"\n"),
              .live = Live{.health = {{"people", "well"}}},
              .is_running = true,
              .free_bytes = 1u << 30,
              .now_s = 1'800'000'000};
  facts.state = state;
  for (const Finding& finding : diagnose(facts))
    EXPECT_EQ(finding.level, Level::kGood) << finding.what;
}

TEST(Doctor, EveryFaultIsNamedWithAdvice) {
  const auto wrong = [](auto change, const char* text) {
    Facts facts{.config = config_with("repository = \"/media/stick\"\n"),
                .live = Live{.health = {{"people", "well"}}},
                .is_running = true,
                .free_bytes = 1u << 30,
                .now_s = 1'800'000'000};
    AgentState state = some_state();
    state.bad.clear();
    facts.state = std::move(state);
    change(facts);
    const auto findings = diagnose(facts);
    const bool is_there = std::ranges::any_of(findings, [&](const Finding& finding) {
      return finding.level != Level::kGood && !finding.advice.empty() &&
             finding.what.find(text) != std::string::npos;
    });
    EXPECT_TRUE(is_there) << text;
  };
  wrong([](Facts& f) { f.is_running = false; }, "not running");
  wrong([](Facts& f) { f.damaged_slots = {"people 1.2.0: slots/people/a/pipeline.toml"}; },
        "damaged: people 1.2.0: slots/people/a/pipeline.toml");
  wrong([](Facts& f) { f.state->units["people"].committed = release("1.2.5"); },
        "people 1.2.5: its slot was damaged; 1.2.0 runs until");
  wrong([](Facts& f) { f.identity = fail(Code::kNotFound, "no key"); }, "no key");
  wrong([](Facts& f) { f.repository = fail(Code::kNotFound, "no folder"); }, "no folder");
  wrong([](Facts& f) { f.root = fail(Code::kNotFound, "no root.json"); }, "no root");
  wrong([](Facts& f) { f.config.repository.clear(); }, "repository: none");
  wrong([](Facts& f) { f.live->check_error = "expired"; }, "expired");
  wrong([](Facts& f) { f.free_bytes = 1000; }, "disk");
  wrong([](Facts& f) { f.free_bytes = fail(Code::kDenied, "read-only"); }, "disk: read-only");
  wrong([](Facts& f) { f.state = fail(Code::kCorrupt, "state.json: damaged"); }, "damaged");
  wrong([](Facts& f) { f.now_s = 0; }, "not set");
  wrong([](Facts& f) { f.state->time_seen_s = f.now_s + 1; }, "before");
  wrong([](Facts& f) { f.state = AgentState(); }, "no release");
  wrong([](Facts& f) { f.live->health["people"] = "crash loop"; }, "crash loop");
  wrong([](Facts& f) { f.state = some_state(); }, "failed here");
  wrong([](Facts& f) { f.identity = fail(Code::kDenied, "key.pem: chmod 600 'key.pem'"); },
        "entries are not signed: key.pem: chmod 600");
  wrong([](Facts& f) { f.audit = fail(Code::kCorrupt, "audit/log: entry 3"); },
        "entries are not recorded: audit/log: entry 3");
  wrong([](Facts& f) { f.live->audit = {"entries are not signed: no TPM", "wait"}; }, "no TPM");
  wrong(
      [](Facts& f) {
        f.state->attempts.push_back({release("2.0.0"), 1, 0, "no room"});
      },
      "people 2.0.0: could not be installed, 1 times by now: no room");
  wrong([](Facts& f) { f.unproven_settings = {"people"}; }, "[pipeline.people] cannot be verified");
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
  const auto request = identity_request(config, none);
  ASSERT_TRUE(request.ok()) << request.error().message;
  EXPECT_TRUE(request->starts_with("-----BEGIN CERTIFICATE REQUEST-----"));
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace polder::agent
