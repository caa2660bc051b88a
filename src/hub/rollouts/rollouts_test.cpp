// Rollouts on a little fleet: stage by stage, from what devices report.
#include <gtest/gtest.h>

#include "hub/rollouts/testing_fleet.h"

namespace polder::hub {
namespace {

class Rollouts : public FleetTest {};

// Devices are told at once.
class AtOnce : public FleetTest {
 protected:
  AtOnce() { history_looks_ = 0; }
};

TEST_F(Rollouts, AGoodReleaseReachesAll) {
  make_fleet(8);
  const std::string id = begin("1.1.0");
  EXPECT_EQ(wanted().size(), 0u);
  EXPECT_NE(gate(id).find("watches the old release first: 0 of 6 looks"), std::string::npos);
  looks(6);
  EXPECT_EQ(wanted_to_run("1.1.0"), 1) << gate(id);
  std::vector<int> wanted;
  for (int i = 0; i < 400 && phase(id) == "running"; ++i) {
    look();
    const int now = wanted_to_run("1.1.0");
    if (wanted.empty() || wanted.back() != now) wanted.push_back(now);
  }
  EXPECT_EQ(phase(id), "done") << gate(id);
  EXPECT_EQ(wanted.front(), 1);
  EXPECT_EQ(wanted.at(1), 3);
  EXPECT_EQ(wanted.back(), 8);
  look();
  EXPECT_EQ(running("1.1.0"), 8);
  EXPECT_EQ(count(id, "matching"), 8);
  EXPECT_EQ(count(id, "running"), 8);
  EXPECT_EQ(count(id, "failed"), 0);
  const auto lines = history(id);
  ASSERT_EQ(lines.size(), 5u);
  EXPECT_EQ(lines[0], "created for 8 devices; stage 1 of 4 (1 device)");
  EXPECT_EQ(lines[1], "stage 2 of 4 (3 devices)");
  EXPECT_EQ(lines[4], "done");
  EXPECT_EQ(rollout(id).find("history")->array()->at(1).find("why")->compact(),
            R"x({"code":"stage","text":"stage 2 of 4 (3 devices)",)x"
            R"("values":{"size":"3 devices","stage":2,"stages":4}})");
  const Status damaged = writer_->write([](Database& database) {
    return database.run("UPDATE rollout_history SET why = '{' WHERE place = 2");
  });
  ASSERT_TRUE(damaged.ok());
  EXPECT_EQ(history(id), lines);
  EXPECT_EQ(rollout(id).find("history")->array()->at(1).find("why"), nullptr);
  const Response looks = send("GET", "/v1/rollouts/" + id + "/looks", "", admin_);
  const trust::Json document = json(looks);
  ASSERT_GT(document.find("looks")->array()->size(), 10u);
  EXPECT_EQ(document.find("looks")->array()->back().find("measures")->array()->size(), 3u);
  // Page by page they are the same.
  const std::size_t all = document.find("looks")->array()->size();
  std::size_t paged = 0;
  for (std::string next = "/v1/rollouts/" + id + "/looks?limit=5"; !next.empty();) {
    const trust::Json page = json(send("GET", next, "", admin_));
    paged += page.find("looks")->array()->size();
    const trust::Json* const more = page.find("next");
    next = more ? *more->string() : "";
  }
  EXPECT_EQ(paged, all);
  EXPECT_EQ(send("GET", "/v1/rollouts/" + id + "/looks?after=now", "", admin_).status, 400);
  EXPECT_EQ(send("GET", "/v1/rollouts?after=r9", "", admin_).status, 400);
  EXPECT_EQ(send("GET", "/v1/rollouts?after=" + id, "", admin_).status, 200);
  // Nothing is left of what only a running one needs.
  for (const char* table : {"rollout_counts", "rollout_limit", "rollout_evidence"})
    EXPECT_TRUE(readers_->query(std::string("SELECT 1 FROM ") + table)->empty()) << table;
}

TEST_F(AtOnce, ACrashingOneStopsAtOneDeviceAtOnce) {
  make_fleet(8);
  behaviour_["1.1.0"].crashes = true;
  const std::string id = begin("1.1.0");
  looks(1);
  EXPECT_EQ(phase(id), "aborted");
  EXPECT_EQ(count(id, "failed"), 1);
  const std::string bad = wanted().begin()->first;
  EXPECT_EQ(reason(id), bad + ": crash loop");
  // It is to run what it had; nobody else was told anything.
  EXPECT_EQ(wanted(), (std::map<std::string, std::string>{{bad, "1.0.0"}}));
  looks(3);
  EXPECT_EQ(running("1.0.0"), 8);
  EXPECT_EQ(history(id).back(), "aborted: " + bad + ": crash loop");
}

class Shadows : public FleetTest {
 protected:
  Shadows() {
    measures_ = R"(["errors","slow frames","empty frames","frames that differ","slower frames"])";
  }
  static constexpr const char* kShadowFirst =
      R"("stages":[{"devices":1,"shadow":true,"least_minutes":1,"errors_an_hour":180},)"
      R"({"devices":1,"least_minutes":1,"errors_an_hour":180},)"
      R"({"percent":100,"least_minutes":1}])";
};

TEST_F(Rollouts, ASlowOneIsFound) {
  make_fleet(8);
  behaviour_["1.1.0"].slow = 2;
  const std::string id = begin("1.1.0");
  looks(40);
  EXPECT_EQ(phase(id), "aborted") << gate(id);
  EXPECT_NE(reason(id).find("slow frames: "), std::string::npos) << reason(id);
  EXPECT_EQ(wanted_to_run("1.1.0"), 0);
  EXPECT_EQ(running("1.0.0"), 8);
}

TEST_F(Shadows, ASlowOneIsFoundInShadow) {
  make_fleet(8);
  behaviour_["1.1.0"].slow = 2;
  const std::string id = begin("1.1.0", "", kShadowFirst);
  looks(6);
  EXPECT_EQ(wanted_to_run("1.1.0 in shadow"), 1);
  looks(20);
  EXPECT_EQ(phase(id), "aborted") << gate(id);
  EXPECT_NE(reason(id).find("slower frames: "), std::string::npos) << reason(id);
  for (const Device& one : devices_) EXPECT_EQ(one.committed, "1.0.0");
}

TEST_F(Shadows, OneThatDiffersIsFoundInShadow) {
  make_fleet(8);
  behaviour_["1.1.0"].sees_nothing = true;
  const std::string id = begin("1.1.0", "", kShadowFirst);
  looks(20);
  EXPECT_EQ(phase(id), "aborted") << gate(id);
  EXPECT_NE(reason(id).find("frames that differ: "), std::string::npos) << reason(id);
}

TEST_F(Shadows, AGoodOneGoesOnFromItsShadow) {
  make_fleet(8);
  const std::string id = begin("1.1.0", "", kShadowFirst);
  for (int i = 0; i < 100 && phase(id) == "running"; ++i) look();
  EXPECT_EQ(phase(id), "done") << gate(id);
  EXPECT_EQ(wanted_to_run("1.1.0"), 8);
}

TEST_F(Rollouts, OneThatSeesNothingIsFound) {
  make_fleet(8);
  behaviour_["1.1.0"].sees_nothing = true;
  const std::string id = begin("1.1.0");
  looks(60);
  EXPECT_EQ(phase(id), "aborted") << gate(id);
  EXPECT_NE(reason(id).find("empty frames: "), std::string::npos) << reason(id);
  EXPECT_LE(count(id, "running"), 1);
}

TEST_F(Rollouts, OneThatCrashesNowAndThenIsFound) {
  make_fleet(8);
  behaviour_["1.1.0"].crash_share = 0.02;
  const std::string id = begin("1.1.0");
  looks(60);
  EXPECT_EQ(phase(id), "aborted") << gate(id);
  EXPECT_NE(reason(id).find("errors: "), std::string::npos) << reason(id);
}

TEST_F(AtOnce, NoDataIsNoProof) {
  make_fleet(4);
  const std::string id = begin("1.1.0");
  for (int i = 0; i < 50; ++i) {
    wall_.set_s(wall_.now_s() + kTestLookS);
    turn();
  }
  EXPECT_EQ(phase(id), "running");
  EXPECT_EQ(stage(id), 0);
  EXPECT_NE(gate(id).find("hold; nothing is measured yet"), std::string::npos) << gate(id);
}

TEST_F(Rollouts, APausedOneStaysAsItIsAndStillEndsAtAHardFailure) {
  make_fleet(6);
  const std::string id = begin("1.1.0");
  looks(8);
  const Response paused =
      send("POST", "/v1/rollouts/" + id + "/pause", R"({"reason":"a fair is on"})", admin_);
  EXPECT_EQ(paused.status, 200) << paused.body;
  EXPECT_EQ(text(paused, "reason"), "a fair is on");
  const auto before = wanted();
  looks(60);
  EXPECT_EQ(phase(id), "paused");
  EXPECT_EQ(stage(id), 0);
  EXPECT_EQ(wanted(), before);
  const Response again = send("POST", "/v1/rollouts/" + id + "/pause", R"({"reason":"x"})", admin_);
  EXPECT_EQ(again.status, 409) << again.body;
  EXPECT_EQ(send("POST", "/v1/rollouts/" + id + "/resume", "", admin_).status, 200);
  EXPECT_EQ(stage(id), 0);  // its time begins anew
  looks(10);
  EXPECT_EQ(stage(id), 1) << gate(id);
  EXPECT_EQ(send("POST", "/v1/rollouts/" + id + "/pause", R"({"reason":"y"})", admin_).status, 200);
  alarm("cam-3", proto::AlarmKind::kCrashLoop, "1.1.0", Code::kExhausted);
  EXPECT_EQ(phase(id), "aborted");
  EXPECT_EQ(reason(id), "cam-3: out of memory");
}

TEST_F(Rollouts, PeopleMayAbort) {
  make_fleet(6);
  const std::string id = begin("1.1.0");
  looks(20);
  ASSERT_GE(wanted_to_run("1.1.0"), 3);
  const Response done =
      send("POST", "/v1/rollouts/" + id + "/abort", R"({"reason":"I was wrong"})", admin_);
  EXPECT_EQ(done.status, 200) << done.body;
  EXPECT_EQ(phase(id), "aborted");
  EXPECT_EQ(wanted_to_run("1.1.0"), 0);
  looks(1);
  EXPECT_EQ(running("1.0.0"), 6);
  EXPECT_EQ(send("POST", "/v1/rollouts/" + id + "/resume", "", admin_).status, 409);
}

TEST_F(Rollouts, ADeviceIsPartOfOneAtATime) {
  make_fleet(4);
  const std::string first = begin("1.1.0");
  const Response second = order("1.2.0");
  EXPECT_EQ(second.status, 409) << second.body;
  EXPECT_NE(text(second, "detail").find("is part of rollout " + first), std::string::npos)
      << second.body;
  // Another model is another matter.
  EXPECT_EQ(send("POST", "/v1/rollouts",
                 R"({"model":"voice","version":"1.0.0","unpublished":true})", admin_)
                .status,
            201);
  send("POST", "/v1/rollouts/" + first + "/abort", R"({"reason":"x"})", admin_);
  const std::string third = begin("1.2.0");
  // What failed before may be tried again: a device has one number for all of its models.
  const auto rows = readers_->query("SELECT retry FROM rollout WHERE id = ?", {third});
  EXPECT_EQ((*rows)[0][0].integer(), 2);
}

TEST_F(Rollouts, OneOfAQueryIsForItsDevicesAlone) {
  make_fleet(6);
  for (const char* name : {"cam-1", "cam-4"})
    EXPECT_EQ(send("PUT", std::string("/v1/devices/") + name + "/tags",
                   R"({"site":"ams","line":"3"})", admin_)
                  .status,
              200);
  send("PUT", "/v1/devices/cam-2/tags", R"({"site":"ams"})", admin_);
  const std::string id = begin("1.1.0", R"(,"query":"line=3,site=ams")");
  EXPECT_EQ(count(id, "matching"), 2);
  // One of the others is free for another.
  send("PUT", "/v1/devices/cam-0/tags", R"({"site":"rtm"})", admin_);
  const std::string other = begin("1.2.0", R"(,"query":"site=rtm")");
  EXPECT_EQ(count(other, "matching"), 1);
  looks(100);
  for (const auto& [name, version] : wanted())
    EXPECT_EQ(version, name == "cam-0" ? "1.2.0" : "1.1.0") << name;
}

TEST_F(Rollouts, WhoJoinsTakesPartByItsPlace) {
  make_fleet(6);
  const std::string id = begin("1.1.0");
  for (int i = 0; i < 100 && stage(id) < 2; ++i) look();
  ASSERT_EQ(stage(id), 2) << gate(id);
  for (int i = 100; i < 120; ++i) {
    const std::string name = "cam-" + std::to_string(i);
    add_device(name);
    const bool is_in = place_of(id, name) < 0.5;
    EXPECT_EQ(wanted().contains(name), is_in) << name;
  }
  EXPECT_EQ(count(id, "matching"), 26);
  for (int i = 0; i < 100 && phase(id) == "running"; ++i) look();
  EXPECT_EQ(phase(id), "done") << gate(id);
  EXPECT_EQ(wanted_to_run("1.1.0"), 26);
  // A device that comes after the end gets what the others have.
  add_device("cam-new", "");
  EXPECT_EQ(wanted().at("cam-new"), "1.1.0");
}

TEST_F(AtOnce, WhatIsNotPublishedIsTold) {
  make_fleet(2);
  is_published_ = false;
  const std::string id = begin("1.1.0");
  EXPECT_NE(gate(id).find("people 1.1.0 is not published here"), std::string::npos) << gate(id);
  EXPECT_EQ(wanted_to_run("1.1.0"), 0);
  publish_release("1.1.0");
  wall_.set_s(wall_.now_s() + kTestLookS);
  turn();
  EXPECT_EQ(gate(id).find("is not published"), std::string::npos) << gate(id);
  EXPECT_EQ(wanted_to_run("1.1.0"), 1);
}

TEST_F(AtOnce, ATagBringsADeviceIn) {
  make_fleet(4);
  const std::string id = begin("1.1.0", R"(,"query":"site=ams")");
  EXPECT_EQ(count(id, "matching"), 0);
  EXPECT_NE(gate(id).find("no device of the query has the model"), std::string::npos) << gate(id);
  for (const char* name : {"cam-1", "cam-2", "cam-3"})
    send("PUT", std::string("/v1/devices/") + name + "/tags", R"({"site":"ams"})", admin_);
  EXPECT_EQ(count(id, "matching"), 3);
  turn();
  wall_.set_s(wall_.now_s() + kTestLookS);
  turn();
  EXPECT_EQ(wanted_to_run("1.1.0"), 1);
  // Who leaves leaves, unless it was told to take the new release.
  const std::string canary = wanted().begin()->first;
  for (const char* name : {"cam-1", "cam-2", "cam-3"})
    send("PUT", std::string("/v1/devices/") + name + "/tags", "{}", admin_);
  EXPECT_EQ(count(id, "matching"), 1);
  EXPECT_EQ(wanted().at(canary), "1.1.0");
}

// A device shadows for as long as its own settings say, then it acts.
TEST_F(Shadows, AShadowThatSawTooLittleHoldsNobodyUp) {
  make_fleet(6);
  const std::string id = begin("1.1.0", "",
                               R"("stages":[{"devices":1,"shadow":true,"least_minutes":1,)"
                               R"("least_observations":10000,"errors_an_hour":180},)"
                               R"({"percent":100,"least_minutes":1}])");
  looks(history_looks_ + kShadowLooks + 2);
  EXPECT_EQ(running("1.1.0"), 1);
  EXPECT_NE(gate(id).find("of at least 10000"), std::string::npos) << gate(id);
  looks(50);
  EXPECT_EQ(phase(id), "done") << gate(id);
}

// Another input, or no model of the same name: its device acts without having been beside anything.
TEST_F(Shadows, OneThatComparedNothingHoldsAndIsTold) {
  make_fleet(6);
  for (Device& one : devices_) one.shadow_looks = kShadowLooks;
  const std::string id = begin("1.1.0", "", kShadowFirst);
  looks(history_looks_ + 60);
  EXPECT_EQ(running("1.1.0"), 1);
  EXPECT_EQ(stage(id), 0);
  EXPECT_NE(gate(id).find("hold; frames that differ: nothing was compared"), std::string::npos)
      << gate(id);
}

TEST_F(Shadows, OneOfTwoReleasesSpeaksForTheStage) {
  make_fleet(12);
  publish_release("1.2.0");
  const std::string id = begin("1.1.0", R"(,"other_version":"1.2.0")",
                               R"("stages":[{"devices":1,"shadow":true,"least_minutes":1,)"
                               R"("errors_an_hour":180},{"percent":50,"least_minutes":1,)"
                               R"("errors_an_hour":180},{"percent":100,"least_minutes":1}])");
  for (int i = 0; i < 150 && phase(id) == "running"; ++i) look();
  EXPECT_EQ(phase(id), "done") << gate(id);
}

// What one stage has counted is not taken for what the next one has.
TEST_F(Rollouts, LeastObservationsAreThoseOfTheStage) {
  make_fleet(8);
  const std::string id = begin("1.1.0", "",
                               R"("stages":[{"devices":1,"least_minutes":60,"errors_an_hour":180},)"
                               R"({"devices":2,"least_minutes":1,"least_observations":20000,)"
                               R"("errors_an_hour":180},{"percent":100}])");
  looks(history_looks_ + 362);
  ASSERT_EQ(stage(id), 1) << gate(id);
  EXPECT_NE(gate(id).find("observations of at least 20000"), std::string::npos) << gate(id);
  looks(40);
  EXPECT_EQ(stage(id), 2) << gate(id);
}

TEST_F(Rollouts, TwoReleasesSplitTheFleet) {
  make_fleet(12);
  publish_release("1.2.0");
  const std::string id = begin("1.1.0", R"(,"other_version":"1.2.0")",
                               R"("stages":[{"percent":50,"least_minutes":1,)"
                               R"("errors_an_hour":180},{"percent":100,"least_minutes":1}])");
  for (int i = 0; i < 100 && phase(id) == "running"; ++i) look();
  EXPECT_EQ(phase(id), "done") << gate(id);
  EXPECT_EQ(wanted_to_run("1.1.0") + wanted_to_run("1.2.0"), 12);
  EXPECT_GE(wanted_to_run("1.1.0"), 2);
  EXPECT_GE(wanted_to_run("1.2.0"), 2);
  const Response devices = send("GET", "/v1/rollouts/" + id + "/devices?limit=5", "", admin_);
  EXPECT_EQ(json(devices).find("devices")->array()->size(), 5u);
  EXPECT_NE(text(devices, "next"), "");
}

TEST_F(Rollouts, OfTwoReleasesABadOneEndsBoth) {
  make_fleet(12);
  behaviour_["1.2.0"].slow = 3;
  publish_release("1.2.0");
  const std::string id = begin("1.1.0", R"(,"other_version":"1.2.0")",
                               R"("stages":[{"percent":50,"least_minutes":1},{"percent":100}])");
  looks(60);
  EXPECT_EQ(phase(id), "aborted") << gate(id);
  EXPECT_NE(reason(id).find("slow frames of 1.2.0"), std::string::npos) << reason(id);
  EXPECT_EQ(running("1.0.0"), 12);
}

TEST_F(Rollouts, AFirstReleaseGoesByHardFailuresAndTime) {
  make_fleet(4, "");
  const std::string id = begin("1.0.0");
  EXPECT_NE(gate(id).find("no device runs it yet"), std::string::npos) << gate(id);
  EXPECT_NE(gate(id).find("a first release: hard failures and time alone"), std::string::npos)
      << gate(id);
  looks(60);
  EXPECT_EQ(phase(id), "done") << gate(id);
  EXPECT_EQ(running("1.0.0"), 4);
}

TEST_F(Rollouts, AFirstReleaseThatFailsIsWantedNowhere) {
  make_fleet(4, "");
  behaviour_["1.0.0"].crashes = true;
  const std::string id = begin("1.0.0");
  look();
  EXPECT_EQ(phase(id), "aborted");
  EXPECT_EQ(wanted_to_run(""), 1);
  EXPECT_EQ(wanted().size(), 1u);
}

TEST_F(AtOnce, WaitsForItsDayAndItsWindow) {
  make_fleet(4);
  // 2030-03-17T17:46:40Z.
  const std::string id = begin("1.1.0", R"(,"not_before":"2030-03-17T18:00:00Z",)"
                                        R"("window":{"from":"22:30","to":"04:00"})");
  EXPECT_EQ(wanted().size(), 0u);
  EXPECT_NE(gate(id).find("not before 2030-03-17T18:00:00Z"), std::string::npos) << gate(id);
  wall_.set_s(kNowS + 3600);
  turn();
  EXPECT_NE(gate(id).find("waits for the window 22:30-04:00 UTC: opens at 2030-03-17T22:30:00Z"),
            std::string::npos)
      << gate(id);
  EXPECT_EQ(wanted().size(), 0u);
  wall_.set_s(kNowS + 5 * 3600);
  for (const Device& one : devices_) started(one);
  turn();
  EXPECT_EQ(wanted_to_run("1.1.0"), 1);
  // Over midnight, and out of it: no further, and an abort all the same.
  looks(3);
  wall_.set_s(kNowS + 12 * 3600);
  looks(100);
  EXPECT_EQ(stage(id), 0);
  EXPECT_EQ(wanted_to_run("1.1.0"), 1);
  alarm("cam-0", proto::AlarmKind::kRolledBack, "1.1.0");
  EXPECT_EQ(phase(id), "aborted");
  EXPECT_EQ(wanted_to_run("1.1.0"), 0);
}

// One that runs nothing has nothing to report.
TEST_F(AtOnce, WhoChecksInIsThereAlsoWithoutAReport) {
  make_fleet(2, "");
  wall_.set_s(kNowS + 3600);
  const std::string id = begin("1.0.0");
  EXPECT_EQ(wanted().size(), 0u);
  const Status linked = writer_->write([&](Database& database) -> Status {
    Status unit = database.run(
        "INSERT INTO device_unit (device, unit, model, version, manifest, health, frames, crashes, "
        "reported_s, boot, sequence) VALUES ('cam-1', 'people', '', '', '', 'idle', 0, 0, 0, 0, "
        "0)");
    if (!unit.ok()) return unit;
    return database.run(
        "INSERT INTO device_link (device, seen_s, program, repository, watched_s, swept_s) VALUES "
        "('cam-1', ?, '1', 0, 0, 0)",
        {wall_.now_s() - 60});
  });
  ASSERT_TRUE(linked.ok()) << linked.error().message;
  wall_.set_s(wall_.now_s() + kTestLookS);
  turn();
  EXPECT_EQ(wanted(), (std::map<std::string, std::string>{{"cam-1", "1.0.0"}}));
}

TEST_F(AtOnce, WhoIsAwayOrRefusesIsNotChosen) {
  make_fleet(3);
  wall_.set_s(kNowS + 3600);
  const std::string id = begin("1.1.0");
  EXPECT_EQ(wanted().size(), 0u);
  EXPECT_NE(gate(id).find("0 of 1 devices are there: checked in within 15 minutes"),
            std::string::npos)
      << gate(id);
  for (const char* name : {"cam-1", "cam-2"}) started(device(name));
  wall_.set_s(wall_.now_s() + kTestLookS);
  turn();
  ASSERT_EQ(wanted_to_run("1.1.0"), 1);
  const std::string first = wanted().begin()->first;
  alarm(first, proto::AlarmKind::kReleaseRefused, "1.1.0", {}, "this device has no such camera");
  wall_.set_s(wall_.now_s() + kTestLookS);
  turn();
  EXPECT_EQ(phase(id), "running");
  const std::string second = first == "cam-1" ? "cam-2" : "cam-1";
  EXPECT_EQ(wanted().at(second), "1.1.0");
}

TEST_F(AtOnce, ADownloadThatFailsBlamesNobody) {
  make_fleet(3);
  const std::string id = begin("1.1.0");
  const std::string canary = wanted().begin()->first;
  alarm(canary, proto::AlarmKind::kUpdateFailed, "1.1.0", {}, "blob 1234: the connection was cut");
  EXPECT_EQ(phase(id), "running");
  alarm(canary, proto::AlarmKind::kRolledBack, "1.1.0", {}, "not wanted here any more");
  EXPECT_EQ(phase(id), "running");
  alarm(canary, proto::AlarmKind::kUpdateFailed, "1.1.0");  // a probe: its words stay there
  EXPECT_EQ(phase(id), "aborted");
  EXPECT_EQ(reason(id), canary + ": the probe failed");
}

TEST_F(Rollouts, ADeviceHasSoManyModels) {
  make_fleet(1);
  for (int i = 0; i < 300; ++i)
    report("cam-0", proto::ReportLifecycle{.what = proto::LifecycleKind::kStarted,
                                           .unit = "model-" + std::to_string(i)});
  const auto rows = readers_->query("SELECT COUNT(*) FROM device_model");
  EXPECT_EQ((*rows)[0][0].integer(), 256);
}

TEST_F(Rollouts, WhatWasKeptWhileAwayIsNotCompared) {
  make_fleet(3);
  const std::string id = begin("1.1.0");
  for (int i = 0; i < 20; ++i) report("cam-0", window(device("cam-0")), 2 * 3600);
  EXPECT_TRUE(readers_->query("SELECT 1 FROM rollout_counts")->empty());
  EXPECT_EQ(phase(id), "running");
}

// The hub ends between any two steps; a twin in one go comes to the same.
TEST_F(Rollouts, GoesOnAfterARestartAsIfThereHadBeenNone) {
  const auto run = [&](bool restarts) {
    devices_.clear();
    std::string lines;
    make_fleet(6);
    const std::string id = begin("1.1.0");
    for (int i = 0; i < 60 && phase(id) == "running"; ++i) {
      look();
      if (restarts) {
        stop();
        start();
      }
      lines += std::to_string(i) + " " + gate(id) + "\n";
    }
    for (const std::string& line : history(id)) lines += line + "\n";
    return lines;
  };
  const std::string once = run(false);
  EXPECT_NE(once.find("\ndone\n"), std::string::npos) << once;
  TearDown();
  SetUp();
  EXPECT_EQ(run(true), once);
}

// What is done within a step is done as a whole, whatever of it fails.
TEST_F(Rollouts, AStepIsDoneAsAWhole) {
  make_fleet(4);
  const std::string id = begin("1.1.0");
  looks(7);
  const auto before = wanted();
  const std::string gate_before = gate(id);
  report("cam-0", window(device("cam-0")));
  const auto counts = readers_->query("SELECT COUNT(*) FROM rollout_counts");
  wall_.set_s(wall_.now_s() + kTestLookS);
  const Status failed = writer_->write([&](Database& database) -> Status {
    EXPECT_TRUE(advance(database, id, wall_.now_s()).ok());
    return Error{Code::kIo, "the plug is pulled"};
  });
  EXPECT_FALSE(failed.ok());
  EXPECT_EQ(*readers_->query("SELECT COUNT(*) FROM rollout_counts"), *counts);
  EXPECT_EQ(gate(id), gate_before);
  EXPECT_EQ(wanted(), before);
  turn();
  EXPECT_TRUE(readers_->query("SELECT 1 FROM rollout_counts")->empty());
}

TEST_F(Rollouts, AClockThatJumpsBackHoldsNothingUp) {
  make_fleet(4);
  const std::string id = begin("1.1.0");
  wall_.set_s(kNowS + 40 * 86400);
  looks(2);
  wall_.set_s(kNowS);
  for (int i = 0; i < 100 && phase(id) == "running"; ++i) look();
  EXPECT_EQ(phase(id), "done") << gate(id);
}

}  // namespace
}  // namespace polder::hub
