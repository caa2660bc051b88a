#include "proto/report.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <iterator>
#include <limits>
#include <random>
#include <regex>
#include <set>
#include <string>

namespace polder::proto {
namespace {

const std::string kCorpus = POLDER_SOURCE_DIR "/fuzz/corpus/report/";

ReportRelease release() {
  ReportRelease release{.model = "people", .version = "1.2.0-rc.1+b7"};
  for (std::size_t i = 0; i < release.manifest.size(); ++i)
    release.manifest[i] = std::uint8_t(i * 7);
  return release;
}

Report with(decltype(Report::what) what) {
  return {.device = "camera-17",
          .program = "0.1.0",
          .boot = 3,
          .sequence = 12,
          .time_s = 1'796'000'000,
          .drops = {1, 2, 3},
          .what = std::move(what)};
}

Report alarm() {
  return with(ReportAlarm{.what = AlarmKind::kDrift,
                          .unit = "people",
                          .release = release(),
                          .code = Code::kCorrupt,
                          .text = "people 1.2.0: refused",
                          .signal = "camera.brightness",
                          .evidence = 2.5e5,
                          .mean_run = 1e5});
}

Report lifecycle() { return with(ReportLifecycle{LifecycleKind::kCommitted, "people", release()}); }

// Values that need no logarithm to be right to the last bit.
telemetry::Sketch sketch() {
  telemetry::Sketch sketch;
  sketch.add(0);
  sketch.add(0.5, 3);
  sketch.add(2);
  return sketch;
}

Report metrics() {
  ReportUnit unit{.name = "people",
                  .release = release(),
                  .health = ReportHealth::kWell,
                  .starts = 2,
                  .crashes = 1,
                  .frames = 9000,
                  .events = 12,
                  .encoded_bytes = 1'000'000,
                  .decoded_bytes = 900'000'000,
                  .event_bytes = 420,
                  .classes = {{"0", 7}, {"12", 1}},
                  .stages = {{"camera", 9000, sketch()}, {"detect", 9000, {}}}};
  unit.errors[0] = 1;
  unit.errors[std::size_t(Code::kTimeout)] = 4;
  ReportSignal& signal = unit.signals.emplace_back();
  signal.name = "camera.brightness";
  signal.values = sketch();
  signal.bins[3] = 5;
  signal.psi = 0.125;
  signal.alarms = 1;
  return with(ReportMetrics{.window_ms = 300'000,
                            .units = {unit, {.name = "voice"}},
                            .temperatures_c = {{"thermal_zone0 cpu-thermal", 48.5}},
                            .powers_w = {{"hwmon0 ina3221 power1", 4.25}},
                            .sent_bytes = 4096,
                            .scraped_bytes = 100,
                            .waiting_reports = 7,
                            .waiting_bytes = 28'672});
}

Checkin checkin() { return {"0.1.0", 12, {alarm(), lifecycle(), metrics()}}; }
Checkin checkin_with_time() {
  Checkin made = checkin();
  made.time_s = 1'796'000'060;
  return made;
}

Machine machine() {
  Machine made{.architecture = "aarch64",
               .cpu = "Cortex-A76",
               .cpus = 4,
               .memory_bytes = 8ull << 30,
               .system = "Debian GNU/Linux 12 (bookworm)",
               .kernel = "6.1.0-18-arm64",
               .targets = {"arm64", "generic"},
               .backends = {"native"},
               .plan_format = 5,
               .operators = 61};
  made.operators_digest[31] = 0xd1;
  return made;
}
Checkin checkin_with_machine() {
  Checkin made = checkin_with_time();
  made.machine = machine();
  return made;
}

std::string bytes_of(const ReportMessage& message) {
  auto bytes = encode(message);
  EXPECT_TRUE(bytes.ok()) << bytes.error().message;
  return bytes.ok() ? *bytes : std::string();
}

template <class T>
T back(const ReportMessage& message) {
  auto again = decode_report_message(bytes_of(message));
  EXPECT_TRUE(again.ok()) << again.error().message;
  return again.ok() ? std::get<T>(*again) : T();
}

TEST(Reports, ComeBackAsTheyWere) {
  const Report again = back<Report>(alarm());
  EXPECT_EQ(again.device, "camera-17");
  EXPECT_EQ(again.program, "0.1.0");
  EXPECT_EQ(again.boot, 3u);
  EXPECT_EQ(again.sequence, 12u);
  EXPECT_EQ(again.epoch, 0u);
  Report other = alarm();
  other.epoch = ~std::uint64_t(0);
  EXPECT_EQ(back<Report>(other).epoch, ~std::uint64_t(0));
  EXPECT_EQ(again.time_s, 1'796'000'000);
  EXPECT_EQ(again.drops, (ReportDropCounts{1, 2, 3}));
  EXPECT_EQ(std::get<ReportAlarm>(again.what), std::get<ReportAlarm>(alarm().what));
  EXPECT_EQ(std::get<ReportLifecycle>(back<Report>(lifecycle()).what),
            std::get<ReportLifecycle>(lifecycle().what));
  const Checkin came = back<Checkin>(checkin());
  EXPECT_EQ(came.program, "0.1.0");
  EXPECT_EQ(came.timestamp, 12u);
  EXPECT_EQ(came.time_s, 0);
  EXPECT_EQ(back<Checkin>(checkin_with_time()).time_s, 1'796'000'060);
  ASSERT_EQ(came.reports.size(), 3u);
  EXPECT_EQ(std::get<ReportAlarm>(came.reports[0].what),
            std::get<ReportAlarm>(back<Report>(alarm()).what));
  EXPECT_TRUE(bytes_of(came.reports[2]) == bytes_of(metrics()));
}

TEST(Reports, MetricsComeBackAsTheyWere) {
  const Report before = metrics(), again = back<Report>(before);
  const auto& want = std::get<ReportMetrics>(before.what);
  const auto& got = std::get<ReportMetrics>(again.what);
  EXPECT_EQ(got.window_ms, want.window_ms);
  EXPECT_EQ(got.sent_bytes, want.sent_bytes);
  EXPECT_EQ(got.scraped_bytes, want.scraped_bytes);
  EXPECT_EQ(got.waiting_reports, want.waiting_reports);
  EXPECT_EQ(got.waiting_bytes, want.waiting_bytes);
  ASSERT_EQ(got.temperatures_c.size(), 1u);
  EXPECT_EQ(got.temperatures_c[0].sensor, "thermal_zone0 cpu-thermal");
  EXPECT_EQ(got.powers_w.at(0).value, 4.25);
  ASSERT_EQ(got.units.size(), 2u);
  const ReportUnit &from = want.units[0], &to = got.units[0];
  EXPECT_EQ(to.name, from.name);
  EXPECT_EQ(to.release, from.release);
  EXPECT_EQ(to.health, from.health);
  EXPECT_EQ(to.starts, from.starts);
  EXPECT_EQ(to.crashes, from.crashes);
  EXPECT_EQ(to.frames, from.frames);
  EXPECT_EQ(to.events, from.events);
  EXPECT_EQ(to.encoded_bytes, from.encoded_bytes);
  EXPECT_EQ(to.decoded_bytes, from.decoded_bytes);
  EXPECT_EQ(to.event_bytes, from.event_bytes);
  EXPECT_EQ(to.errors, from.errors);
  EXPECT_EQ(to.classes, from.classes);
  ASSERT_EQ(to.stages.size(), 2u);
  EXPECT_EQ(to.stages[0].packets, 9000u);
  EXPECT_EQ(to.stages[0].latency_ms.buckets(), sketch().buckets());
  EXPECT_EQ(to.stages[1].latency_ms.count(), 0u);
  ASSERT_EQ(to.signals.size(), 1u);
  EXPECT_EQ(to.signals[0].name, "camera.brightness");
  EXPECT_EQ(to.signals[0].bins, from.signals[0].bins);
  EXPECT_EQ(to.signals[0].psi, 0.125);
  EXPECT_EQ(to.signals[0].alarms, 1u);
  EXPECT_FALSE(got.units[1].release);
}

std::string file_bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.good()) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

// The bytes are those of the files, which are in git: a receiver of another version reads them. A
// change that is meant adds fields and new files; the old files must still be read.
TEST(Reports, TheFormatIsWhatItWas) {
  const std::pair<const char*, ReportMessage> golden[] = {
      {"alarm", alarm()},
      {"lifecycle", lifecycle()},
      {"metrics", metrics()},
      {"checkin", checkin()},
      {"checkin_time", checkin_with_time()},
      {"checkin_machine", checkin_with_machine()}};
  for (const auto& [name, message] : golden) {
    const std::string path = kCorpus + name;
    if (std::getenv("POLDER_WRITE_GOLDEN"))
      std::ofstream(path, std::ios::binary) << bytes_of(message);
    const std::string bytes = file_bytes(path);
    EXPECT_TRUE(decode_report_message(bytes).ok()) << name;
    EXPECT_TRUE(bytes == bytes_of(message)) << name << " is written in another way than before";
  }
}

TEST(Reports, CapsHoldBothWays) {
  const auto code = [](Report report, auto change) {
    change(report);
    return encode(ReportMessage(report)).error().code;
  };
  const auto long_name = std::string(kMaxNameBytes + 1, 'x');
  EXPECT_EQ(code(alarm(), [&](Report& r) { r.device = long_name; }), Code::kExhausted);
  EXPECT_EQ(code(alarm(), [](Report& r) { r.device = "a b"; }), Code::kCorrupt);
  EXPECT_EQ(code(alarm(), [](Report& r) { r.device = ""; }), Code::kCorrupt);
  EXPECT_EQ(code(alarm(), [](Report& r) { r.boot = kMaxTotal + 1; }), Code::kCorrupt);
  EXPECT_EQ(code(alarm(), [](Report& r) { r.time_s = -1; }), Code::kCorrupt);
  const auto in_alarm = [&](auto change) {
    return code(alarm(), [&](Report& r) { change(std::get<ReportAlarm>(r.what)); });
  };
  EXPECT_EQ(in_alarm([](ReportAlarm& a) { a.what = AlarmKind(0); }), Code::kCorrupt);
  EXPECT_EQ(in_alarm([](ReportAlarm& a) { a.what = AlarmKind(kAlarmKinds + 1); }), Code::kCorrupt);
  EXPECT_EQ(in_alarm([](ReportAlarm& a) { a.evidence = std::nan(""); }), Code::kCorrupt);
  EXPECT_EQ(in_alarm([](ReportAlarm& a) { a.signal = "a\nb"; }), Code::kCorrupt);
  EXPECT_EQ(in_alarm([](ReportAlarm& a) { a.code = Code(99); }), Code::kCorrupt);
  EXPECT_EQ(in_alarm([](ReportAlarm& a) { a.release->version = "1 0"; }), Code::kCorrupt);
  const auto in_unit = [&](auto change) {
    return code(metrics(), [&](Report& r) { change(std::get<ReportMetrics>(r.what).units[0]); });
  };
  EXPECT_EQ(in_unit([](ReportUnit& u) { u.stages.resize(kMaxStages + 1); }), Code::kExhausted);
  EXPECT_EQ(in_unit([](ReportUnit& u) { u.signals.resize(kMaxSignals + 1); }), Code::kExhausted);
  EXPECT_EQ(in_unit([](ReportUnit& u) { u.classes.resize(kMaxClasses + 1); }), Code::kExhausted);
  EXPECT_EQ(in_unit([](ReportUnit& u) { u.health = ReportHealth(9); }), Code::kCorrupt);
  EXPECT_EQ(in_unit([](ReportUnit& u) { u.signals[0].psi = -1; }), Code::kCorrupt);
  EXPECT_EQ(in_unit([](ReportUnit& u) { u.errors[2] = ~0ull; }), Code::kCorrupt);
  EXPECT_EQ(decode_report_message(std::string(kMaxCheckinBytes + 1, 0)).error().code,
            Code::kExhausted);
}

TEST(Reports, TextsAreCutAndPrintable) {
  Report report = alarm();
  std::get<ReportAlarm>(report.what).text = "a\nb\x1b[31m\xff" + std::string(1000, 'x');
  const std::string text = std::get<ReportAlarm>(back<Report>(report).what).text;
  EXPECT_EQ(text.size(), kMaxErrorBytes);
  EXPECT_TRUE(text.starts_with("a?b?[31m?xxx"));
}

TEST(Reports, ACheckinHasItsOwnCaps) {
  Checkin many = checkin();
  many.reports.assign(kMaxCheckinReports, alarm());
  EXPECT_TRUE(encode(many).ok());
  many.reports.push_back(alarm());
  EXPECT_EQ(encode(many).error().code, Code::kExhausted);
  many.reports.assign(kMaxCheckinReports, metrics());
  ASSERT_GT(bytes_of(metrics()).size() * kMaxCheckinReports, kMaxReportMessageBytes);
  EXPECT_EQ(back<Checkin>(many).reports.size(), kMaxCheckinReports);
  Report full = metrics();
  auto& stages = std::get<ReportMetrics>(full.what).units[0].stages;
  stages.assign(kMaxStages, {"stage", 1, {}});
  many.reports.assign(kMaxCheckinSketches / kMaxStages, full);
  EXPECT_EQ(encode(many).error().code, Code::kExhausted);
  Checkin odd = checkin();
  odd.program = "";
  EXPECT_EQ(encode(odd).error().code, Code::kCorrupt);
  odd = checkin();
  odd.timestamp = kMaxTotal + 1;
  EXPECT_EQ(encode(odd).error().code, Code::kCorrupt);
  odd = checkin();
  odd.reports[1].device = "a b";
  EXPECT_EQ(encode(odd).error().code, Code::kCorrupt);
  odd = checkin();
  odd.time_s = -1;
  EXPECT_EQ(encode(odd).error().code, Code::kCorrupt);
}

TEST(Reports, AMachineComesBackAsItWasAndHasCaps) {
  EXPECT_FALSE(back<Checkin>(checkin()).machine);
  EXPECT_EQ(back<Checkin>(checkin_with_machine()).machine, machine());
  // What a system's files say may be anything.
  Checkin odd = checkin_with_machine();
  odd.machine->system = "D\xc3\xa9\nbian" + std::string(1000, 'x');
  EXPECT_EQ(back<Checkin>(odd).machine->system, "D???bian" + std::string(kMaxNameBytes - 8, 'x'));
  const auto code = [](auto change) {
    Checkin made = checkin_with_machine();
    change(*made.machine);
    const auto bytes = encode(made);
    return bytes.ok() ? std::optional<Code>() : bytes.error().code;
  };
  EXPECT_EQ(code([](Machine& m) { m.targets.assign(kMaxMachineTargets, "generic"); }),
            std::nullopt);
  EXPECT_EQ(code([](Machine& m) { m.targets.assign(kMaxMachineTargets + 1, "generic"); }),
            Code::kExhausted);
  EXPECT_EQ(code([](Machine& m) { m.backends.assign(kMaxMachineTargets + 1, "native"); }),
            Code::kExhausted);
  EXPECT_EQ(code([](Machine& m) { m.targets[0] = "x86 64"; }), Code::kCorrupt);
  EXPECT_EQ(code([](Machine& m) { m.backends[0] = std::string(kMaxNameBytes + 1, 'x'); }),
            Code::kExhausted);
  EXPECT_EQ(code([](Machine& m) { m.cpus = kMaxMachineNumber + 1; }), Code::kCorrupt);
  EXPECT_EQ(code([](Machine& m) { m.memory_bytes = kMaxTotal + 1; }), Code::kCorrupt);
}

// Metrics that do not fit into one message say so, for whoever writes them to divide them.
TEST(Reports, TheFullestSketchesFillAMessage) {
  telemetry::Sketch full;
  for (int i = 0; i <= telemetry::Sketch::kBuckets; ++i)
    full.add(telemetry::Sketch::upper_bound(i) * 0.99);
  const auto with_stages = [&](std::size_t count) {
    ReportUnit unit{.name = "people"};
    for (std::size_t i = 0; i < count; ++i) unit.stages.push_back({"stage", 1, full});
    return encode(with(ReportMetrics{.units = {unit}}));
  };
  EXPECT_TRUE(with_stages(7).ok());
  EXPECT_EQ(with_stages(8).error().code, Code::kExhausted);
}

TEST(Reports, DamagedOnes) {
  std::mt19937_64 random(7);
  int taken = 0;
  for (const ReportMessage& message :
       {ReportMessage(alarm()), ReportMessage(metrics()), ReportMessage(checkin_with_machine())}) {
    const std::string bytes = bytes_of(message);
    for (std::size_t size = 0; size < bytes.size(); ++size)
      static_cast<void>(decode_report_message(bytes.substr(0, size)));
    for (int i = 0; i < 1000; ++i) {
      std::string damaged = bytes;
      for (int k = 0; k < 1 + i % 4; ++k) damaged[random() % damaged.size()] = char(random());
      const auto again = decode_report_message(damaged);
      if (!again.ok()) continue;
      ++taken;
      EXPECT_TRUE(encode(*again).ok());
    }
  }
  EXPECT_GT(taken, 0);
}

// The schema itself: no list of bytes, and no list of floating-point numbers; texts are the names
// of instruction sets and backends.
TEST(Reports, NoFieldCouldCarrySensorData) {
  const std::string schema = file_bytes(POLDER_SOURCE_DIR "/src/proto/report.fbs");
  // All the lists that there are; those of numbers are counts of values, none is of bytes or
  // floats. Whoever adds one says here what it is.
  const std::set<std::string> known = {
      "bytes:[ubyte:32]",    "buckets:[ushort]",         "counts:[ulong]",     "bins:[ulong]",
      "errors:[ErrorCount]", "classes:[ClassCount]",     "stages:[Stage]",     "signals:[Signal]",
      "units:[Unit]",        "temperatures_c:[Reading]", "powers_w:[Reading]", "reports:[Report]",
      "targets:[string]",    "backends:[string]"};
  std::set<std::string> found;
  const std::regex list(R"((\w+)\s*:\s*(\[[^\]]*\]))");
  for (std::sregex_iterator at(schema.begin(), schema.end(), list), end; at != end; ++at)
    found.insert((*at)[1].str() + ":" + (*at)[2].str());
  EXPECT_EQ(found, known);
}

}  // namespace
}  // namespace polder::proto
