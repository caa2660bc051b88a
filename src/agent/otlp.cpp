#include "agent/otlp.h"

#include <algorithm>
#include <map>

#include "base/fail.h"
#include "trust/digest.h"
#include "trust/json.h"

namespace polder::agent {

namespace {

using trust::Json;

constexpr int kDelta = 1;             // AggregationTemporality
constexpr int kInfo = 9, kWarn = 13;  // SeverityNumber

// Of latencies, in seconds; of signals and scores, which are in 0 to 1.
constexpr double kLatencyBounds[] = {0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075,
                                     0.1,    0.15,  0.2,   0.3,   0.5,  1,    2.5,  10};
constexpr double kSignalBounds[] = {0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5,
                                    0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95};

// Integers of 64 bits are text in JSON of protobuf.
Json text_of(std::uint64_t number) { return fmt::format("{}", number); }

// Since 1970, as far as 64 bits go.
std::uint64_t nanoseconds(std::int64_t time_s) {
  constexpr std::int64_t kLastS = 18'000'000'000;
  return std::uint64_t(std::clamp<std::int64_t>(time_s, 0, kLastS)) * 1'000'000'000;
}

using Attributes = Json::Array;

Json attribute_of(std::string_view key, Json value) {
  return Json::Members{{"key", key}, {"value", std::move(value)}};
}
Json attribute(std::string_view key, std::string_view value) {
  return attribute_of(key, Json(Json::Members{{"stringValue", value}}));
}
Json attribute(std::string_view key, std::uint64_t value) {
  return attribute_of(key, Json(Json::Members{{"intValue", text_of(value)}}));
}

void add_release(Attributes& to, const std::optional<proto::ReportRelease>& release) {
  if (!release) return;
  to.push_back(attribute("polder.release.model", release->model));
  to.push_back(attribute("polder.release.version", release->version));
  to.push_back(attribute("polder.release.manifest", trust::hex(release->manifest)));
}

Json resource(const proto::Report& report) {
  return Json::Members{{"attributes", Json::Array{attribute("service.name", "polderd"),
                                                  attribute("service.version", report.program),
                                                  attribute("service.instance.id", report.device),
                                                  attribute("device.id", report.device)}}};
}

Json scope(const proto::Report& report) {
  return Json::Members{{"name", "polder.report"}, {"version", report.program}};
}

// --- Metrics -------------------------------------------------------------------------------------

// The metrics of one report, by name.
class Metrics {
 public:
  explicit Metrics(const proto::Report& report) {
    const auto& window = std::get<proto::ReportMetrics>(report.what).window_ms;
    const std::uint64_t time_ns = nanoseconds(report.time_s);
    time_ = text_of(time_ns);
    start_ = text_of(time_ns - std::min(window, time_ns / 1'000'000) * 1'000'000);
  }

  void sum(std::string_view name, std::string_view unit, const Attributes& attributes,
           std::uint64_t value) {
    Json::Members point = this->point(attributes);
    point.emplace("asInt", text_of(value));
    add(name, unit, "sum", std::move(point));
  }
  void gauge(std::string_view name, std::string_view unit, const Attributes& attributes,
             double value) {
    Json::Members point = this->point(attributes);
    point.emplace("asDouble", value);
    add(name, unit, "gauge", std::move(point));
  }
  // `scale`: of the sketch's values to the unit.
  void histogram(std::string_view name, std::string_view unit, const Attributes& attributes,
                 const telemetry::Sketch& sketch, std::span<const double> bounds, double scale) {
    std::vector<std::uint64_t> counts(bounds.size() + 1);
    for (const auto& [bucket, count] : sketch.buckets()) {
      const double middle =
          telemetry::Sketch::upper_bound(bucket) * (1 - telemetry::Sketch::kRelativeError) * scale;
      counts[std::size_t(std::ranges::lower_bound(bounds, middle) - bounds.begin())] += count;
    }
    Json::Members point = this->point(attributes);
    Json::Array bucket_counts, explicit_bounds;
    for (const std::uint64_t count : counts) bucket_counts.push_back(text_of(count));
    for (const double bound : bounds) explicit_bounds.push_back(bound);
    point.emplace("count", text_of(sketch.count()));
    point.emplace("sum", sketch.sum() * scale);
    if (sketch.count() > 0) {
      point.emplace("min", sketch.min() * scale);
      point.emplace("max", sketch.max() * scale);
    }
    point.emplace("bucketCounts", std::move(bucket_counts));
    point.emplace("explicitBounds", std::move(explicit_bounds));
    add(name, unit, "histogram", std::move(point));
  }

  Json take() {
    Json::Array list;
    for (auto& [name, metric] : metrics_) {
      Json::Members data{{"dataPoints", std::move(metric.points)}};
      if (metric.kind != "gauge") data.emplace("aggregationTemporality", kDelta);
      if (metric.kind == "sum") data.emplace("isMonotonic", true);
      Json::Members one{{"name", name}, {"unit", metric.unit}};
      one.emplace(metric.kind, std::move(data));
      list.push_back(std::move(one));
    }
    return list;
  }

 private:
  struct Metric {
    std::string unit, kind;
    Json::Array points;
  };
  Json::Members point(const Attributes& attributes) const {
    return {{"attributes", attributes}, {"startTimeUnixNano", start_}, {"timeUnixNano", time_}};
  }
  void add(std::string_view name, std::string_view unit, std::string_view kind,
           Json::Members point) {
    Metric& metric = metrics_[std::string(name)];
    metric.unit = unit;
    metric.kind = kind;
    metric.points.push_back(std::move(point));
  }

  Json start_, time_;
  std::map<std::string, Metric> metrics_;
};

Attributes with(Attributes attributes, std::string_view key, std::string_view value) {
  attributes.push_back(attribute(key, value));
  return attributes;
}

void write_unit(Metrics& to, const proto::ReportUnit& unit) {
  Attributes of{attribute("polder.unit", unit.name)};
  add_release(of, unit.release);
  to.sum("polder.frames", "{frame}", of, unit.frames);
  to.sum("polder.events", "{event}", of, unit.events);
  to.sum("polder.encoded", "By", of, unit.encoded_bytes);
  to.sum("polder.decoded", "By", of, unit.decoded_bytes);
  to.sum("polder.written", "By", of, unit.event_bytes);
  to.sum("polder.worker.starts", "{start}", of, unit.starts);
  to.gauge("polder.unit.up", "1", with(of, "polder.health", proto::health_name(unit.health)),
           unit.health == proto::ReportHealth::kWell ? 1 : 0);
  for (std::size_t i = 0; i < unit.errors.size(); ++i) {
    if (unit.errors[i] == 0) continue;
    const std::string_view kind = i == 0 ? std::string_view("none") : code_name(Code(i));
    to.sum("polder.worker.crashes", "{crash}", with(of, "error.type", kind), unit.errors[i]);
  }
  for (const proto::ReportClass& item : unit.classes)
    to.sum("polder.detections", "{detection}", with(of, "polder.class", item.name), item.count);
  for (const proto::ReportStage& stage : unit.stages) {
    const Attributes attributes = with(of, "polder.stage", stage.name);
    to.sum("polder.stage.packets", "{packet}", attributes, stage.packets);
    to.histogram("polder.stage.duration", "s", attributes, stage.latency_ms, kLatencyBounds, 1e-3);
  }
  for (const proto::ReportSignal& signal : unit.signals) {
    const Attributes attributes = with(of, "polder.signal", signal.name);
    to.histogram("polder.signal.value", "1", attributes, signal.values, kSignalBounds, 1);
    if (signal.psi) to.gauge("polder.signal.psi", "1", attributes, *signal.psi);
    if (signal.alarms > 0) to.sum("polder.signal.alarms", "{alarm}", attributes, signal.alarms);
  }
}

Json metrics_of(const proto::Report& report) {
  const auto& metrics = std::get<proto::ReportMetrics>(report.what);
  Metrics to(report);
  for (const proto::ReportUnit& unit : metrics.units) write_unit(to, unit);
  for (const telemetry::Reading& reading : metrics.temperatures_c)
    to.gauge("hw.temperature", "Cel", {attribute("hw.id", reading.sensor)}, reading.value);
  for (const telemetry::Reading& reading : metrics.powers_w)
    to.gauge("hw.power", "W", {attribute("hw.id", reading.sensor)}, reading.value);
  to.sum("polder.sent", "By", {}, metrics.sent_bytes);
  to.sum("polder.scraped", "By", {}, metrics.scraped_bytes);
  to.gauge("polder.reports.waiting", "{report}", {}, double(metrics.waiting_reports));
  const proto::ReportDropCounts& drops = report.drops;
  for (const auto& [kind, count] : {std::pair{"alarm", drops.alarms},
                                    {"lifecycle", drops.lifecycle},
                                    {"metrics", drops.metrics}})
    to.gauge("polder.reports.dropped", "{report}", {attribute("polder.kind", kind)}, double(count));
  return Json::Members{{"resource", resource(report)},
                       {"scopeMetrics", Json::Array{Json::Members{{"scope", scope(report)},
                                                                  {"metrics", to.take()}}}}};
}

// --- Logs ----------------------------------------------------------------------------------------

struct Record {
  std::string name, text;
  int severity = kInfo;
  Attributes attributes;
};

Record record_of(const proto::ReportAlarm& alarm) {
  Record record{.name = fmt::format("polder.alarm.{}", proto::alarm_name(alarm.what)),
                .text = alarm.text,
                .severity = kWarn,
                .attributes = {}};
  if (!alarm.unit.empty()) record.attributes.push_back(attribute("polder.unit", alarm.unit));
  add_release(record.attributes, alarm.release);
  if (alarm.code) record.attributes.push_back(attribute("error.type", code_name(*alarm.code)));
  if (alarm.what != proto::AlarmKind::kDrift) return record;
  record.attributes.push_back(attribute("polder.signal", alarm.signal));
  record.attributes.push_back(
      attribute_of("polder.evidence", Json(Json::Members{{"doubleValue", alarm.evidence}})));
  record.attributes.push_back(
      attribute_of("polder.mean_run", Json(Json::Members{{"doubleValue", alarm.mean_run}})));
  return record;
}

Record record_of(const proto::ReportLifecycle& notice) {
  Record record{.name = fmt::format("polder.lifecycle.{}", proto::lifecycle_name(notice.what)),
                .text = "",
                .severity = kInfo,
                .attributes = {}};
  if (!notice.unit.empty()) record.attributes.push_back(attribute("polder.unit", notice.unit));
  add_release(record.attributes, notice.release);
  return record;
}

Json log_of(const proto::Report& report) {
  const auto* alarm = std::get_if<proto::ReportAlarm>(&report.what);
  Record record =
      alarm ? record_of(*alarm) : record_of(std::get<proto::ReportLifecycle>(report.what));
  record.attributes.push_back(attribute("event.name", record.name));
  record.attributes.push_back(attribute("polder.boot", report.boot));
  record.attributes.push_back(attribute("polder.sequence", report.sequence));
  record.attributes.push_back(attribute(
      "log.record.uid",
      fmt::format("{}/{}/{:016x}/{}", report.device, report.boot, report.epoch, report.sequence)));
  const Json time = text_of(nanoseconds(report.time_s));
  const std::string body = record.text.empty() ? record.name : record.text;
  Json::Members log{{"timeUnixNano", time},
                    {"observedTimeUnixNano", time},
                    {"severityNumber", record.severity},
                    {"eventName", record.name},
                    {"body", Json::Members{{"stringValue", body}}},
                    {"attributes", std::move(record.attributes)}};
  return Json::Members{
      {"resource", resource(report)},
      {"scopeLogs", Json::Array{Json::Members{{"scope", scope(report)},
                                              {"logRecords", Json::Array{std::move(log)}}}}}};
}

}  // namespace

OtlpRequest otlp_request(std::span<const proto::Report> reports) {
  const bool metrics = !reports.empty() && is_metrics(reports[0]);
  Json::Array list;
  for (const proto::Report& report : reports)
    if (is_metrics(report) == metrics)
      list.push_back(metrics ? metrics_of(report) : log_of(report));
  const char* name = metrics ? "resourceMetrics" : "resourceLogs";
  Json::Members body;
  body.emplace(name, std::move(list));
  return {metrics ? "/v1/metrics" : "/v1/logs", Json(std::move(body)).compact()};
}

}  // namespace polder::agent
