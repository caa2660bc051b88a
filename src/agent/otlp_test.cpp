// Reports in the words of OpenTelemetry, held to opentelemetry-proto's JSON.
#include "agent/otlp.h"

#include <gtest/gtest.h>

#include "trust/json.h"

namespace polder::agent {
namespace {

using trust::Json;

proto::Report with(decltype(proto::Report::what) what) {
  return {.device = "camera-17",
          .program = "0.1.0",
          .boot = 3,
          .sequence = 12,
          .time_s = 1'796'000'000,
          .drops = {1, 2, 3},
          .epoch = 255,
          .what = std::move(what)};
}

proto::ReportRelease release() { return {"people", "1.2.0", {}}; }

Json parsed(const std::string& text) {
  auto json = Json::parse(text, "body");
  EXPECT_TRUE(json.ok()) << text;
  return json.ok() ? std::move(*json) : Json();
}

const Json& first(const Json& json, const char* name) { return json.find(name)->array()->at(0); }

// The value of an attribute, whatever its kind, as JSON.
std::string attribute(const Json& holder, const std::string& key) {
  for (const Json& item : *holder.find("attributes")->array())
    if (*item.find("key")->string() == key) return item.find("value")->compact();
  return "";
}

TEST(Otlp, MetricsAreDeltasOfTheirWindow) {
  proto::ReportUnit unit{.name = "people",
                         .release = release(),
                         .health = proto::ReportHealth::kWell,
                         .frames = 9'007'199'254'740'992};  // 2^53: text in JSON
  proto::ReportStage& stage = unit.stages.emplace_back();
  stage.name = "detect";
  stage.latency_ms.add(4, 3);
  stage.latency_ms.add(60'000);
  const OtlpRequest request =
      otlp_request(std::vector{with(proto::ReportMetrics{.window_ms = 300'000, .units = {unit}})});
  EXPECT_EQ(request.path, "/v1/metrics");
  const Json body = parsed(request.body);
  const Json& resource = first(body, "resourceMetrics");
  EXPECT_EQ(attribute(*resource.find("resource"), "service.name"), R"({"stringValue":"polderd"})");
  EXPECT_EQ(attribute(*resource.find("resource"), "device.id"), R"({"stringValue":"camera-17"})");
  std::map<std::string, const Json*> metrics;
  for (const Json& metric : *first(resource, "scopeMetrics").find("metrics")->array())
    metrics[*metric.find("name")->string()] = &metric;
  const Json& frames = *metrics.at("polder.frames");
  EXPECT_EQ(*frames.find("unit")->string(), "{frame}");
  EXPECT_EQ(*frames.find("sum")->find("aggregationTemporality")->integer(), 1);
  EXPECT_EQ(*frames.find("sum")->find("isMonotonic")->boolean(), true);
  const Json& point = first(*frames.find("sum"), "dataPoints");
  EXPECT_EQ(*point.find("asInt")->string(), "9007199254740992");
  EXPECT_EQ(*point.find("timeUnixNano")->string(), "1796000000000000000");
  EXPECT_EQ(*point.find("startTimeUnixNano")->string(), "1795999700000000000");
  EXPECT_EQ(attribute(point, "polder.release.version"), R"({"stringValue":"1.2.0"})");
  const Json& duration = *metrics.at("polder.stage.duration");
  EXPECT_EQ(*duration.find("unit")->string(), "s");
  const Json& spread = first(*duration.find("histogram"), "dataPoints");
  EXPECT_EQ(*spread.find("count")->string(), "4");
  EXPECT_DOUBLE_EQ(*spread.find("sum")->number(), 60.012);
  EXPECT_DOUBLE_EQ(*spread.find("max")->number(), 60);
  const Json::Array& counts = *spread.find("bucketCounts")->array();
  EXPECT_EQ(counts.size(), spread.find("explicitBounds")->array()->size() + 1);
  EXPECT_EQ(*counts.at(3).string(), "3");  // 0.002 to 0.005
  EXPECT_EQ(*counts.back().string(), "1");
}

TEST(Otlp, AlarmsAndNoticesAreLogRecordsThatAreKnownAgain) {
  const std::vector<proto::Report> reports = {
      with(proto::ReportAlarm{.what = proto::AlarmKind::kDrift,
                              .unit = "people",
                              .release = release(),
                              .code = {},
                              .text = "",
                              .signal = "camera.brightness",
                              .evidence = 2e5,
                              .mean_run = 1e5}),
      with(proto::ReportLifecycle{proto::LifecycleKind::kCommitted, "people", release()}),
      with(proto::ReportMetrics{})};
  const OtlpRequest request = otlp_request(reports);
  EXPECT_EQ(request.path, "/v1/logs");
  const Json body = parsed(request.body);
  ASSERT_EQ(body.find("resourceLogs")->array()->size(), 2u);
  const Json& log = first(first(first(body, "resourceLogs"), "scopeLogs"), "logRecords");
  EXPECT_EQ(*log.find("eventName")->string(), "polder.alarm.drift");
  EXPECT_EQ(*log.find("severityNumber")->integer(), 13);
  EXPECT_EQ(attribute(log, "log.record.uid"),
            R"({"stringValue":"camera-17/3/00000000000000ff/12"})");
  EXPECT_EQ(attribute(log, "polder.boot"), R"({"intValue":"3"})");
  EXPECT_EQ(attribute(log, "polder.signal"), R"({"stringValue":"camera.brightness"})");
  EXPECT_NE(attribute(log, "polder.evidence").find("doubleValue"), std::string::npos);
}

TEST(Otlp, TimesBeyondNanosecondsOf64BitsAreTheLast) {
  proto::Report late = with(proto::ReportMetrics{.window_ms = std::uint64_t(1) << 53});
  late.time_s = 253'402'300'799;
  const std::string body = otlp_request(std::vector{late}).body;
  EXPECT_NE(body.find("\"timeUnixNano\":\"18000000000000000000\""), std::string::npos);
}

}  // namespace
}  // namespace polder::agent
