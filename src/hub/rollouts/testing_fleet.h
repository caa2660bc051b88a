// For tests: a hub with a little fleet, whose devices do what they are wanted to and report it.
#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "hub/repository/testing_releaser.h"
#include "hub/rollouts/engine.h"
#include "hub/rollouts/observe.h"

namespace polder::hub {

constexpr std::int64_t kTestLookS = 10;

// How a release behaves on every device.
struct Behaviour {
  double slow = 1;            // times as long
  std::uint64_t every = 20;   // so many frames one takes twice as long
  bool crashes = false;       // in a loop, and is rolled back
  bool sees_nothing = false;  // no detections
  double crash_share = 0;     // of frames
};

class FleetTest : public ReleasingTest {
 protected:
  // What the hub says to devices is published.
  void SetUp() override {
    ReleasingTest::SetUp();
    hub_->poll_s = kTestLookS;
    let_assign();
    const Response approved = decide(text(push(), "id"));
    ASSERT_EQ(approved.status, 200) << approved.body;
    for (const char* version : {"0.9.0", "1.0.0"}) publish_release(version);
  }
  // What devices have is here too: they may go back to it.
  void publish_release(const std::string& version) {
    const Status published = writer_->write([&](Database& database) {
      return database.run(
          "INSERT INTO model_release (model, version, manifest, state, added_s, added_by, "
          "publication, is_runtime, details) VALUES ('people', ?, '', 'published', 0, '', '', 0, "
          "'{}') ON CONFLICT DO NOTHING",
          {version});
    });
    ASSERT_TRUE(published.ok()) << published.error().message;
  }

  // For a test that looks at what is asked of the database.
  virtual Database& seen(Database& database) { return database; }

  static constexpr std::uint64_t kFrames = 300;  // of a device in a look
  static constexpr int kShadowLooks = 30;

  struct Device {
    std::string name;
    std::string runs = "1.0.0", committed = "1.0.0";
    bool is_mute = false;  // gives no frame
    bool is_away = false;
    std::string mute_with;             // gives no frame by that version
    bool is_even = false;              // no frame takes twice as long
    std::string shadow;                // beside what runs
    int shadow_looks = 0;              // so far
    std::vector<std::string> gave_up;  // never again, by itself
  };

  // Enrolled, and known to have the model.
  void make_fleet(int count, const std::string& version = "1.0.0") {
    for (int i = 0; i < count; ++i) add_device("cam-" + std::to_string(i), version);
  }
  void add_device(const std::string& name, const std::string& version = "1.0.0") {
    const Status done = writer_->write([&](Database& database) {
      return database.run("INSERT INTO device (id, key_id, enrolled_s) VALUES (?, ?, ?)",
                          {name, "key-" + name, wall_.now_s()});
    });
    ASSERT_TRUE(done.ok()) << done.error().message;
    devices_.push_back({.name = name, .runs = version, .committed = version, .gave_up = {}});
    started(devices_.back());
  }
  Device& device(const std::string& name) {
    return *std::ranges::find(devices_, name, &Device::name);
  }

  // Never too often.
  Response send(std::string_view method, std::string_view target, const std::string& body = "",
                const std::string& authorization = "") {
    clock_.advance_us(1'000'000);
    return HubTest::send(method, target, body, authorization);
  }

  // --- Reports -----------------------------------------------------------------------------------

  static proto::ReportRelease release(const std::string& version) {
    return {.model = "people", .version = version};
  }
  void report(const std::string& name, decltype(proto::Report::what) what,
              std::int64_t late_s = 0) {
    const proto::Report report{
        .device = name, .program = "1", .time_s = wall_.now_s() - late_s, .what = std::move(what)};
    const Status done = write(*hub_, [&](Database& database) {
      return Observer(seen(database), name, wall_.now_s()).take(report, report.time_s);
    });
    ASSERT_TRUE(done.ok()) << done.error().message;
  }
  void started(const Device& one) {
    proto::ReportLifecycle notice{.what = proto::LifecycleKind::kStarted, .unit = "people"};
    if (!one.runs.empty()) notice.release = release(one.runs);
    report(one.name, notice);
  }
  void alarm(const std::string& name, proto::AlarmKind kind, const std::string& version,
             std::optional<Code> code = {}, const std::string& text = "") {
    report(name, proto::ReportAlarm{.what = kind,
                                    .unit = "people",
                                    .release = release(version),
                                    .code = code,
                                    .text = text});
  }

  Behaviour of(const std::string& version) {
    return behaviour_.contains(version) ? behaviour_.at(version) : Behaviour();
  }
  // On the same inputs: it agrees on nineteen of twenty, or on what is empty.
  static void add_shadow(proto::ReportUnit& unit, const proto::ReportStage& infer,
                         const Behaviour& how) {
    proto::ReportStage old{.name = "shadow.m.old", .packets = infer.packets};
    proto::ReportStage now{.name = "shadow.m.new", .packets = infer.packets};
    proto::ReportSignal agreement{.name = "shadow.m.agreement"};
    old.latency_ms = infer.latency_ms;
    for (const auto& [bucket, count] : infer.latency_ms.buckets())
      now.latency_ms.add(how.slow * telemetry::Sketch::upper_bound(bucket), count);
    for (std::uint64_t i = 0; i < kFrames; ++i)
      agreement.values.add((how.sees_nothing ? i % 3 == 0 : i % 20 != 0) ? 1 : 0);
    unit.stages.push_back(std::move(old));
    unit.stages.push_back(std::move(now));
    unit.signals.push_back(std::move(agreement));
  }
  // A step beside a shadow takes as long as both models.
  static telemetry::Sketch beside(const telemetry::Sketch& own_ms, const Behaviour& how) {
    telemetry::Sketch both;
    for (const auto& [bucket, count] : own_ms.buckets())
      both.add((1 + how.slow) * telemetry::Sketch::upper_bound(bucket), count);
    return both;
  }
  // What a device counted in a look.
  proto::ReportMetrics window(const Device& one) {
    const Behaviour how = of(one.runs);
    proto::ReportUnit unit{.name = "people", .health = proto::ReportHealth::kWell};
    if (one.runs.empty()) unit.health = proto::ReportHealth::kIdle;
    else unit.release = release(one.runs);
    if (!one.mute_with.empty() && one.mute_with == one.runs) {
      proto::ReportMetrics nothing{.window_ms = 1000 * kTestLookS};
      nothing.units.push_back(std::move(unit));
      return nothing;
    }
    unit.frames = kFrames;
    unit.crashes = static_cast<std::uint64_t>(std::lround(how.crash_share * kFrames));
    proto::ReportStage infer{.name = "detect", .packets = kFrames};
    proto::ReportSignal score{.name = "detect.score"};
    // One frame in three is empty.
    for (std::uint64_t i = 0; i < kFrames; ++i) {
      infer.latency_ms.add(how.slow * (i % how.every == 0 && !one.is_even ? 40 : 20) *
                           (1 + 0.1 * double(i % 7)));
      if (i % 3 != 0 && !how.sees_nothing) score.values.add(0.8);
    }
    if (!one.shadow.empty()) {
      add_shadow(unit, infer, of(one.shadow));
      infer.latency_ms = beside(infer.latency_ms, of(one.shadow));
    }
    unit.stages.push_back(std::move(infer));
    unit.signals.push_back(std::move(score));
    proto::ReportMetrics metrics{.window_ms = 1000 * kTestLookS};
    metrics.units.push_back(std::move(unit));
    return metrics;
  }

  // --- Time --------------------------------------------------------------------------------------

  // What each device is wanted to run, it takes; then it tells what it counted. The timer's turn is
  // at the end.
  void look() {
    for (Device& one : devices_)
      if (!one.is_away) take_wanted(one);
    std::map<std::string, proto::ReportMetrics> windows;
    for (const Device& one : devices_)
      if (!one.is_away && !one.runs.empty()) windows.emplace(one.name, window(one));
    // Committed together, as the hub does with what comes at once.
    const Status done = write(*hub_, [&](Database& database) -> Status {
      for (const auto& one : windows) {
        const proto::Report report{
            .device = one.first, .program = "1", .time_s = wall_.now_s(), .what = one.second};
        Status told =
            Observer(seen(database), one.first, wall_.now_s()).take(report, report.time_s);
        if (!told.ok()) return told;
      }
      return {};
    });
    ASSERT_TRUE(done.ok()) << done.error().message;
    wall_.set_s(wall_.now_s() + kTestLookS);
    turn();
  }
  void turn() {
    const auto carried = run_due(
        [this](std::string_view sql, const Values& values) { return readers_->query(sql, values); },
        [this](const Work& work) {
          return write(*hub_, [&](Database& database) { return work(seen(database)); });
        },
        wall_.now_s());
    ASSERT_TRUE(carried.ok()) << carried.error().message;
    trouble_ = carried->trouble;
  }
  void looks(int count) {
    for (int i = 0; i < count; ++i) look();
  }

  void take_wanted(Device& one) {
    const auto rows = readers_->query(
        "SELECT version, shadow FROM wanted WHERE device = ? AND model = 'people'", {one.name});
    ASSERT_TRUE(rows.ok());
    if (rows->empty()) return;
    const std::string version = (*rows)[0][0].text();
    if (version == one.runs || std::ranges::count(one.gave_up, version) > 0) return;
    if ((*rows)[0][1].integer() != 0 && one.shadow_looks < kShadowLooks) {
      one.shadow = version;
      ++one.shadow_looks;
      return;
    }
    one.shadow.clear();
    one.shadow_looks = 0;
    one.runs = version;
    if (version.empty()) return;
    report(one.name,
           proto::ReportLifecycle{proto::LifecycleKind::kActivated, "people", release(version)});
    if (behaviour_.contains(version) && behaviour_.at(version).crashes) {
      alarm(one.name, proto::AlarmKind::kCrashLoop, version);
      alarm(one.name, proto::AlarmKind::kRolledBack, version);
      one.gave_up.push_back(version);
      one.runs = one.committed;
      started(one);
      return;
    }
    one.committed = version;
    report(one.name,
           proto::ReportLifecycle{proto::LifecycleKind::kCommitted, "people", release(version)});
  }

  // --- Rollouts ----------------------------------------------------------------------------------

  // Looks are so short that a worker ended in one of two is what a few of them can prove.
  static constexpr const char* kStages =
      R"("stages":[{"devices":1,"least_minutes":1,"errors_an_hour":180},)"
      R"({"devices":3,"least_minutes":1,"errors_an_hour":180},)"
      R"({"percent":50,"least_minutes":1,"errors_an_hour":180},)"
      R"({"percent":100,"least_minutes":1}])";

  // Of a release that is published, or comes to be.
  Response order(const std::string& version, const std::string& more = "",
                 const std::string& stages = kStages) {
    if (is_published_) publish_release(version);
    return send("POST", "/v1/rollouts",
                R"({"model":"people","unpublished":true,"version":")" + version +
                    R"(","look_s":10,"history_looks":)" + std::to_string(history_looks_) +
                    R"(,"measures":)" + measures_ + "," + stages + more + "}",
                admin_);
  }
  // Its name.
  std::string begin(const std::string& version, const std::string& more = "",
                    const std::string& stages = kStages) {
    const Response made = order(version, more, stages);
    EXPECT_EQ(made.status, 201) << made.body;
    return text(made, "id");
  }
  trust::Json rollout(const std::string& id) {
    const Response response = send("GET", "/v1/rollouts/" + id, "", admin_);
    EXPECT_EQ(response.status, 200) << response.body;
    return json(response);
  }
  std::string phase(const std::string& id) { return *rollout(id).find("phase")->string(); }
  std::string reason(const std::string& id) { return *rollout(id).find("reason")->string(); }
  std::int64_t stage(const std::string& id) { return *rollout(id).find("stage")->integer(); }
  std::int64_t count(const std::string& id, std::string_view what) {
    return *rollout(id).find("devices")->find(what)->integer();
  }
  // The reasons of its gate, one after the other.
  std::string gate(const std::string& id) {
    const trust::Json all = rollout(id);
    std::string text = *all.find("gate")->find("verdict")->string();
    for (const trust::Json& one : *all.find("gate")->find("reasons")->array())
      text += "; " + *one.string();
    EXPECT_EQ(text.find('{'), std::string::npos) << "a value is not there: " << text;
    return text;
  }
  std::vector<std::string> history(const std::string& id) {
    const trust::Json all = rollout(id);
    std::vector<std::string> lines;
    for (const trust::Json& one : *all.find("history")->array())
      lines.push_back(*one.find("what")->string());
    return lines;
  }
  // What each device is wanted to run; of those that are not told anything, nothing.
  std::map<std::string, std::string> wanted() {
    const auto rows = readers_->query("SELECT device, version, shadow FROM wanted");
    EXPECT_TRUE(rows.ok());
    std::map<std::string, std::string> all;
    for (const Row& row : *rows)
      all[row[0].text()] = row[1].text() + (row[2].integer() != 0 ? " in shadow" : "");
    return all;
  }
  int wanted_to_run(const std::string& version) {
    const auto all = wanted();
    return int(std::ranges::count_if(all, [&](const auto& one) { return one.second == version; }));
  }
  int running(const std::string& version) {
    return int(std::ranges::count(devices_, version, &Device::runs));
  }

  std::vector<Device> devices_;
  std::map<std::string, Behaviour> behaviour_;  // by version
  int history_looks_ = 6;
  bool is_published_ = true;  // what order() is of
  std::string trouble_;       // of the last turn
  std::string measures_ = R"(["errors","slow frames","empty frames"])";
};

}  // namespace polder::hub
