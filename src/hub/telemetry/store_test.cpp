// What devices tell the hub, and what it shows of that; on PostgreSQL too (tests/hub).
#include "hub/telemetry/store.h"

#include <utility>

#include "hub/api/testing_hub.h"
#include "proto/report.h"

namespace polder::hub {
namespace {

class Telemetry : public HubTest {
 protected:
  void SetUp() override {
    HubTest::SetUp();
    certificate_ = enrolled(key_, "cam-1");
  }

  static proto::ReportRelease release(const std::string& version) {
    proto::ReportRelease release{.model = "people", .version = version};
    release.manifest[0] = static_cast<std::uint8_t>(version[2]);
    return release;
  }
  proto::Report report(decltype(proto::Report::what) what) {
    return {.device = "cam-1",
            .program = "0.1.0",
            .boot = boot_,
            .sequence = ++sequence_,
            .time_s = wall_.now_s(),
            .drops = {},
            .epoch = ~std::uint64_t{0},
            .what = std::move(what)};
  }
  proto::Report metrics(const std::string& version, std::uint64_t frames) {
    proto::ReportUnit unit{.name = "people",
                           .release = release(version),
                           .health = proto::ReportHealth::kWell,
                           .crashes = 1,
                           .frames = frames,
                           .classes = {{"person", 7}}};
    unit.errors[2] = 3;
    proto::ReportStage stage{"detect", frames, {}};
    stage.latency_ms.add(10, 99);
    stage.latency_ms.add(100, 1);
    unit.stages.push_back(std::move(stage));
    proto::ReportSignal signal;
    signal.name = "camera.brightness";
    signal.values.add(0.25);
    signal.values.add(0.75);
    signal.psi = 0.125;
    unit.signals.push_back(std::move(signal));
    return report(proto::ReportMetrics{.window_ms = 300'000, .units = {std::move(unit)}});
  }
  proto::Report started(const std::string& unit, const std::string& version) {
    return report(
        proto::ReportLifecycle{proto::LifecycleKind::kStarted, unit,
                               version.empty() ? std::nullopt : std::optional(release(version))});
  }
  proto::Report alarm(const std::string& text) {
    return report(proto::ReportAlarm{.what = proto::AlarmKind::kCrashLoop,
                                     .unit = "people",
                                     .release = release("1.2.0"),
                                     .code = {},
                                     .text = text,
                                     .signal = ""});
  }

  Response send_bytes(const std::string& body, const std::string& certificate) const {
    return router_->answer({.id = "r1",
                            .method = "POST",
                            .target = "/v1/checkin",
                            .authorization = "",
                            .content_type = proto::kCheckinType,
                            .if_none_match = "",
                            .body = body,
                            .certificate = certificate});
  }
  Response check_in(std::vector<proto::Report> reports, std::uint64_t timestamp = 0) const {
    const auto body = proto::encode(proto::Checkin{"0.1.0", timestamp, std::move(reports)});
    EXPECT_TRUE(body.ok()) << body.error().message;
    return send_bytes(body.ok() ? *body : "", certificate_);
  }
  // By a clock that is off by so much.
  void take_by(std::int64_t off_s, proto::Report report) const {
    report.time_s += off_s;
    const auto body =
        proto::encode(proto::Checkin{"0.1.0", 0, {std::move(report)}, wall_.now_s() + off_s});
    ASSERT_TRUE(body.ok()) << body.error().message;
    const Response response = send_bytes(*body, certificate_);
    EXPECT_EQ(response.status, 200) << response.body;
  }
  void take(std::vector<proto::Report> reports) const {
    const Response response = check_in(std::move(reports));
    EXPECT_EQ(response.status, 200) << response.body;
  }
  trust::Json shown(const std::string& target) const {
    const Response response = send("GET", target, "", admin_);
    EXPECT_EQ(response.status, 200) << response.body;
    return json(response);
  }
  trust::Json::Array windows(const std::string& query = "") const {
    const trust::Json document = shown("/v1/devices/cam-1/metrics" + query);
    const trust::Json* list = document.find("windows");
    return list && list->array() ? *list->array() : trust::Json::Array();
  }
  // The unit of cam-1, as text: "1.2.0 well 100".
  std::string unit_text() const {
    const trust::Json device = shown("/v1/devices/cam-1");
    std::string text;
    for (const trust::Json& unit : *device.find("units")->array()) {
      const trust::Json* version = unit.find("version");
      text += (text.empty() ? "" : ", ") + *unit.find("name")->string() + " " +
              (version->is_null() ? "none" : *version->string()) + " " +
              *unit.find("health")->string() + " " +
              std::to_string(*unit.find("frames")->integer());
    }
    return text;
  }
  std::int64_t count(const std::string& table) const {
    const auto rows = readers_->query("SELECT COUNT(*) FROM " + table);
    EXPECT_TRUE(rows.ok());
    return rows.ok() ? (*rows)[0][0].integer() : -1;
  }

  trust::TestSigner key_{trust::Scheme::kEcdsaP256};
  std::string certificate_;
  std::uint64_t boot_ = 3, sequence_ = 0;
};

TEST_F(Telemetry, ACheckinIsSeenAndSaysWhenToComeAgain) {
  EXPECT_TRUE(shown("/v1/devices/cam-1").find("seen")->is_null());
  const Response response = check_in({});
  EXPECT_EQ(response.status, 200) << response.body;
  EXPECT_EQ(*json(response).find("next_s")->integer(), kPollS);
  wall_.set_s(kNowS + 10);
  check_in({});
  const trust::Json device = shown("/v1/devices/cam-1");
  EXPECT_EQ(*device.find("seen")->string(), "2030-03-17T17:46:50Z");
  EXPECT_EQ(*device.find("program")->string(), "0.1.0");
  // Somebody looked at it just now.
  EXPECT_EQ(*json(check_in({})).find("next_s")->integer(), 5);
  wall_.set_s(kNowS + 90);
  EXPECT_EQ(*json(check_in({})).find("next_s")->integer(), kPollS);
}

TEST_F(Telemetry, AReportCountsOnce) {
  const proto::Report one = metrics("1.2.0", 100), two = metrics("1.2.0", 50), three = alarm("x");
  take({one, two, three});
  take({three, two, one, one});
  EXPECT_EQ(unit_text(), "people 1.2.0 well 150");
  EXPECT_EQ(windows().size(), 2u);
  EXPECT_EQ(shown("/v1/devices/cam-1").find("alarms")->array()->size(), 1u);
  // Another start of a device that has lost its state counts as before, by another chance.
  proto::Report again = one;
  again.epoch = 1;
  again.time_s += 1;
  wall_.set_s(kNowS + 1);
  take({again});
  EXPECT_EQ(windows().size(), 3u);
}

// Alarms come first, and may be of later than metrics beside them; a release that has another's
// place is counted, and is not what runs.
TEST_F(Telemetry, WhatRunsIsToldByWhatWasWrittenLast) {
  const proto::Report before = metrics("1.2.0", 10);
  proto::Report loop = alarm("x");
  take({loop, before});
  const auto rows = readers_->query(
      "SELECT is_well FROM device_model WHERE device = 'cam-1' AND model = 'people'");
  ASSERT_EQ(rows->size(), 1u);
  EXPECT_EQ((*rows)[0][0].integer(), 0);
  take({metrics("1.2.0", 10)});
  proto::Report retired = metrics("1.3.0", 5);
  std::get<proto::ReportMetrics>(retired.what).units[0].health = proto::ReportHealth::kIdle;
  take({retired});
  EXPECT_EQ(unit_text(), "people 1.2.0 well 20");
  EXPECT_EQ(windows().size(), 3u);
}

// The hub knows by a check-in what the device's clock is off by.
TEST_F(Telemetry, AClockThatIsWrongMovesNothing) {
  take_by(2 * 3600, metrics("1.2.0", 100));
  wall_.set_s(kNowS + 300);
  take_by(-40 * 365 * 86'400, metrics("1.2.0", 100));
  const auto rows = readers_->query("SELECT time_s FROM metric_window ORDER BY time_s");
  ASSERT_EQ(rows->size(), 2u);
  EXPECT_EQ((*rows)[0][0].integer(), kNowS);
  EXPECT_EQ((*rows)[1][0].integer(), kNowS + 300);
}

TEST_F(Telemetry, AWindowHasWhatWasMeasured) {
  take({metrics("1.2.0", 100)});
  const auto all = windows();
  ASSERT_EQ(all.size(), 1u);
  const auto number = [](const trust::Json& json, std::string_view name) {
    const trust::Json* found = json.find(name);
    return found->number() ? *found->number() : static_cast<double>(*found->integer());
  };
  EXPECT_EQ(number(all[0], "frames"), 100);
  EXPECT_EQ(number(all[0], "errors"), 3);
  EXPECT_EQ(number(all[0], "window_ms"), 300'000);
  EXPECT_EQ(*all[0].find("version")->string(), "1.2.0");
  const trust::Json& stage = (*all[0].find("stages")->array())[0];
  EXPECT_EQ(*stage.find("name")->string(), "detect");
  EXPECT_NEAR(number(stage, "p50_ms"), 10, 0.3);
  EXPECT_NEAR(number(stage, "p99_ms"), 10, 0.3);
  const trust::Json& signal = (*all[0].find("signals")->array())[0];
  EXPECT_EQ(number(signal, "psi"), 0.125);
  EXPECT_NEAR(number(signal, "mean"), 0.5, 1e-9);
  EXPECT_EQ(number((*all[0].find("classes")->array())[0], "count"), 7);
  // By unit and by time.
  EXPECT_EQ(windows("?unit=people").size(), 1u);
  EXPECT_EQ(windows("?unit=voice").size(), 0u);
  EXPECT_EQ(windows("?from=2030-03-17T17:46:40Z").size(), 0u);
  EXPECT_EQ(windows("?from=2030-03-17T17:46:39Z&to=2030-03-17T17:46:40Z").size(), 1u);
  EXPECT_EQ(send("GET", "/v1/devices/cam-1/metrics?from=yesterday", "", admin_).status, 400);
  EXPECT_EQ(send("GET", "/v1/devices/cam-2/metrics", "", admin_).status, 404);
}

TEST_F(Telemetry, WindowsComeInPagesTheNewestFirst) {
  for (std::uint64_t frames = 1; frames <= 5; ++frames) {
    if (frames % 2 == 0) wall_.set_s(wall_.now_s() + 300);
    take({metrics("1.2.0", frames)});
  }
  std::string target = "/v1/devices/cam-1/metrics?limit=2&unit=people";
  std::vector<std::string> pages;
  while (!target.empty()) {
    const trust::Json page = shown(target);
    std::string& text = pages.emplace_back();
    for (const trust::Json& window : *page.find("windows")->array())
      text += std::to_string(*window.find("frames")->integer());
    target = page.find("next") ? *page.find("next")->string() : "";
  }
  EXPECT_EQ(pages, (std::vector<std::string>{"45", "23", "1"}));
  for (const char* before : {"1", "1.2.3.4", "1.2.3.4.5.6", "x"}) {
    const Response refused =
        send("GET", std::string("/v1/devices/cam-1/metrics?before=") + before, "", admin_);
    EXPECT_EQ(refused.status, 404) << before;
  }
}

TEST_F(Telemetry, TheLatestOfAUnitIsShown) {
  take({started("people", ""), started("voice", "2.0.0")});
  EXPECT_EQ(unit_text(), "people none idle 0, voice 2.0.0 starting 0");
  const proto::Report late = metrics("1.2.0", 5);
  take({metrics("1.2.0", 100)});
  EXPECT_EQ(unit_text(), "people 1.2.0 well 100, voice 2.0.0 starting 0");
  // What comes late counts, and is not the latest.
  take({late});
  EXPECT_EQ(unit_text(), "people 1.2.0 well 105, voice 2.0.0 starting 0");
  // Another release begins at 0; of the one before nothing is added to it.
  const proto::Report before = metrics("1.2.0", 7);
  take({metrics("1.3.0", 10)});
  take({before});
  EXPECT_EQ(unit_text(), "people 1.3.0 well 10, voice 2.0.0 starting 0");
  // After another start that says nothing of it a unit is there no more.
  ++boot_;
  sequence_ = 0;
  take({started("people", "1.3.0")});
  EXPECT_EQ(unit_text(), "people 1.3.0 starting 10");
}

TEST_F(Telemetry, TheFleetIsCounted) {
  trust::TestSigner other(trust::Scheme::kEcdsaP256);
  enrolled(other, "cam-2");
  take({metrics("1.2.0", 1), alarm("crash loop")});
  const trust::Json fleet = shown("/v1/fleet");
  EXPECT_EQ(*fleet.find("devices")->integer(), 2);
  EXPECT_EQ(*fleet.find("seen_lately")->integer(), 1);
  ASSERT_EQ(fleet.find("by_version")->array()->size(), 1u);
  EXPECT_EQ(*(*fleet.find("by_version")->array())[0].find("devices")->integer(), 1);
  EXPECT_EQ(*fleet.find("by_health")->find("well")->integer(), 1);
  EXPECT_EQ(*fleet.find("by_health")->find("failed")->integer(), 0);
  const trust::Json& alarm = (*fleet.find("alarms")->array())[0];
  EXPECT_EQ(*alarm.find("device")->string(), "cam-1");
  EXPECT_EQ(*alarm.find("what")->string(), "crash_loop");
  EXPECT_EQ(*alarm.find("text")->string(), "crash loop");
  wall_.set_s(kNowS + kSeenLatelyPolls * kPollS);
  EXPECT_EQ(*shown("/v1/fleet").find("seen_lately")->integer(), 0);
}

TEST_F(Telemetry, AnAlarmWithoutWordsIsKnownByItsCode) {
  proto::Report loop = alarm("");
  std::get<proto::ReportAlarm>(loop.what).code = Code::kUnavailable;
  take({std::move(loop)});
  const trust::Json fleet = shown("/v1/fleet");
  const trust::Json& shown = (*fleet.find("alarms")->array())[0];
  EXPECT_EQ(*shown.find("text")->string(), "unavailable: 'polderd status' there says more");
}

TEST_F(Telemetry, ARevokedDeviceIsCountedAsSuchAlone) {
  take({metrics("1.2.0", 1)});
  EXPECT_EQ(send("POST", "/v1/devices/cam-1/revoke", "", admin_).status, 204);
  const trust::Json fleet = shown("/v1/fleet");
  EXPECT_EQ(*fleet.find("devices")->integer(), 0);
  EXPECT_EQ(*fleet.find("revoked")->integer(), 1);
  EXPECT_EQ(*fleet.find("seen_lately")->integer(), 0);
  EXPECT_TRUE(fleet.find("by_version")->array()->empty());
  EXPECT_EQ(*fleet.find("by_health")->find("well")->integer(), 0);
}

TEST_F(Telemetry, WhatIsWrongIsRefusedAsAWhole) {
  proto::Report foreign = alarm("x");
  foreign.device = "cam-2";
  EXPECT_EQ(check_in({alarm("y"), foreign}).status, 400);
  EXPECT_EQ(send_bytes("", certificate_).status, 400);
  EXPECT_EQ(send_bytes("{}", certificate_).status, 400);
  const auto report = proto::encode(alarm("z"));
  EXPECT_EQ(send_bytes(*report, certificate_).status, 400);
  EXPECT_EQ(count("alarm"), 0);
  EXPECT_EQ(count("report_taken"), 0);
  EXPECT_EQ(send("POST", "/v1/checkin", "{}", "", certificate_).status, 415);
  EXPECT_EQ(send("POST", "/v1/devices/cam-1/revoke", "", admin_).status, 204);
  EXPECT_EQ(check_in({}).status, 401);
}

TEST_F(Telemetry, DevicesAloneMaySendALargeBody) {
  Request head{.id = "r1", .method = "POST", .target = "/v1/checkin"};
  head.content_type = proto::kCheckinType;
  EXPECT_TRUE(router_->may_send(head).refusal);
  head.certificate = certificate_;
  const BodyRule rule = router_->may_send(head);
  EXPECT_FALSE(rule.refusal);
  EXPECT_EQ(rule.max_bytes, proto::kMaxCheckinBytes);
}

TEST_F(Telemetry, ClocksThatAreWrongHideNothing) {
  proto::Report ahead = metrics("1.2.0", 1), behind = metrics("1.2.0", 2);
  ahead.time_s += 1'000'000;
  behind.time_s = 1'000;
  take({ahead, behind});
  // One is of now, the other too old to be kept, and of the unit the last word.
  EXPECT_EQ(windows().size(), 1u);
  EXPECT_EQ(unit_text(), "people 1.2.0 well 3");
}

TEST_F(Telemetry, WhatIsTooOldGoes) {
  take({metrics("1.2.0", 1), alarm("x")});
  EXPECT_EQ(count("report_taken"), 2);
  wall_.set_s(kNowS + kKeptS - 1);
  take({});
  EXPECT_EQ(count("metric_window"), 1);
  // An hour has not gone by.
  wall_.set_s(kNowS + kKeptS);
  take({});
  EXPECT_EQ(count("metric_window"), 1);
  wall_.set_s(kNowS + kKeptS + 3'600);
  take({metrics("1.2.0", 1)});
  EXPECT_EQ(count("metric_window"), 1);
  EXPECT_EQ(count("alarm"), 0);
  EXPECT_EQ(count("report_taken"), 1);
  EXPECT_EQ(unit_text(), "people 1.2.0 well 2");
}

TEST_F(Telemetry, WhatIsTooMuchGoes) {
  take({});
  Status done = write(*hub_, [&](Database& database) -> Status {
    for (std::int64_t i = 0; i < kMaxAlarms + 5; ++i) {
      Status added = database.run(
          "INSERT INTO alarm (device, time_s, boot, epoch, sequence, what, unit, model, version, "
          "text) VALUES ('cam-1', ?, 1, 1, ?, 'drift', '', '', '', '')",
          {kNowS - i, i});
      if (!added.ok()) return added;
    }
    return {};
  });
  ASSERT_TRUE(done.ok()) << done.error().message;
  wall_.set_s(kNowS + 3'600);
  take({});
  EXPECT_EQ(count("alarm"), kMaxAlarms);
}

// Whatever a device sends within the hour.
TEST_F(Telemetry, NoDeviceHasMuchMoreThanItsCaps) {
  take({});
  Status done = write(*hub_, [&](Database& database) -> Status {
    for (std::int64_t i = 1; i <= kMaxWindows + 5; ++i) {
      Status added = database.run(
          "INSERT INTO metric_window (device, time_s, boot, epoch, sequence, item, unit, model, "
          "version, window_ms, frames, errors, crashes, details) VALUES ('cam-1', ?, 1, 1, ?, 0, "
          "'people', '', '', 1, 0, 0, 0, '{}')",
          {kNowS - i, i});
      if (!added.ok()) return added;
    }
    for (std::int64_t i = 1; i <= kMaxTaken + 5; ++i) {
      Status added = database.run(
          "INSERT INTO report_taken (device, boot, epoch, sequence, taken_s) VALUES ('cam-1', 1, "
          "1, ?, ?)",
          {i, kNowS - i});
      if (!added.ok()) return added;
    }
    return {};
  });
  ASSERT_TRUE(done.ok()) << done.error().message;
  const proto::Report first = metrics("1.2.0", 1);
  take({first});
  EXPECT_GT(count("metric_window"), kMaxWindows);
  std::int64_t sent = 1;
  while (2 * sent < kSweptAfter) {
    std::vector<proto::Report> reports;
    for (std::size_t i = 0; i < proto::kMaxCheckinReports; ++i, ++sent)
      reports.push_back(metrics("1.2.0", 1));
    take(std::move(reports));
    clock_.advance_us(1'000'000);
  }
  EXPECT_EQ(count("metric_window"), kMaxWindows);
  EXPECT_EQ(count("report_taken"), kMaxTaken);
  // What may still wait on the device is known.
  const std::string before = unit_text();
  take({first});
  EXPECT_EQ(unit_text(), before);
}

TEST_F(Telemetry, ManyDevicesAreListedWithWhatTheyRun) {
  for (const char* name : {"cam-2", "cam-3"}) {
    trust::TestSigner key(trust::Scheme::kEcdsaP256);
    enrolled(key, name);
  }
  take({metrics("1.2.0", 1)});
  const trust::Json page = shown("/v1/devices?limit=2");
  const auto& devices = *page.find("devices")->array();
  ASSERT_EQ(devices.size(), 2u);
  EXPECT_EQ(devices[0].find("units")->array()->size(), 1u);
  EXPECT_EQ(devices[1].find("units")->array()->size(), 0u);
  EXPECT_FALSE(devices[0].find("alarms"));
}

}  // namespace
}  // namespace polder::hub
