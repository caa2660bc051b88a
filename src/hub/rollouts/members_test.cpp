// Who takes part in a rollout, what each device goes back to, and who stands in for whom.
#include <gtest/gtest.h>

#include "hub/repository/registry.h"
#include "hub/rollouts/members.h"
#include "hub/rollouts/testing_fleet.h"
#include "trust/tuf_metadata.h"

namespace polder::hub {
namespace {

// Devices are told at once.
class Members : public FleetTest {
 protected:
  Members() { history_looks_ = 0; }

  void write(std::string_view sql, const Values& values = {}) {
    const Status done =
        writer_->write([&](Database& database) { return database.run(sql, values); });
    ASSERT_TRUE(done.ok()) << done.error().message;
  }
  void checked_in(const std::string& name, std::int64_t seen_s) {
    write(
        "INSERT INTO device_link (device, seen_s, program, repository, watched_s, swept_s) VALUES "
        "(?, ?, '', 0, 0, 0) ON CONFLICT (device) DO UPDATE SET seen_s = excluded.seen_s",
        {name, seen_s});
  }
  std::string old_version(const std::string& id, const std::string& name) {
    const auto rows = readers_->query(
        "SELECT old_version FROM rollout_device WHERE rollout = ? AND device = ?", {id, name});
    return rows.ok() && !rows->empty() ? (*rows)[0][0].text() : "none";
  }
  void abort(const std::string& id) {
    const Response done =
        send("POST", "/v1/rollouts/" + id + "/abort", R"({"reason":"it is bad"})", admin_);
    ASSERT_EQ(done.status, 200) << done.body;
  }
  // Of a rollout that has told one device.
  std::string canary() {
    const auto all = wanted();
    const auto found = std::ranges::find(all, std::string("1.1.0"),
                                         [](const auto& one) { return one.second.substr(0, 5); });
    return found == all.end() ? "" : found->first;
  }
  // So that who does not report is gone.
  void let_time_pass() { looks(static_cast<int>(kThereS / kTestLookS) + 2); }
};

constexpr const char* kAll = R"("stages":[{"percent":100,"least_minutes":10000}])";

TEST_F(Members, WhoJoinsEmptyGetsTheOldReleaseFirst) {
  make_fleet(6);
  const std::string id = begin("1.1.0", "", kAll);
  ASSERT_EQ(wanted_to_run("1.1.0"), 6);
  add_device("cam-new", "");
  EXPECT_EQ(wanted().at("cam-new"), "1.0.0");
  EXPECT_EQ(old_version(id, "cam-new"), "1.0.0");
  look();
  EXPECT_EQ(device("cam-new").runs, "1.0.0");
  // Now it is a device like the others.
  looks(2);
  EXPECT_EQ(device("cam-new").runs, "1.1.0");
  abort(id);
  look();
  EXPECT_EQ(running("1.0.0"), 7);
}

TEST_F(Members, WhoIsEmptyFromTheBeginningGetsWhatMostHave) {
  make_fleet(4);
  for (const char* name : {"cam-a", "cam-b"}) add_device(name, "");
  const std::string id = begin("1.1.0");
  EXPECT_EQ(wanted_to_run("1.0.0"), 2);
  EXPECT_EQ(wanted().at("cam-a"), "1.0.0");
  EXPECT_NE(canary(), "cam-a");
}

TEST_F(Members, OfAFirstReleaseNobodyGetsWhatOneDeviceHas) {
  make_fleet(5, "");
  add_device("cam-old", "0.9.0");
  const std::string id = begin("1.1.0");
  EXPECT_EQ(wanted_to_run("0.9.0"), 0);
  add_device("cam-new", "");
  EXPECT_EQ(wanted_to_run("0.9.0"), 0);
  EXPECT_EQ(old_version(id, "cam-old"), "0.9.0");
}

TEST_F(Members, WhoWasAwaySinceAnAbortGoesBackFirst) {
  make_fleet(4);
  const std::string first = begin("1.1.0");
  look();
  const std::string bad = canary();
  ASSERT_EQ(device(bad).committed, "1.1.0");
  device(bad).is_away = true;
  abort(first);
  const std::string second = begin("1.2.0", "", kAll);
  EXPECT_EQ(old_version(second, bad), "1.0.0");
  // It still runs what was taken back: that is no release to go on from, or to compare with.
  EXPECT_EQ(wanted_to_run("1.2.0"), 3);
  EXPECT_EQ(wanted().at(bad), "1.0.0");
  report(bad, window(device(bad)));
  EXPECT_TRUE(readers_->query("SELECT 1 FROM rollout_counts")->empty());
  EXPECT_EQ(old_version(second, bad), "1.0.0");
  device(bad).is_away = false;
  looks(2);
  EXPECT_EQ(device(bad).runs, "1.2.0");
  abort(second);
  look();
  EXPECT_EQ(running("1.0.0"), 4);
}

TEST_F(Members, WhatHasTheNewReleaseByItselfIsTakenBackToo) {
  make_fleet(4);
  add_device("cam-new", "1.1.0");
  const std::string id = begin("1.1.0");
  EXPECT_EQ(wanted().at("cam-new"), "1.1.0");
  EXPECT_EQ(count(id, "wanted"), 2);
  abort(id);
  look();
  EXPECT_EQ(running("1.0.0"), 5);
}

TEST_F(Members, AfterAFirstReleaseThatFailedTheNextIsAFirstOneAgain) {
  make_fleet(3, "");
  const std::string first = begin("1.0.0", "", kAll);
  look();
  ASSERT_EQ(running("1.0.0"), 3);
  abort(first);
  const std::string second = begin("1.0.1", "", kAll);
  EXPECT_EQ(old_version(second, "cam-0"), "");
  EXPECT_EQ(wanted_to_run("1.0.1"), 3);
  EXPECT_NE(gate(second).find("a first release"), std::string::npos) << gate(second);
}

// --- Who stands in for whom ----------------------------------------------------------------------

TEST_F(Members, AnotherTakesThePlaceOfWhoNeverHeard) {
  make_fleet(4);
  const std::string id = begin("1.1.0");
  const std::string gone = canary();
  device(gone).is_away = true;
  let_time_pass();
  EXPECT_EQ(wanted().at(gone), "1.0.0");
  EXPECT_EQ(wanted_to_run("1.1.0"), 1);
  EXPECT_EQ(running("1.1.0"), 1);
  const std::vector<std::string> said = history(id);
  EXPECT_EQ(std::ranges::count(said, gone + ": it is not there, another takes its place"), 1);
  // Back again, it runs what it had.
  device(gone).is_away = false;
  look();
  EXPECT_EQ(device(gone).runs, "1.0.0");
}

TEST_F(Members, NobodyTakesThePlaceOfWhoHeardAndIsGone) {
  make_fleet(4);
  const std::string id = begin("1.1.0");
  const std::string gone = canary();
  device(gone).is_away = true;
  wall_.set_s(wall_.now_s() + 60);
  report(gone, window(device(gone)));  // by now it has heard
  let_time_pass();
  EXPECT_EQ(history(id).size(), 1u) << history(id).back();
  EXPECT_EQ(wanted().at(gone), "1.1.0");
  EXPECT_EQ(wanted_to_run("1.1.0"), 1);
  EXPECT_NE(gate(id).find("1 of 1 devices were told of it and are not there, such as " + gone),
            std::string::npos)
      << gate(id);
}

// Long before a stage gives up on it.
TEST_F(Members, WhoIsToRunItAndIsSilentIsNamed) {
  make_fleet(4);
  const std::string id = begin("1.1.0");
  const std::string silent = canary();
  EXPECT_TRUE(rollout(id).find("silent")->array()->empty());
  const auto devices = [&] {
    std::string all;
    const trust::Json list = json(send("GET", "/v1/rollouts/" + id + "/devices", "", admin_));
    for (const trust::Json& one : *list.find("devices")->array())
      if (*one.find("silent")->boolean()) all += *one.find("device")->string() + ";";
    return all;
  };
  const auto is_silent = [&] {
    return *json(send("GET", "/v1/devices/" + silent, "", admin_)).find("silent")->boolean();
  };
  const std::int64_t seen_s = wall_.now_s();
  for (const Device& one : devices_) checked_in(one.name, seen_s + (one.name == silent ? 0 : 1));
  wall_.set_s(seen_s + 3 * kTestLookS);
  const trust::Json shown = rollout(id);
  ASSERT_EQ(shown.find("silent")->array()->size(), 1u);
  const trust::Json& one = shown.find("silent")->array()->front();
  EXPECT_EQ(*one.find("device")->string(), silent);
  EXPECT_EQ(*one.find("seen")->string(), trust::tuf::time_text(seen_s));
  EXPECT_EQ(devices(), silent + ";");
  EXPECT_TRUE(is_silent());
  // A rollout that is paused waits for people alone.
  ASSERT_EQ(send("POST", "/v1/rollouts/" + id + "/pause", R"({"reason":"x"})", admin_).status, 200);
  EXPECT_TRUE(rollout(id).find("silent")->array()->empty());
  checked_in(silent, wall_.now_s());
  EXPECT_TRUE(rollout(id).find("silent")->array()->empty());
  EXPECT_EQ(devices(), "");
  EXPECT_FALSE(is_silent());
}

TEST_F(Members, AnotherTakesThePlaceOfWhoIsRevoked) {
  make_fleet(4);
  begin("1.1.0");
  const std::string gone = canary();
  device(gone).is_away = true;
  EXPECT_EQ(send("POST", "/v1/devices/" + gone + "/revoke", "", admin_).status, 204);
  look();
  EXPECT_EQ(wanted().at(gone), "1.0.0");
  EXPECT_EQ(wanted_to_run("1.1.0"), 1);
}

TEST_F(Members, AnotherTakesThePlaceOfWhoHasTheModelNoMore) {
  make_fleet(4);
  begin("1.1.0");
  const std::string without = canary();
  device(without).is_away = true;
  for (const Device& one : devices_) {
    write(
        "INSERT INTO device_link (device, seen_s, program, repository, watched_s, swept_s) VALUES "
        "(?, ?, '1', 0, 0, 0)",
        {one.name, wall_.now_s() + 1});
    write(
        "INSERT INTO device_unit (device, unit, model, version, manifest, health, frames, crashes, "
        "reported_s, boot, sequence) VALUES (?, ?, '', '', '', 'well', 0, 0, 0, 0, 0)",
        {one.name, one.name == without ? "voice" : "people"});
  }
  look();
  EXPECT_EQ(wanted().at(without), "1.0.0");
  EXPECT_EQ(wanted_to_run("1.1.0"), 1);
  looks(3);
  EXPECT_EQ(wanted_to_run("1.1.0"), 1);
}

TEST_F(Members, WhoRefusesIsToRunItsOldReleaseAgain) {
  make_fleet(6);
  measures_ = "[]";
  const std::string id =
      begin("1.1.0", "",
            R"("stages":[{"devices":3,"least_minutes":1},{"percent":100,"least_minutes":1}])");
  ASSERT_EQ(wanted_to_run("1.1.0"), 3);
  // Two refuse before anybody has taken it: others take their places.
  for (int i = 0; i < 2; ++i) {
    const std::string refuser = canary();
    device(refuser).gave_up.emplace_back("1.1.0");
    alarm(refuser, proto::AlarmKind::kReleaseRefused, "1.1.0", {}, "below the floor 2.0.0");
    EXPECT_EQ(wanted().at(refuser), "1.0.0");
    EXPECT_EQ(history(id).back(), refuser + ": it refuses the release, another takes its place");
    wall_.set_s(wall_.now_s() + kTestLookS);
    turn();
    EXPECT_EQ(wanted_to_run("1.1.0"), 3);
  }
  looks(2);
  EXPECT_EQ(running("1.1.0"), 3);
  for (int i = 0; i < 60 && stage(id) == 0; ++i) look();
  EXPECT_EQ(stage(id), 1) << gate(id);
}

// What it will never take holds up no share either.
TEST_F(Members, WhoRefusesOrIsRevokedIsNotWaitedFor) {
  make_fleet(12);
  measures_ = "[]";
  const std::string id =
      begin("1.1.0", "", R"("stages":[{"percent":99,"least_minutes":1},{"percent":100}])");
  int refusers = 0;
  for (Device& one : devices_) {
    if (one.runs == "1.1.0" || wanted()[one.name] != "1.1.0" || refusers == 8) continue;
    one.gave_up.emplace_back("1.1.0");
    if (++refusers % 2 == 0) {
      one.is_away = true;
      EXPECT_EQ(send("POST", "/v1/devices/" + one.name + "/revoke", "", admin_).status, 204);
    } else {
      alarm(one.name, proto::AlarmKind::kReleaseRefused, "1.1.0", {}, "below the floor 2.0.0");
    }
  }
  ASSERT_EQ(refusers, 8);
  for (int i = 0; i < 60 && stage(id) == 0; ++i) look();
  EXPECT_EQ(stage(id), 1) << gate(id);
}

TEST_F(Members, AnotherTakesThePlaceOfWhoDoesNotTakeItForDays) {
  make_fleet(4);
  const std::string id = begin("1.1.0");
  const std::string stuck = canary();
  device(stuck).gave_up.emplace_back("1.1.0");  // its disk is full: it says nothing
  looks(20);
  EXPECT_EQ(wanted().at(stuck), "1.1.0");
  EXPECT_EQ(wanted_to_run("1.1.0"), 1);
  wall_.set_s(wall_.now_s() + 3 * 86'400);
  looks(2);
  EXPECT_EQ(wanted().at(stuck), "1.0.0");
  EXPECT_EQ(wanted_to_run("1.1.0"), 1);
  EXPECT_EQ(count(id, "failed"), 1);
  looks(5);
  EXPECT_EQ(running("1.1.0"), 1);
}

// --- Whose counts are compared -------------------------------------------------------------------

TEST_F(Members, ANumberIsItsDevicesForGood) {
  make_fleet(4);
  for (const Device& one : devices_)
    send("PUT", "/v1/devices/" + one.name + "/tags", R"({"site":"ams"})", admin_);
  history_looks_ = 6;
  const std::string id = begin("1.1.0", R"(,"query":"site=ams")");
  const auto number = [&](const std::string& name) {
    const auto rows = readers_->query(
        "SELECT number FROM rollout_device WHERE rollout = ? AND device = ?", {id, name});
    return rows->empty() ? -1 : (*rows)[0][0].integer();
  };
  std::string last;
  for (const Device& one : devices_)
    if (number(one.name) == 3) last = one.name;
  ASSERT_NE(last, "");
  send("PUT", "/v1/devices/" + last + "/tags", "{}", admin_);
  add_device("cam-new");
  send("PUT", "/v1/devices/cam-new/tags", R"({"site":"ams"})", admin_);
  EXPECT_EQ(number("cam-new"), 4);
  send("PUT", "/v1/devices/" + last + "/tags", R"({"site":"ams"})", admin_);
  EXPECT_EQ(number(last), 5);
}

TEST_F(Members, OfEachStageSomeAreCompared) {
  make_fleet(700);
  const std::string id = begin("1.1.0", "",
                               R"("stages":[{"devices":1},{"percent":20},{"percent":50},)"
                               R"({"percent":100}])");
  const auto compared = [&](double from, double until) {
    const auto rows = readers_->query(
        "SELECT COUNT(*) FROM rollout_device WHERE rollout = ? AND number IS NOT NULL AND place >= "
        "? AND place < ?",
        {id, from, until});
    return (*rows)[0][0].integer();
  };
  EXPECT_EQ(compared(0, 0.2), 100);
  EXPECT_EQ(compared(0.2, 0.5), 100);
  EXPECT_EQ(compared(0.5, 1), 200);
}

// Half of the fleet cannot fetch it: what the others of an earlier stage have proven is not enough.
TEST_F(Members, AStageIsHeldByThoseThatItAdds) {
  make_fleet(500);
  measures_ = "[]";
  const std::string id = begin("1.1.0", "",
                               R"("stages":[{"percent":20,"least_minutes":0},)"
                               R"({"percent":60,"least_minutes":0},{"percent":100}])");
  for (Device& one : devices_)
    if (place_of(id, one.name) >= 0.2) one.gave_up.emplace_back("1.1.0");
  looks(4);
  EXPECT_EQ(stage(id), 1);
  EXPECT_NE(gate(id).find("0 of 100 devices run it by now"), std::string::npos) << gate(id);
}

TEST_F(Members, WhoCountsNothingIsNotChosen) {
  make_fleet(3);
  history_looks_ = 6;
  const std::string id = begin("1.1.0");
  std::string first;
  for (const Device& one : devices_)
    if (first.empty() || place_of(id, one.name) < place_of(id, first)) first = one.name;
  // It is there, and what it reports is of another time: its clock is wrong.
  device(first).is_away = true;
  for (int i = 0; i < 7; ++i) {
    report(first, window(device(first)), 2 * 3600);
    started(device(first));
    look();
  }
  ASSERT_EQ(wanted_to_run("1.1.0"), 1) << gate(id);
  EXPECT_NE(canary(), first);
}

// --- A way back ----------------------------------------------------------------------------------

TEST_F(Members, WhoCouldNotGoBackKeepsARolloutFromBeginning) {
  make_fleet(3);
  add_device("cam-odd", "0.5.0");
  const Response refused = order("1.1.0");
  EXPECT_EQ(refused.status, 409) << refused.body;
  EXPECT_NE(text(refused, "detail").find("1 of its devices go back to people 0.5.0"),
            std::string::npos)
      << refused.body;
  EXPECT_EQ(send("GET", "/v1/rollouts/r1", "", admin_).status, 404);
  // Whoever wants that all the same says so.
  const std::string id = begin("1.1.0", R"(,"one_way":true)", kAll);
  EXPECT_EQ(wanted_to_run("1.1.0"), 4);
  abort(id);
  publish_release("0.5.0");
  begin("1.1.0");
}

TEST_F(Members, WhoJoinsAndCouldNotGoBackIsNotTold) {
  make_fleet(3);
  const std::string id = begin("1.1.0", "", kAll);
  ASSERT_EQ(wanted_to_run("1.1.0"), 3);
  add_device("cam-odd", "0.5.0");
  looks(2);
  EXPECT_FALSE(wanted().contains("cam-odd"));
  EXPECT_NE(gate(id).find("people 0.5.0 is not published here: devices that go back to it are not "
                          "told"),
            std::string::npos)
      << gate(id);
  publish_release("0.5.0");
  look();
  EXPECT_EQ(wanted().at("cam-odd"), "1.1.0");
}

TEST_F(Members, WhatDevicesGoBackToIsNotWithdrawn) {
  make_fleet(3);
  const std::string id = begin("1.1.0");
  const auto withdraw = [&](const std::string& version) {
    return writer_->write([&](Database& database) {
      return may_withdraw(database, "people/" + version + "/manifest.json");
    });
  };
  EXPECT_TRUE(withdraw("0.9.0").ok());
  const Status refused = withdraw("1.0.0");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Code::kIncompatible);
  EXPECT_NE(refused.error().message.find("rollout " + id), std::string::npos)
      << refused.error().message;
  abort(id);
  // Who went back is to run it, but for those that are revoked.
  const Status running = withdraw("1.0.0");
  ASSERT_FALSE(running.ok());
  EXPECT_EQ(running.error().code, Code::kIncompatible);
  EXPECT_NE(running.error().message.find("a device is to run it (cam-"), std::string::npos)
      << running.error().message;
  ASSERT_TRUE(writer_
                  ->write([](Database& database) {
                    return database.run("UPDATE device SET revoked_s = 1");
                  })
                  .ok());
  EXPECT_TRUE(withdraw("1.0.0").ok());
}

// --- What is refused -----------------------------------------------------------------------------

TEST_F(Members, ShadowsAreNoMoreThanTheFirstThatAct) {
  make_fleet(20);
  const auto refused = [&](const std::string& stages) {
    const Response made = order("1.1.0", "", R"("stages":[)" + stages + R"(,{"percent":100}])");
    return made.status == 400 ? text(made, "detail") : std::to_string(made.status);
  };
  const std::string said = refused(R"({"devices":2,"shadow":true},{"devices":1})");
  EXPECT_NE(said.find("stage 1 (shadow on 2 devices)"), std::string::npos) << said;
  EXPECT_NE(said.find("shadow_s"), std::string::npos) << said;
  EXPECT_NE(said.find("than the 1 device of the stage after it"), std::string::npos) << said;
  // 10% of 20 devices.
  EXPECT_NE(refused(R"({"devices":3,"shadow":true},{"percent":10})").find("shadow_s"),
            std::string::npos);
  EXPECT_EQ(refused(R"({"devices":2,"shadow":true},{"percent":10})"), "201");
}

TEST_F(Members, ALookIsAsLongAsDevicesTakeToReport) {
  const Response made =
      send("POST", "/v1/rollouts", R"({"model":"people","version":"1.0.0"})", admin_);
  ASSERT_EQ(made.status, 201) << made.body;
  EXPECT_EQ(*json(made).find("look_s")->integer(), proto::kReportEveryS);
}

class NoAssignments : public HubTest {};

TEST_F(NoAssignments, ARolloutThatWouldReachNobodyIsRefused) {
  const Response made =
      send("POST", "/v1/rollouts", R"({"model":"people","version":"1.1.0"})", admin_);
  EXPECT_EQ(made.status, 409) << made.body;
  EXPECT_NE(text(made, "detail").find("polder repo delegate REPO assignments"), std::string::npos)
      << made.body;
  EXPECT_EQ(send("GET", "/v1/rollouts/r1", "", admin_).status, 404);
}

}  // namespace
}  // namespace polder::hub
