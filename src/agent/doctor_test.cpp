#include "agent/doctor.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "agent/device_pin.h"
#include "agent/testing_status.h"
#include "base/fail.h"

namespace polder::agent {
namespace {

// A device with which nothing is wrong.
Facts good_facts(const char* repository = "/media/stick") {
  Facts facts{.config = config_with(std::string("repository = \"") + repository + "\"\n"),
              .live = Live{.said_s = kNowS, .checked_s = kNowS, .health = {{"people", "well"}}},
              .is_running = true,
              .free_bytes = 1u << 30,
              .now_s = kNowS};
  facts.state = good_state();
  return facts;
}

using Change = std::function<void(Facts&)>;

Facts changed(const Change& change, const char* repository = "/media/stick") {
  Facts facts = good_facts(repository);
  change(facts);
  return facts;
}

TEST(Doctor, AHealthyDeviceHasNothingWrong) {
  for (const Finding& finding : diagnose(good_facts()))
    EXPECT_EQ(finding.level, Level::kGood) << finding.what;
}

TEST(Doctor, SaysWhetherTheHubTakesTheDevice) {
  const auto found = [](const HubStanding& hub, bool is_running = true) {
    Facts facts = good_facts();
    facts.config.hub.url = "https://hub.example:8443";
    facts.is_running = is_running;
    facts.hub = hub;
    for (Finding& finding : diagnose(facts))
      if (finding.what.starts_with("hub:")) return std::move(finding);
    return Finding();
  };
  EXPECT_EQ(found({}).level, Level::kGood);
  EXPECT_EQ(found({HubState::kEnrolled, kNowS + 1, 0, "", ""}).level, Level::kGood);
  EXPECT_EQ(found({HubState::kEnrolled, kNowS, 0, "", ""}).level, Level::kWrong);
  EXPECT_EQ(found({HubState::kAway, kNowS + 1, 0, "hub: away", "wait"}).level, Level::kWarning);
  EXPECT_EQ(found({HubState::kRefused, kNowS + 1, 0, "hub: no", "ask"}).level, Level::kWrong);
  EXPECT_EQ(found({HubState::kNotEnrolled, 0, 0, "hub: no", "ask"}).level, Level::kWrong);
  const Finding out = found({HubState::kNotEnrolled, 0, 0, "", ""}, false);
  EXPECT_EQ(out.level, Level::kWarning);
  EXPECT_NE(out.advice.find("polderd enrol"), std::string::npos);
}

TEST(Doctor, AKeyThatEnrollingMakesIsNotMissed) {
  const auto level = [](HubState state, const std::string& key) {
    Facts facts = good_facts();
    facts.config.hub.url = "https://hub.example:8443";
    facts.config.key = key;
    facts.hub.state = state;
    facts.identity = fail(Code::kNotFound, "key.pem: cannot open");
    for (const Finding& finding : diagnose(facts))
      if (finding.what.starts_with("identity: ")) return finding.level;
    return Level::kGood;
  };
  EXPECT_EQ(level(HubState::kNotEnrolled, ""), Level::kWarning);
  EXPECT_EQ(level(HubState::kNotEnrolled, "/etc/polderd/key.pem"), Level::kWrong);
  EXPECT_EQ(level(HubState::kEnrolled, ""), Level::kWrong);
}

TEST(Doctor, EveryFaultIsNamedWithAdvice) {
  const auto wrong = [](const Change& change, const char* text) {
    const auto findings = diagnose(changed(change));
    const bool is_there = std::ranges::any_of(findings, [&](const Finding& finding) {
      return finding.level != Level::kGood && !finding.advice.empty() &&
             finding.what.find(text) != std::string::npos;
    });
    EXPECT_TRUE(is_there) << text;
  };
  wrong([](Facts& f) { f.is_running = false; }, "not running");
  wrong(
      [](Facts& f) {
        f.damaged_slots = {{"people 1.2.0: slots/people/a/pipeline.toml", true}};
      },
      "damaged: people 1.2.0: slots/people/a/pipeline.toml");
  wrong(
      [](Facts& f) {
        f.damaged_slots = {{"people 1.1.0: slots/people/b", false}};
      },
      "damaged: people 1.1.0: slots/people/b: it is no way back");
  wrong([](Facts& f) { f.state->units["people"].committed = release("1.2.5"); },
        "people 1.2.5: its slot was damaged; 1.2.0 runs until");
  wrong([](Facts& f) { f.identity = fail(Code::kNotFound, "no key"); }, "no key");
  wrong([](Facts& f) { f.repository = fail(Code::kNotFound, "no folder"); }, "no folder");
  wrong([](Facts& f) { f.root = fail(Code::kNotFound, "no root.json"); }, "no root");
  wrong([](Facts& f) { f.config.repository.clear(); }, "repository: none");
  wrong([](Facts& f) { f.live->check_error = "expired"; }, "expired");
  wrong([](Facts& f) { f.free_bytes = 1000; }, " free");
  wrong([](Facts& f) { f.free_bytes = 30u << 20; }, "disk: 31.5 MB free");
  wrong([](Facts& f) { f.free_bytes = fail(Code::kDenied, "read-only"); }, "disk: read-only");
  wrong([](Facts& f) { f.state = fail(Code::kCorrupt, "state.json: damaged"); }, "damaged");
  wrong([](Facts& f) { f.state = fail(Code::kCorrupt, "state.json: damaged"); }, "not asked");
  wrong([](Facts& f) { f.config.key = "tpm:0x81000001"; }, "opens sealed models is a file");
  wrong([](Facts& f) { f.now_s = 0; }, "not set");
  wrong([](Facts& f) { f.state->time_seen_s = f.now_s + 1; }, "before");
  wrong([](Facts& f) { f.state = AgentState(); }, "no release");
  wrong([](Facts& f) { f.live->health["people"] = "crash loop"; }, "crash loop");
  wrong([](Facts& f) { f.state->bad = {bad_release()}; }, "failed here");
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

TEST(Doctor, SaysOfATokenThatItWasNotTried) {
  const auto said = [](const char* key) {
    Facts facts = good_facts();
    facts.config.key = key;
    for (const Finding& finding : diagnose(facts))
      if (finding.what.starts_with("identity: ")) return finding.what;
    return std::string();
  };
  EXPECT_EQ(said("/etc/polderd/key.pem"), "identity: the key is there");
  EXPECT_NE(said("pkcs11:object=device").find("not tried"), std::string::npos);
}

// What is wrong, and a word of what is to be done, by whom.
TEST(Doctor, EachCauseHasItsAdvice) {
  struct Case {
    Change change;
    const char* advice;
    Level level = Level::kWrong;
    const char* repository = "https://releases.example.com";
  };
  const auto repository = [](Code code, const char* text) {
    return [=](Facts& f) { f.repository = fail(code, "{}", text); };
  };
  const auto identity = [](Code code, const std::string& text) {
    return [=](Facts& f) { f.identity = fail(code, "{}", text); };
  };
  const auto health = [](const std::string& text) {
    return [=](Facts& f) { f.live->health["people"] = text; };
  };
  const std::string refused(kPinRefused);
  const Case cases[] = {
      {repository(Code::kTimeout, "timestamp.json: version 3 expired at 2026-01-01T00:00:00Z"),
       "the releaser renews"},
      {repository(Code::kDenied, "root.json: signatures of 2 of its role's 3 keys expected"),
       "do not trust"},
      {repository(Code::kDenied, "timestamp.json: version 7 or later expected: a rollback"),
       "ask the releaser"},
      {repository(Code::kUnavailable, "cannot connect: Connection refused"), "network is up"},
      {repository(Code::kUnavailable, "the host has no address"), "'repository' names"},
      {repository(Code::kTimeout, "no byte for 20 s"), "network"},
      {repository(Code::kDenied, "the server's certificate is not accepted"), "'ca_file'"},
      {repository(Code::kDenied, "TLS fails (does a TLS server answer there?)"), "'ca_file'"},
      {repository(Code::kNotFound, "status 404"), "right address"},
      {repository(Code::kCorrupt, "targets.json: version 3 expected"), "copy it again"},
      {repository(Code::kNotFound, "no folder"), "stick", Level::kWrong, "/media/stick"},
      {repository(Code::kDenied, "/media/stick: cannot open: Permission denied"),
       "sudo -u polderd polderd doctor", Level::kWrong, "/media/stick"},
      {identity(Code::kDenied, "key.pem: cannot open: Permission denied"),
       "sudo -u polderd polderd doctor"},
      {identity(Code::kDenied, "key.pem: cannot open: Permission denied; chown 7 'key.pem'"),
       "keep the key"},
      {identity(Code::kUnavailable, "the PIN in /etc/pin " + refused), "pin_file"},
      {identity(Code::kDenied, "cannot log in: wrong PIN"), "pin_file"},
      {identity(Code::kNotFound, "no key"), "polderd identity create"},
      {identity(Code::kUnavailable, "no TPM answers"), "answers"},
      {[](Facts& f) {
         f.state = fail(Code::kDenied, "state.json: cannot open: Permission denied");
       },
       "sudo -u polderd"},
      {[](Facts& f) { f.state = fail(Code::kCorrupt, "state.json: damaged"); },
       "state.backup.json"},
      {[](Facts& f) { f.state = fail(Code::kIo, "state.json: Input/output error"); }, "dmesg"},
      {[](Facts& f) { f.root = fail(Code::kCorrupt, "root.json: damaged"); }, "from the releaser"},
      {health("cannot be started: the PIN in /etc/pin " + refused), "pin_file"},
      {health("cannot be started: sealed for other devices"), "--add-recipient"},
      {health("nothing runs: this release has no pipeline"), "'without_pipeline'"},
      {health("crash loop: no camera"), "camera"},
      {health("x.toml:9: the release's pipeline has no step 'mic'"), "mend polderd.toml"},
      {[](Facts& f) { f.live->config = "another"; }, "systemctl reload polderd", Level::kWarning},
      {[](Facts& f) { f.live->metrics_error = "metrics: the port is taken"; }, "another port",
       Level::kWarning},
      {[](Facts& f) {
         f.expiries = {{"targets", kNowS + 86'400}};
       },
       "polder repo renew REPO targets", Level::kWarning},
      {[](Facts& f) {
         f.live->lockable_bytes = 8 << 20;
         f.sealed_bytes["people"] = 9 << 20;
       },
       "LimitMEMLOCK=infinity", Level::kWarning},
  };
  for (const Case& item : cases) {
    const auto findings = diagnose(changed(item.change, item.repository));
    const auto found = std::ranges::find_if(
        findings, [&](const Finding& f) { return f.advice.find(item.advice) != f.advice.npos; });
    ASSERT_NE(found, findings.end()) << item.advice;
    EXPECT_EQ(found->level, item.level) << found->what;
  }
}

std::string advice_for(const Facts& facts, const char* what) {
  for (const Finding& finding : diagnose(facts))
    if (finding.what.find(what) != finding.what.npos) return finding.advice;
  return "no finding";
}

TEST(Doctor, NamesTheUserWhomTheFolderBelongsTo) {
  Facts facts = good_facts();
  facts.owner = "\\#1000";
  facts.identity = fail(Code::kNotFound, "no key");
  EXPECT_NE(advice_for(facts, "no key").find("'sudo -u \\#1000 polderd identity create'"),
            std::string::npos);
}

TEST(Doctor, SaysOfTheAuditLogNoMoreThanItKnows) {
  const auto said = [](const Change& change) {
    for (const Finding& finding : diagnose(changed(change)))
      if (finding.what.starts_with("audit log: ")) return finding.what;
    return std::string();
  };
  EXPECT_EQ(said([](Facts&) {}), "audit log: kept and signed");
  EXPECT_EQ(said([](Facts& f) { f.live.reset(); }), "audit log: kept");
  EXPECT_EQ(said([](Facts& f) { f.audit = fail(Code::kNotFound, "none"); }),
            "audit log: none yet, polderd begins it");
  EXPECT_EQ(said([](Facts& f) {
              f.identity = fail(Code::kNotFound, "no key");
            }).find("signed depends on the key") == std::string::npos,
            false);
}

TEST(Doctor, ARootIsTrustedOnceItsRepositoryIs) {
  Facts facts = good_facts();
  EXPECT_NE(advice_for(facts, "root: trusted"), "no finding");
  facts.repository = fail(Code::kUnavailable, "no network");
  EXPECT_EQ(advice_for(facts, "root: trusted"), "no finding");
  facts.repository = fail(Code::kDenied, "timestamp.json: signatures of 1 of its role's 1 keys");
  EXPECT_EQ(advice_for(facts, "root: trusted"), "no finding");
  EXPECT_NE(advice_for(facts, "root: what").find("another repository"), std::string::npos);
}

TEST(Doctor, AConfigurationThatIsWrongIsSaidFirstWithWhatCanBeToldWithoutIt) {
  Facts facts = good_facts();
  facts.config_error = "polderd.toml:3: no key 'x'";
  facts.state->bad = {bad_release()};
  facts.config.models = {"people"};
  const auto findings = diagnose(facts);
  EXPECT_EQ(findings.front().level, Level::kWrong);
  EXPECT_NE(findings.front().what.find("polderd.toml:3: no key 'x'"), std::string::npos);
  EXPECT_NE(findings.front().advice.find("systemctl reload polderd"), std::string::npos);
  EXPECT_EQ(advice_for(facts, "people: 1.2.0"), "");
  EXPECT_NE(advice_for(facts, "failed here"), "no finding");
  for (const char* part : {"identity: the key", "repository: ", "root: "})
    EXPECT_EQ(advice_for(facts, part), "no finding");
}

TEST(Doctor, WhileItRunsNobodyElseIsToInstall) {
  Facts facts = good_facts();
  facts.state->bad = {bad_release()};
  facts.state->attempts.push_back({release("2.0.0"), 1, 0, "no room"});
  const auto both = [&](const char* running, const char* not_running, const char* what) {
    facts.is_running = true;
    EXPECT_NE(advice_for(facts, what).find(running), std::string::npos);
    EXPECT_EQ(advice_for(facts, what).find("--install"), std::string::npos);
    facts.is_running = false;
    EXPECT_NE(advice_for(facts, what).find(not_running), std::string::npos);
  };
  both("polder repo assign", "check --install --retry", "crash loop");
  both("by itself", "check --install'", "no room");
  facts.state->bad.front().settings = {};
  both("systemctl reload polderd", "check --install'", "crash loop");
}

TEST(Doctor, EveryRefusedReleaseIsNamedWithItsReasonAndWhatToDo) {
  Facts facts = good_facts();
  const auto refuse = [&](const char* version, const char* reason) {
    facts.refusals.push_back({"people", release(version), reason});
  };
  refuse("0.1.0", "below the floor 1.0.0, which only rises");
  refuse("0.2.0", "people 0.2.0: not above 1.2.0; back it goes only to people 1.1.0");
  refuse("0.3.0", "this device's configuration pins 'people' to 1.2.0");
  refuse("0.4.0", "assigned, but not before 2030-01-01T00:00:00Z");
  refuse("0.5.0", "something new");
  for (const auto& [what, advice] :
       {std::pair("refused: people 0.1.0: below the floor", "at or above the floor"),
        {"refused: people 0.2.0", "assign what it says"},
        {"refused: people 0.3.0", "[pins]"},
        {"refused: people 0.4.0", "it is installed then"},
        {"refused: people 0.5.0: something new", "tell the releaser"}})
    EXPECT_NE(advice_for(facts, what).find(advice), std::string::npos) << what;
  // What nobody offers any more is told too, and nothing twice.
  facts.live = Live{.said_s = facts.now_s};
  facts.live->past_refusals["people"] = {"refused: people 0.6.0: below the floor 1.0.0", 0};
  EXPECT_NE(advice_for(facts, "refused: people 0.6.0: below the floor 1.0.0 (1970-").find("floor"),
            std::string::npos);
  facts.live->past_refusals["people"] = {"refused: people 0.5.0: something new", 0};
  EXPECT_EQ(advice_for(facts, "it is not offered any more"), "no finding");
  // What failed here is told once.
  facts.state->bad = {bad_release()};
  refuse("1.3.0", "failed here: crash loop");
  EXPECT_EQ(advice_for(facts, "refused: people 1.3.0"), "no finding");
  EXPECT_NE(advice_for(facts, "people 1.3.0: failed here"), "no finding");
}

TEST(Doctor, ABadReleaseThatIsSupersededIsNoFinding) {
  Facts facts = good_facts();
  facts.state->bad = {bad_release()};
  for (const auto& [committed, is_told] :
       {std::pair("1.2.9", true), {"1.3.0", false}, {"1.4.0", false}}) {
    Unit& unit = facts.state->units["people"];
    unit.slots[0] = unit.committed = release(committed);
    EXPECT_EQ(advice_for(facts, "failed here") != "no finding", is_told) << committed;
  }
}

TEST(Doctor, WhatASealedModelTakesMayBeLocked) {
  for (const auto& [limit, level] : {std::pair(std::optional<std::int64_t>(9 << 20), Level::kGood),
                                     {std::optional<std::int64_t>(), Level::kGood},
                                     {std::optional<std::int64_t>(1), Level::kWarning}}) {
    Facts facts = good_facts();
    facts.live->lockable_bytes = limit;
    facts.sealed_bytes["people"] = 9 << 20;
    Level most = Level::kGood;
    for (const Finding& finding : diagnose(facts)) most = std::max(most, finding.level);
    EXPECT_EQ(most, level);
  }
}

TEST(Doctor, ThatNothingIsInstalledIsWrongOnceItHadItsChance) {
  const auto level = [](const Change& change) {
    const auto findings = diagnose(changed([&](Facts& f) {
      f.state = AgentState();
      f.state->units["people"] = {};
      change(f);
    }));
    const auto found = std::ranges::find_if(findings, [](const Finding& finding) {
      return finding.what.find("no release is installed") != std::string::npos;
    });
    return found == findings.end() ? Level::kGood : found->level;
  };
  EXPECT_EQ(level([](Facts&) {}), Level::kWrong);
  EXPECT_EQ(level([](Facts& f) { f.is_running = false; }), Level::kWarning);
  EXPECT_EQ(level([](Facts& f) { f.live->checked_s = 0; }), Level::kWarning);
  EXPECT_EQ(level([](Facts& f) {
              f.state->update =
                  Update{.unit = "people", .release = release("1.2.5"), .slot = Slot::kB};
            }),
            Level::kWarning);
}

}  // namespace
}  // namespace polder::agent
