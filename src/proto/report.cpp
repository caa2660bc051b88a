#include "proto/report.h"

#include <algorithm>
#include <cmath>

#include "proto/wire.h"
#include "report_generated.h"

namespace polder::proto {
namespace {

namespace wire = report_wire;

constexpr std::int64_t kMaxTimeS = 253402300799;  // the end of year 9999
constexpr double kMaxReading = 1e6;
constexpr flatbuffers::uoffset_t kMaxTables = 16'384;  // a check-in holds those of many reports

// --- caps: the same for what is sent and what is received ---

Status check_size(std::string_view what, std::size_t size, std::size_t most) {
  if (size <= most) return {};
  return fail(Code::kExhausted, "report: {} has {}; {} at most", what, size, most);
}

Error corrupt(std::string_view what) { return fail(Code::kCorrupt, "report: {}", what); }

bool is_total(std::uint64_t count) { return count <= kMaxTotal; }
bool is_measure(double value) { return value >= 0 && std::isfinite(value); }

// Names of devices, units, releases, versions.
bool is_plain(std::string_view text) {
  return std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-' || c == '+';
  });
}

Status check_plain(std::string_view what, std::string_view text, bool may_be_empty = false) {
  TRY(check_size(what, text.size(), kMaxNameBytes));
  if (!is_plain(text) || (text.empty() && !may_be_empty))
    return fail(Code::kCorrupt, "report: {} that cannot be a name", what);
  return {};
}

Status check_printable(std::string_view what, const std::string& text, std::size_t most) {
  TRY(check_size(what, text.size(), most));
  if (text != printable(text, most))
    return fail(Code::kCorrupt, "report: {} that cannot be shown", what);
  return {};
}

Status check_code(const std::optional<Code>& code) {
  if (code && (*code < Code::kInvalid || *code > Code::kTimeout))
    return corrupt("an error of no kind");
  return {};
}

template <class Kind>
bool is_kind(Kind kind, int count) {
  return int(kind) >= 1 && int(kind) <= count;
}

Status check(const std::optional<ReportRelease>& release) {
  if (!release) return {};
  TRY(check_plain("a release", release->model));
  return check_plain("a version", release->version);
}

Status check(const ReportAlarm& alarm) {
  if (!is_kind(alarm.what, kAlarmKinds) || !is_measure(alarm.evidence) ||
      !is_measure(alarm.mean_run))
    return corrupt("an alarm that cannot be");
  TRY(check_plain("a unit", alarm.unit, true));
  TRY(check(alarm.release));
  TRY(check_code(alarm.code));
  TRY(check_printable("an alarm's text", alarm.text, kMaxErrorBytes));
  return check_printable("a signal", alarm.signal, kMaxNameBytes);
}

Status check(const ReportLifecycle& notice) {
  if (!is_kind(notice.what, kLifecycleKinds)) return corrupt("a notice of no kind");
  TRY(check_plain("a unit", notice.unit, true));
  return check(notice.release);
}

Status check(const ReportUnit& unit) {
  TRY(check_plain("a unit", unit.name));
  TRY(check(unit.release));
  if (int(unit.health) >= kReportHealths) return corrupt("a health of no kind");
  for (const std::uint64_t total : {unit.starts, unit.crashes, unit.frames, unit.events,
                                    unit.encoded_bytes, unit.decoded_bytes, unit.event_bytes})
    if (!is_total(total)) return corrupt("a total that cannot be");
  if (!std::ranges::all_of(unit.errors, is_total)) return corrupt("a total that cannot be");
  TRY(check_size("classes", unit.classes.size(), kMaxClasses));
  for (const ReportClass& item : unit.classes) {
    TRY(check_printable("a class", item.name, kMaxNameBytes));
    if (!is_total(item.count)) return corrupt("a total that cannot be");
  }
  TRY(check_size("stages", unit.stages.size(), kMaxStages));
  for (const ReportStage& stage : unit.stages) {
    TRY(check_printable("a stage", stage.name, kMaxNameBytes));
    if (!is_total(stage.packets)) return corrupt("a total that cannot be");
  }
  TRY(check_size("signals", unit.signals.size(), kMaxSignals));
  for (const ReportSignal& signal : unit.signals) {
    TRY(check_printable("a signal", signal.name, kMaxNameBytes));
    if (!std::ranges::all_of(signal.bins, is_total) || !is_total(signal.alarms) ||
        (signal.psi && !is_measure(*signal.psi)))
      return corrupt("a signal that cannot be");
  }
  return {};
}

Status check(const std::vector<telemetry::Reading>& readings) {
  TRY(check_size("readings", readings.size(), kMaxReportReadings));
  for (const telemetry::Reading& reading : readings) {
    TRY(check_printable("a sensor", reading.sensor, kMaxErrorBytes));
    if (!(std::abs(reading.value) <= kMaxReading)) return corrupt("a reading that cannot be");
  }
  return {};
}

Status check(const ReportMetrics& metrics) {
  for (const std::uint64_t total : {metrics.window_ms, metrics.sent_bytes, metrics.scraped_bytes,
                                    metrics.waiting_reports, metrics.waiting_bytes})
    if (!is_total(total)) return corrupt("a total that cannot be");
  TRY(check_size("units", metrics.units.size(), kMaxReportUnits));
  std::size_t sketches = 0;
  for (const ReportUnit& unit : metrics.units) {
    TRY(check(unit));
    sketches += unit.stages.size() + unit.signals.size();
  }
  TRY(check_size("sketches", sketches, kMaxReportSketches));
  TRY(check(metrics.temperatures_c));
  return check(metrics.powers_w);
}

Status check_time(std::int64_t time_s) {
  return time_s < 0 || time_s > kMaxTimeS ? corrupt("a time that cannot be") : Status();
}

Status check(const Report& report) {
  TRY(check_plain("a device", report.device));
  TRY(check_plain("a program", report.program));
  const ReportDropCounts& drops = report.drops;
  for (const std::uint64_t total :
       {report.boot, report.sequence, drops.alarms, drops.lifecycle, drops.metrics})
    if (!is_total(total)) return corrupt("a total that cannot be");
  TRY(check_time(report.time_s));
  return std::visit([](const auto& what) { return check(what); }, report.what);
}

Status check(const Machine& machine) {
  for (const std::string* text :
       {&machine.architecture, &machine.cpu, &machine.system, &machine.kernel})
    TRY(check_printable("a text of a machine", *text, kMaxNameBytes));
  for (const std::uint32_t number : {machine.cpus, machine.plan_format, machine.operators})
    if (number > kMaxMachineNumber) return corrupt("a machine that cannot be");
  if (!is_total(machine.memory_bytes)) return corrupt("a machine that cannot be");
  for (const auto* names : {&machine.targets, &machine.backends}) {
    TRY(check_size("targets", names->size(), kMaxMachineTargets));
    for (const std::string& name : *names) TRY(check_plain("a target", name));
  }
  return {};
}

Status check(const Checkin& checkin) {
  TRY(check_plain("a program", checkin.program));
  if (!is_total(checkin.timestamp)) return corrupt("a version that cannot be");
  TRY(check_time(checkin.time_s));
  if (checkin.machine) TRY(check(*checkin.machine));
  TRY(check_size("reports", checkin.reports.size(), kMaxCheckinReports));
  std::size_t sketches = 0;
  for (const Report& report : checkin.reports) {
    TRY(check(report));
    if (const auto* metrics = std::get_if<ReportMetrics>(&report.what))
      for (const ReportUnit& unit : metrics->units)
        sketches += unit.stages.size() + unit.signals.size();
  }
  return check_size("sketches", sketches, kMaxCheckinSketches);
}

// --- to bytes ---

std::uint8_t code_number(const std::optional<Code>& code) { return code ? std::uint8_t(*code) : 0; }

Offset<wire::Release> write(Builder& to, const std::optional<ReportRelease>& release) {
  if (!release) return 0;
  const auto model = to.CreateString(release->model), version = to.CreateString(release->version);
  const wire::Digest digest(flatbuffers::make_span(release->manifest));
  return wire::CreateRelease(to, model, version, &digest);
}

auto write(Builder& to, const ReportAlarm& alarm) {
  const auto unit = to.CreateString(alarm.unit), text = to.CreateString(alarm.text),
             signal = to.CreateString(alarm.signal);
  const auto release = write(to, alarm.release);
  return wire::CreateAlarm(to, std::uint8_t(alarm.what), unit, release, code_number(alarm.code),
                           text, signal, alarm.evidence, alarm.mean_run);
}

auto write(Builder& to, const ReportLifecycle& notice) {
  const auto unit = to.CreateString(notice.unit);
  const auto release = write(to, notice.release);
  return wire::CreateLifecycle(to, std::uint8_t(notice.what), unit, release);
}

auto write(Builder& to, const ReportUnit& unit) {
  std::vector<Offset<wire::ErrorCount>> errors;
  for (std::size_t i = 0; i < unit.errors.size(); ++i)
    if (unit.errors[i] > 0)
      errors.push_back(wire::CreateErrorCount(to, std::uint8_t(i), unit.errors[i]));
  const auto name = to.CreateString(unit.name);
  const auto release = write(to, unit.release);
  const auto error_list = to.CreateVector(errors);
  const auto classes = each(to, unit.classes, [&](const ReportClass& item) {
    return wire::CreateClassCount(to, to.CreateString(item.name), item.count);
  });
  const auto stages = each(to, unit.stages, [&](const ReportStage& stage) {
    const auto title = to.CreateString(stage.name);
    const auto latency = write_sketch(to, stage.latency_ms, wire::CreateSketch);
    return wire::CreateStage(to, title, stage.packets, latency);
  });
  const auto signals = each(to, unit.signals, [&](const ReportSignal& signal) {
    const auto title = to.CreateString(signal.name);
    const auto values = write_sketch(to, signal.values, wire::CreateSketch);
    const auto bins = to.CreateVector(signal.bins.data(), signal.bins.size());
    const auto psi = signal.psi ? flatbuffers::Optional<double>(*signal.psi) : flatbuffers::nullopt;
    return wire::CreateSignal(to, title, values, bins, psi, signal.alarms);
  });
  return wire::CreateUnit(to, name, release, std::uint8_t(unit.health), unit.starts, unit.crashes,
                          unit.frames, unit.events, unit.encoded_bytes, unit.decoded_bytes,
                          unit.event_bytes, error_list, classes, stages, signals);
}

auto write(Builder& to, const std::vector<telemetry::Reading>& readings) {
  return each(to, readings, [&](const telemetry::Reading& reading) {
    return wire::CreateReading(to, to.CreateString(reading.sensor), reading.value);
  });
}

auto write(Builder& to, const ReportMetrics& metrics) {
  const auto units =
      each(to, metrics.units, [&](const ReportUnit& unit) { return write(to, unit); });
  const auto temperatures = write(to, metrics.temperatures_c);
  const auto powers = write(to, metrics.powers_w);
  return wire::CreateMetrics(to, metrics.window_ms, units, temperatures, powers, metrics.sent_bytes,
                             metrics.scraped_bytes, metrics.waiting_reports, metrics.waiting_bytes);
}

template <class T>
wire::Body body_type(Offset<T>) {
  return wire::BodyTraits<T>::enum_value;
}

auto write(Builder& to, const Report& report) {
  const auto device = to.CreateString(report.device), program = to.CreateString(report.program);
  const wire::Drops drops(report.drops.alarms, report.drops.lifecycle, report.drops.metrics);
  const auto finish = [&](const auto& what) {
    const auto body = write(to, what);
    return wire::CreateReport(to, device, program, report.boot, report.sequence, report.time_s,
                              &drops, body_type(body), body.Union(), report.epoch);
  };
  return std::visit(finish, report.what);
}

Offset<wire::Machine> write(Builder& to, const std::optional<Machine>& machine) {
  if (!machine) return 0;
  const auto architecture = to.CreateString(machine->architecture),
             cpu = to.CreateString(machine->cpu), system = to.CreateString(machine->system),
             kernel = to.CreateString(machine->kernel);
  const auto targets = to.CreateVectorOfStrings(machine->targets),
             backends = to.CreateVectorOfStrings(machine->backends);
  const wire::Digest digest(flatbuffers::make_span(machine->operators_digest));
  return wire::CreateMachine(to, architecture, cpu, machine->cpus, machine->memory_bytes, system,
                             kernel, targets, backends, machine->plan_format, machine->operators,
                             &digest);
}

auto write(Builder& to, const Checkin& checkin) {
  const auto program = to.CreateString(checkin.program);
  const auto reports =
      each(to, checkin.reports, [&](const Report& report) { return write(to, report); });
  const auto machine = write(to, checkin.machine);
  return wire::CreateCheckin(to, program, checkin.timestamp, reports, checkin.time_s, machine);
}

template <class T>
wire::Content content_type(Offset<T>) {
  return wire::ContentTraits<T>::enum_value;
}

// The texts of errors and of a machine are cut and so never above their cap.
void cut(Report& report) {
  if (auto* alarm = std::get_if<ReportAlarm>(&report.what))
    alarm->text = printable(alarm->text, kMaxErrorBytes);
}

void cut(Checkin& checkin) {
  for (Report& report : checkin.reports) cut(report);
  if (!checkin.machine) return;
  Machine& machine = *checkin.machine;
  for (std::string* text : {&machine.architecture, &machine.cpu, &machine.system, &machine.kernel})
    *text = printable(*text, kMaxNameBytes);
}

std::size_t max_bytes(const ReportMessage& message) {
  return std::holds_alternative<Report>(message) ? kMaxReportMessageBytes : kMaxCheckinBytes;
}

// --- from bytes ---

std::optional<Code> code_of(std::uint8_t number) {
  return number == 0 ? std::nullopt : std::optional(Code(number));
}

std::array<std::uint8_t, 32> digest_of(const wire::Digest& from) {
  std::array<std::uint8_t, 32> digest{};
  for (std::size_t i = 0; i < digest.size(); ++i)
    digest[i] = from.bytes()->Get(flatbuffers::uoffset_t(i));
  return digest;
}

std::optional<ReportRelease> read(const wire::Release* from) {
  if (!from) return {};
  return ReportRelease{from->model()->str(), from->version()->str(), digest_of(*from->manifest())};
}

Result<std::vector<std::string>> read(const Strings& from) {
  TRY(check_size("targets", from.size(), kMaxMachineTargets));
  std::vector<std::string> names;
  for (const flatbuffers::String* name : from) names.push_back(name->str());
  return names;
}

Result<Machine> read(const wire::Machine& from) {
  Machine machine{.architecture = from.architecture()->str(),
                  .cpu = from.cpu()->str(),
                  .cpus = from.cpus(),
                  .memory_bytes = from.memory_bytes(),
                  .system = from.system()->str(),
                  .kernel = from.kernel()->str(),
                  .targets = {},
                  .backends = {},
                  .plan_format = from.plan_format(),
                  .operators = from.operators(),
                  .operators_digest = digest_of(*from.operators_digest())};
  TRY_VALUE(machine.targets, read(*from.targets()));
  TRY_VALUE(machine.backends, read(*from.backends()));
  return machine;
}

ReportAlarm read(const wire::Alarm& from) {
  return {.what = AlarmKind(from.what()),
          .unit = from.unit()->str(),
          .release = read(from.release()),
          .code = code_of(from.code()),
          .text = from.text()->str(),
          .signal = from.signal()->str(),
          .evidence = from.evidence(),
          .mean_run = from.mean_run()};
}

ReportLifecycle read(const wire::Lifecycle& from) {
  return {LifecycleKind(from.what()), from.unit()->str(), read(from.release())};
}

Status read_errors(const wire::Unit& from, ErrorCounts& errors) {
  for (const wire::ErrorCount* item : *from.errors()) {
    if (item->code() >= errors.size() || item->count() == 0 || errors[item->code()] != 0)
      return corrupt("a count of errors that cannot be");
    errors[item->code()] = item->count();
  }
  return {};
}

Status read_signals(const wire::Unit& from, std::vector<ReportSignal>& signals) {
  for (const wire::Signal* item : *from.signals()) {
    ReportSignal& signal = signals.emplace_back();
    signal.name = item->name()->str();
    TRY_VALUE(signal.values, read_sketch(*item->values()));
    const auto bins = numbers(*item->bins());
    if (bins.size() != signal.bins.size()) return corrupt("a signal of another number of bins");
    std::ranges::copy(bins, signal.bins.begin());
    if (const auto psi = item->psi()) signal.psi = *psi;
    signal.alarms = item->alarms();
  }
  return {};
}

Result<ReportUnit> read(const wire::Unit& from) {
  ReportUnit unit{.name = from.name()->str(),
                  .release = read(from.release()),
                  .health = ReportHealth(from.health()),
                  .starts = from.starts(),
                  .crashes = from.crashes(),
                  .frames = from.frames(),
                  .events = from.events(),
                  .encoded_bytes = from.encoded_bytes(),
                  .decoded_bytes = from.decoded_bytes(),
                  .event_bytes = from.event_bytes()};
  TRY(read_errors(from, unit.errors));
  TRY(check_size("classes", from.classes()->size(), kMaxClasses));
  for (const wire::ClassCount* item : *from.classes())
    unit.classes.push_back({item->name()->str(), item->count()});
  for (const wire::Stage* item : *from.stages()) {
    TRY_VALUE(telemetry::Sketch sketch, read_sketch(*item->latency_ms()));
    unit.stages.push_back({item->name()->str(), item->packets(), std::move(sketch)});
  }
  TRY(read_signals(from, unit.signals));
  return unit;
}

Result<std::vector<telemetry::Reading>> read(const Vector<Offset<wire::Reading>>& from) {
  TRY(check_size("readings", from.size(), kMaxReportReadings));
  std::vector<telemetry::Reading> readings;
  for (const wire::Reading* item : from) readings.push_back({item->sensor()->str(), item->value()});
  return readings;
}

Result<ReportMetrics> read(const wire::Metrics& from) {
  ReportMetrics metrics{.window_ms = from.window_ms(),
                        .sent_bytes = from.sent_bytes(),
                        .scraped_bytes = from.scraped_bytes(),
                        .waiting_reports = from.waiting_reports(),
                        .waiting_bytes = from.waiting_bytes()};
  // Before anything is made of them: what is pointed to twice costs its sender nothing.
  TRY(check_size("units", from.units()->size(), kMaxReportUnits));
  std::size_t sketches = 0;
  for (const wire::Unit* unit : *from.units()) {
    TRY(check_size("stages", unit->stages()->size(), kMaxStages));
    TRY(check_size("signals", unit->signals()->size(), kMaxSignals));
    sketches += unit->stages()->size() + unit->signals()->size();
  }
  TRY(check_size("sketches", sketches, kMaxReportSketches));
  for (const wire::Unit* unit : *from.units()) {
    TRY_VALUE(ReportUnit read_unit, read(*unit));
    metrics.units.push_back(std::move(read_unit));
  }
  TRY_VALUE(metrics.temperatures_c, read(*from.temperatures_c()));
  TRY_VALUE(metrics.powers_w, read(*from.powers_w()));
  return metrics;
}

Result<Report> read(const wire::Report& from) {
  Report report{
      .device = from.device()->str(),
      .program = from.program()->str(),
      .boot = from.boot(),
      .sequence = from.sequence(),
      .time_s = from.time_s(),
      .drops = {from.drops()->alarms(), from.drops()->lifecycle(), from.drops()->metrics()},
      .epoch = from.epoch()};
  if (const auto* alarm = from.body_as_Alarm()) {
    report.what = read(*alarm);
  } else if (const auto* notice = from.body_as_Lifecycle()) {
    report.what = read(*notice);
  } else if (const auto* metrics = from.body_as_Metrics()) {
    TRY_VALUE(report.what, read(*metrics));
  } else {
    return corrupt("a report of a kind that is not known");
  }
  return report;
}

Result<ReportMessage> read(const wire::Message& message) {
  if (const auto* report = message.content_as_Report()) {
    TRY_VALUE(Report found, read(*report));
    return ReportMessage(std::move(found));
  }
  if (const auto* checkin = message.content_as_Checkin()) {
    TRY(check_size("reports", checkin->reports()->size(), kMaxCheckinReports));
    std::size_t sketches = 0;
    for (const wire::Report* report : *checkin->reports()) {
      const auto* metrics = report->body_as_Metrics();
      if (!metrics) continue;
      TRY(check_size("units", metrics->units()->size(), kMaxReportUnits));
      for (const wire::Unit* unit : *metrics->units())
        sketches += unit->stages()->size() + unit->signals()->size();
    }
    TRY(check_size("sketches", sketches, kMaxCheckinSketches));
    Checkin found{.program = checkin->program()->str(),
                  .timestamp = checkin->timestamp(),
                  .reports = {},
                  .time_s = checkin->time_s(),
                  .machine = {}};
    if (const wire::Machine* machine = checkin->machine()) {
      TRY_VALUE(found.machine, read(*machine));
    }
    for (const wire::Report* report : *checkin->reports()) {
      TRY_VALUE(Report one, read(*report));
      found.reports.push_back(std::move(one));
    }
    return ReportMessage(std::move(found));
  }
  return corrupt("a message of a kind that is not known");
}

}  // namespace

std::string_view alarm_name(AlarmKind kind) {
  constexpr std::string_view kNames[] = {"drift",         "crash_loop",      "rolled_back",
                                         "update_failed", "release_refused", "metadata_refused",
                                         "not_running"};
  return is_kind(kind, kAlarmKinds) ? kNames[std::size_t(kind) - 1] : "";
}

std::string_view lifecycle_name(LifecycleKind kind) {
  constexpr std::string_view kNames[] = {"started", "update_begun", "activated", "committed"};
  return is_kind(kind, kLifecycleKinds) ? kNames[std::size_t(kind) - 1] : "";
}

std::string_view health_name(ReportHealth health) {
  constexpr std::string_view kNames[] = {"idle", "starting", "well", "failed"};
  return std::size_t(health) < std::size(kNames) ? kNames[std::size_t(health)] : "";
}

Result<std::string> encode(const ReportMessage& given) {
  ReportMessage message = given;
  std::visit([](auto& content) { cut(content); }, message);
  TRY(std::visit([](const auto& content) { return check(content); }, message));
  Builder to(1024);
  const auto finish = [&](const auto& content) {
    const auto written = write(to, content);
    to.Finish(wire::CreateMessage(to, content_type(written), written.Union()),
              wire::MessageIdentifier());
  };
  std::visit(finish, message);
  TRY(check_size("it", to.GetSize(), max_bytes(message)));
  return std::string(reinterpret_cast<const char*>(to.GetBufferPointer()), to.GetSize());
}

Result<ReportMessage> decode_report_message(std::string_view bytes) {
  TRY(check_size("it", bytes.size(), kMaxCheckinBytes));
  const VerifiedAs<wire::Message> verified(bytes, wire::VerifyMessageBuffer, wire::GetMessage,
                                           kMaxTables);
  if (!verified.message) return corrupt("not a message of this protocol");
  TRY_VALUE(ReportMessage message, read(*verified.message));
  TRY(check_size("it", bytes.size(), max_bytes(message)));
  TRY(std::visit([](const auto& content) { return check(content); }, message));
  return message;
}

}  // namespace polder::proto
