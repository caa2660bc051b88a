// What becomes reports and what does not, on a disk that fails and in virtual time.
#include "agent/reporter.h"

#include <gtest/gtest.h>

#include <set>
#include <tuple>

#include "agent/testing.h"
#include "base/fail.h"
#include "platform/storage_fake.h"

namespace polder::agent {
namespace {

class FakeRunner final : public Runner {
 public:
  std::map<std::string, agent::UnitHealth> healths;
  Status probe(const std::string&, Slot, const ReleaseId&, const Alive&) override { return {}; }
  Status run(const std::string&, Slot, const ReleaseId&) override { return {}; }
  void stop(const std::string&) override {}
  Status shadow(const std::string&, Slot, const ReleaseId&) override { return {}; }
  void end_shadow(const std::string&) override {}
  void poll() override {}
  agent::UnitHealth health(const std::string& unit) override { return healths[unit]; }
};

class FakeUnits final : public UnitSource {
 public:
  std::vector<UnitWindow> windows;
  std::vector<UnitWindow> take_windows() override { return std::exchange(windows, {}); }
};

ReleaseId release(const std::string& version) {
  return {"people", trust::Version::parse(version, "test").value(), trust::sha256(version)};
}

class ReporterTest : public testing::Test {
 protected:
  FakeStorage disk;
  ManualClock clock;
  ManualWallClock wall{kNow};
  FakeRunner runner;
  FakeUnits units;
  std::vector<std::string> logged;
  Config config = parse_config("device = \"camera-17\"\nmodels = \"people\"\n", "test").value();
  AgentState state;
  std::uint64_t epoch = 1;

  void SetUp() override {
    Unit unit{.active = Slot::kA};
    unit.slots[0] = unit.committed = release("1.2.0");
    unit.highest = unit.committed->version;
    state.units["people"] = unit;
    state.boot = 3;
    runner.healths["people"] = {Health::kWell, ""};
  }
  Reporter reporter() {
    return Reporter(
        config, {disk, clock, wall, runner, units,
                 [this](const std::string& text) { logged.push_back(text); }, "/nowhere", epoch});
  }
  void pass(Reporter& reporter, std::int64_t seconds) {
    for (std::int64_t i = 0; i < seconds; ++i) {
      clock.advance_us(kSecondUs);
      reporter.poll(state);
    }
  }
  UnitWindow window(std::uint64_t frames) {
    UnitWindow window{.unit = "people", .release = release("1.2.0")};
    window.observed.frames = frames;
    window.observed.encoded_bytes = 10 * frames;
    Observed::Stage& stage = window.observed.stages["detect"];
    stage.packets = frames;
    stage.latency_ms.add(5, frames);
    window.observed.classes.add("0", 2 * frames);
    Observed::Signal& signal = window.observed.signals["camera.brightness"];
    signal.values.add(0.5, frames);
    signal.bins[8] = frames;
    proto::SignalBaseline baseline{.signal = "camera.brightness"};
    for (std::size_t i = 0; i < baseline.edges.size(); ++i) baseline.edges[i] = double(i + 1) / 16;
    baseline.counts.fill(100);
    window.baselines.push_back(baseline);
    return window;
  }
  static std::vector<proto::Report> reports(Reporter& reporter) {
    std::vector<proto::Report> out;
    const auto stored = reporter.ring()->next(1000, 64 << 20);
    EXPECT_TRUE(stored.ok());
    for (const StoredReport& item : *stored) {
      auto message = proto::decode_report_message(item.bytes);
      EXPECT_TRUE(message.ok()) << message.error().message;
      out.push_back(std::get<proto::Report>(*message));
      EXPECT_EQ(out.back().boot, item.key.boot);
      EXPECT_EQ(out.back().sequence, item.key.sequence);
    }
    return out;
  }
  template <class T>
  static std::vector<T> bodies(Reporter& reporter) {
    std::vector<T> out;
    for (const proto::Report& report : reports(reporter))
      if (const T* body = std::get_if<T>(&report.what)) out.push_back(*body);
    return out;
  }
};

using proto::AlarmKind;
using proto::LifecycleKind;
using proto::ReportAlarm;
using proto::ReportLifecycle;
using proto::ReportMetrics;

// The state was lost, or could not be saved: the count of starts is an old one.
TEST_F(ReporterTest, NoReportHasTheNameOfAnother) {
  std::set<std::tuple<std::uint64_t, std::uint64_t, std::uint64_t>> names;
  for (epoch = 1; epoch <= 3; ++epoch) {
    Reporter reporter = this->reporter();
    reporter.start(state);
    std::vector<ReportKey> keys;
    for (const proto::Report& report : reports(reporter)) {
      EXPECT_TRUE(names.emplace(report.boot, report.epoch, report.sequence).second);
      keys.push_back({report.boot, report.sequence});
    }
    ASSERT_FALSE(keys.empty());
    ASSERT_TRUE(reporter.ring()->acknowledge(keys).ok());
  }
}

TEST_F(ReporterTest, WindowsMeetInWholeSeconds) {
  Reporter reporter = this->reporter();
  reporter.start(state);
  // What has passed since the start, and what a clock shows that had 0.7 s more then.
  for (const auto& [passed_ms, shown_s] :
       {std::pair(300'400, 301), {600'900, 601}, {901'000, 901}, {1'201'500, 50'000}}) {
    clock.advance_us(std::int64_t(passed_ms) * 1000 - clock.now_us());
    wall.set_s(kNow + shown_s);
    reporter.poll(state);
  }
  std::vector<std::uint64_t> windows_ms;
  std::vector<std::int64_t> ends_s;
  for (const proto::Report& report : reports(reporter)) {
    const auto* metrics = std::get_if<ReportMetrics>(&report.what);
    if (!metrics) continue;
    windows_ms.push_back(metrics->window_ms);
    ends_s.push_back(report.time_s - kNow);
  }
  EXPECT_EQ(ends_s, (std::vector<std::int64_t>{301, 601, 901, 50'000}));
  // The last is what has passed: the clock was set.
  EXPECT_EQ(windows_ms, (std::vector<std::uint64_t>{301'000, 300'000, 300'000, 300'500}));
}

// Devices begin when they begin; what they count at the same time is of the same window.
TEST_F(ReporterTest, WindowsEndWhenThoseOfAllDevicesDo) {
  for (const std::int64_t begun_s : {0, 1, 149, 151, 299}) {
    wall.set_s(kNow + begun_s);
    Reporter reporter = this->reporter();
    reporter.start(state);
    std::vector<std::int64_t> ends_s;
    for (int second = 0; second < 1200; ++second) {
      wall.set_s(wall.now_s() + 1);
      const std::size_t before = bodies<ReportMetrics>(reporter).size();
      pass(reporter, 1);
      if (bodies<ReportMetrics>(reporter).size() > before) ends_s.push_back(wall.now_s() - kNow);
    }
    ASSERT_GE(ends_s.size(), 3u);
    // The first is no shorter than half of the others.
    EXPECT_EQ(ends_s[0], begun_s <= 150 ? 300 : 600);
    EXPECT_EQ(ends_s[1], ends_s[0] + 300);
    EXPECT_EQ(ends_s[2], ends_s[1] + 300);
  }
}

// It was counted, and has another's place by now: nobody is to take it for what runs.
TEST_F(ReporterTest, AReleaseThatRunsNoMoreIsIdle) {
  Reporter reporter = this->reporter();
  reporter.start(state);
  units.windows = {window(100), window(7)};
  units.windows[1].release = release("1.3.0");
  pass(reporter, 300);
  const auto metrics = bodies<ReportMetrics>(reporter);
  ASSERT_EQ(metrics.size(), 1u);
  ASSERT_EQ(metrics[0].units.size(), 2u);
  EXPECT_EQ(metrics[0].units[0].health, proto::ReportHealth::kWell);
  EXPECT_EQ(metrics[0].units[1].release->version, "1.3.0");
  EXPECT_EQ(metrics[0].units[1].health, proto::ReportHealth::kIdle);
}

TEST_F(ReporterTest, MetricsComeAsOftenAsConfigured) {
  Reporter reporter = this->reporter();
  reporter.start(state);
  pass(reporter, 299);
  EXPECT_TRUE(bodies<ReportMetrics>(reporter).empty());
  units.windows = {window(100)};
  pass(reporter, 1);
  units.windows = {window(50)};
  pass(reporter, 150);
  units.windows = {window(250)};
  pass(reporter, 150);
  const auto metrics = bodies<ReportMetrics>(reporter);
  ASSERT_EQ(metrics.size(), 2u);
  EXPECT_EQ(metrics[0].window_ms, 300'000u);
  ASSERT_EQ(metrics[0].units.size(), 1u);
  EXPECT_EQ(metrics[0].units[0].frames, 100u);
  EXPECT_FALSE(metrics[0].units[0].signals[0].psi) << "100 values are too few to judge";
  const proto::ReportUnit& unit = metrics[1].units[0];
  EXPECT_EQ(unit.frames, 300u);  // of its window alone, all of it
  EXPECT_EQ(unit.encoded_bytes, 3000u);
  EXPECT_EQ(unit.health, proto::ReportHealth::kWell);
  EXPECT_EQ(unit.release->version, "1.2.0");
  EXPECT_EQ(unit.stages[0].latency_ms.count(), 300u);
  EXPECT_EQ(unit.classes, (std::vector<proto::ReportClass>{{"0", 600}}));
  ASSERT_TRUE(unit.signals[0].psi);
  EXPECT_GT(*unit.signals[0].psi, 0.25);
  EXPECT_EQ(reporter.totals().at("people").observed.frames, 400u);
  EXPECT_EQ(reporter.totals().at("people").psi.at("camera.brightness"), *unit.signals[0].psi);
  EXPECT_EQ(reports(reporter).back().time_s, kNow);
  EXPECT_EQ(reports(reporter).back().device, "camera-17");
  EXPECT_EQ(reporter.standing().seen_bytes, 4000u);
  EXPECT_EQ(reporter.standing().waiting_reports, 3u);
}

TEST_F(ReporterTest, AlarmsAreWrittenAtOnceAndComeFirst) {
  Reporter reporter = this->reporter();
  reporter.start(state);
  units.windows = {window(10)};
  units.windows[0].alarms.push_back({"camera.brightness", 2e5, 1e5});
  pass(reporter, 1);
  reporter.note({.act = trust::Act::kReleaseRefused,
                 .object = "people 1.0.0",
                 .text = "below the floor",
                 .unit = "people",
                 .release = release("1.0.0")});
  const auto all = reports(reporter);
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(std::get<ReportAlarm>(all[0].what).what, AlarmKind::kDrift);
  EXPECT_EQ(std::get<ReportAlarm>(all[0].what).signal, "camera.brightness");
  EXPECT_EQ(std::get<ReportAlarm>(all[0].what).evidence, 2e5);
  EXPECT_EQ(std::get<ReportAlarm>(all[1].what).text, "below the floor");
  EXPECT_EQ(std::get<ReportLifecycle>(all[2].what).what, LifecycleKind::kStarted);
}

TEST_F(ReporterTest, OfARefusalThatNamesWhatIsHereTheWordsStayHere) {
  Reporter reporter = this->reporter();
  reporter.start(state);
  reporter.note({.act = trust::Act::kReleaseRefused,
                 .text = "microphone.path: CANARY",
                 .unit = "people",
                 .release = release("1.0.0"),
                 .says_worker = true});
  EXPECT_EQ(bodies<ReportAlarm>(reporter).at(0).text, "'polderd status' there says why");
}

TEST_F(ReporterTest, ACrashLoopIsToldOnceWithoutTheWordsOfTheWorker) {
  Reporter reporter = this->reporter();
  reporter.start(state);
  pass(reporter, 2);
  runner.healths["people"] = {Health::kFailed, "crash loop: CANARY", Code::kIo, true};
  pass(reporter, 5);
  const auto alarms = bodies<ReportAlarm>(reporter);
  ASSERT_EQ(alarms.size(), 1u);
  EXPECT_EQ(alarms[0].what, AlarmKind::kCrashLoop);
  EXPECT_EQ(alarms[0].code, Code::kIo);
  EXPECT_EQ(alarms[0].text, "");
  runner.healths["people"] = {Health::kWell, ""};
  pass(reporter, 1);
  runner.healths["people"] = {Health::kFailed, "nothing runs"};
  pass(reporter, 1);
  EXPECT_EQ(bodies<ReportAlarm>(reporter).back().what, AlarmKind::kNotRunning);
}

// Between the state that names a release and its start all of it is hashed.
TEST_F(ReporterTest, WhatIsBeingStartedRaisesNoAlarm) {
  runner.healths["people"] = {Health::kFailed, "nothing runs"};
  state.phase = Phase::kActivate;
  state.update = Update{.unit = "people", .release = *state.units["people"].running()};
  Reporter reporter = this->reporter();
  reporter.start(state);
  pass(reporter, 2);
  EXPECT_TRUE(bodies<ReportAlarm>(reporter).empty());
  state.phase = Phase::kObserve;
  pass(reporter, 1);
  EXPECT_EQ(bodies<ReportAlarm>(reporter).size(), 1u);
}

TEST_F(ReporterTest, TheLifeCycleIsTold) {
  Reporter reporter = this->reporter();
  // What the driver says while it starts, before there is a ring.
  reporter.note({.act = trust::Act::kUpdateRolledBack,
                 .object = "people 1.3.0",
                 .text = "crash loop: CANARY",
                 .unit = "people",
                 .release = release("1.3.0"),
                 .entered = Phase::kRollBack,
                 .says_worker = true});
  reporter.start(state);
  for (const auto& [act, phase] : {std::pair{trust::Act::kNote, Phase::kDownload},
                                   {trust::Act::kUpdateInstalled, Phase::kActivate},
                                   {trust::Act::kUpdateCommitted, Phase::kCommit}})
    reporter.note({.act = act,
                   .object = "people 1.4.0",
                   .text = "",
                   .unit = "people",
                   .release = release("1.4.0"),
                   .entered = phase});
  reporter.note({.act = trust::Act::kNote, .object = "x", .text = "not for others"});
  const auto alarms = bodies<ReportAlarm>(reporter);
  ASSERT_EQ(alarms.size(), 1u);
  EXPECT_EQ(alarms[0].what, AlarmKind::kRolledBack);
  EXPECT_EQ(alarms[0].release->version, "1.3.0");
  EXPECT_EQ(alarms[0].text, "");
  const auto notices = bodies<ReportLifecycle>(reporter);
  ASSERT_EQ(notices.size(), 4u);
  EXPECT_EQ(notices[0].what, LifecycleKind::kStarted);
  EXPECT_EQ(notices[1].what, LifecycleKind::kUpdateBegun);
  EXPECT_EQ(notices[2].what, LifecycleKind::kActivated);
  EXPECT_EQ(notices[3].what, LifecycleKind::kCommitted);
  EXPECT_EQ(notices[3].release->version, "1.4.0");
}

TEST_F(ReporterTest, AFailedUpdateWithoutAWordIsTheReleasesOwn) {
  Reporter reporter = this->reporter();
  for (const bool blames_none : {false, true})
    reporter.note({.act = trust::Act::kUpdateFailed,
                   .object = "people 1.3.0",
                   .text = "CANARY",
                   .unit = "people",
                   .release = release("1.3.0"),
                   .entered = Phase::kDiscard,
                   .code = Code::kExhausted,
                   .says_worker = true,
                   .blames_no_release = blames_none});
  reporter.start(state);
  const auto alarms = bodies<ReportAlarm>(reporter);
  ASSERT_EQ(alarms.size(), 2u);
  EXPECT_EQ(alarms[0].text, "");
  EXPECT_EQ(alarms[1].text, "for what is no fault of the release; it is tried again");
  for (const ReportAlarm& alarm : alarms) EXPECT_EQ(alarm.code, Code::kExhausted);
}

// As many reports as it takes, whose sums are those of the whole.
TEST_F(ReporterTest, MetricsThatAreTooLongAreDivided) {
  Reporter reporter = this->reporter();
  reporter.start(state);
  UnitWindow large = window(10);
  for (int i = 0; i < 40; ++i) {
    Observed::Stage& stage = large.observed.stages["stage" + std::to_string(i)];
    stage.packets = 1;
    for (int k = 0; k <= telemetry::Sketch::kBuckets; ++k)
      stage.latency_ms.add(telemetry::Sketch::upper_bound(k) * 0.99);
  }
  units.windows = {large};
  pass(reporter, 300);
  const auto metrics = bodies<ReportMetrics>(reporter);
  EXPECT_GT(metrics.size(), 5u);
  std::uint64_t frames = 0, packets = 0, signals = 0;
  for (const ReportMetrics& part : metrics) {
    frames += part.units.at(0).frames;
    signals += part.units[0].signals.size();
    for (const proto::ReportStage& stage : part.units[0].stages) packets += stage.packets;
  }
  EXPECT_EQ(frames, 10u);
  EXPECT_EQ(packets, 50u);
  EXPECT_EQ(signals, 1u);
  EXPECT_EQ(reporter.standing().lost, 0u);
}

TEST_F(ReporterTest, AFullRingDropsMetricsCountsThemAndSaysSo) {
  config.reports.max_bytes = 4 * 4096;
  Reporter reporter = this->reporter();
  reporter.start(state);
  for (int i = 0; i < 5; ++i) pass(reporter, 300);
  EXPECT_EQ(reporter.ring()->drops(), (ReportDrops{0, 0, 2}));
  EXPECT_EQ(reporter.standing().drops, (ReportDrops{0, 0, 2}));
  EXPECT_EQ(reports(reporter).back().drops, (proto::ReportDropCounts{0, 0, 1}));
}

// The disk takes nothing for a while: the agent goes on, what happened is told later.
TEST_F(ReporterTest, ADiskThatFailsCostsReportsAndNothingElse) {
  disk.set_capacity(0);
  Reporter reporter = this->reporter();
  reporter.start(state);
  EXPECT_EQ(reporter.ring(), nullptr);
  for (int i = 0; i < 4; ++i) pass(reporter, 30);
  EXPECT_EQ(logged.size(), 1u);
  EXPECT_NE(reporter.standing().error, "");
  disk.set_capacity(1 << 20);
  pass(reporter, 60);
  ASSERT_NE(reporter.ring(), nullptr);
  EXPECT_EQ(reporter.standing().error, "");
  EXPECT_EQ(bodies<ReportLifecycle>(reporter).size(), 1u);
}

TEST_F(ReporterTest, WhatIsDeliveredIsNoLongerThere) {
  Reporter reporter = this->reporter();
  reporter.start(state);
  const ReportKey key{3, 1};
  ASSERT_TRUE(reporter.ring()->acknowledge({&key, 1}).ok());
  reporter.sent(500);
  reporter.delivered(key);
  EXPECT_EQ(reporter.standing().waiting_reports, 0u);
  EXPECT_EQ(reporter.standing().delivered, key);
  EXPECT_EQ(reporter.standing().delivered_s, kNow);
  EXPECT_EQ(reporter.standing().sent_bytes, 500u);
  reporter.trouble("collector: refused");
  reporter.trouble("collector: refused");
  EXPECT_EQ(logged.size(), 1u);
  EXPECT_EQ(reporter.standing().error, "collector: refused");
  pass(reporter, 300);
  EXPECT_EQ(bodies<ReportMetrics>(reporter).at(0).sent_bytes, 500u);
}

}  // namespace
}  // namespace polder::agent
