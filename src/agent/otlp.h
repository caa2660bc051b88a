// Reports in the words of OpenTelemetry: OTLP/HTTP with JSON (opentelemetry-proto 1.x), for any
// collector.
//
//   const OtlpRequest request = otlp_request(reports);
//   client.post({.url = config.reports.otlp + request.path, ...}, kOtlpType, request.body, sink);
//
// Metrics become sums and histograms of delta temporality over their report's window, so that what
// was kept through an offline time adds up at its own time; a collector that wants cumulative ones
// has a processor for that. Alarms and notices of the life cycle become log records, whose
// `log.record.uid` is DEVICE/BOOT/SEQUENCE: the semantic conventions say that records of the same
// uid are one. Metrics have no such field; the same point again has the same start, time and
// attributes. Units are UCUM, durations seconds, attributes those of resource conventions where
// there is one (`service.*`, `device.id`), else `polder.*`.
//
// A sketch becomes a histogram with fixed bounds: a value within 2% of a bound may be counted on
// its other side; sum, count, least and greatest are the sketch's.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "proto/report.h"

namespace polder::agent {

inline constexpr char kOtlpType[] = "application/json";

struct OtlpRequest {
  std::string path;  // "/v1/metrics" or "/v1/logs"
  std::string body;
};

inline bool is_metrics(const proto::Report& report) {
  return std::holds_alternative<proto::ReportMetrics>(report.what);
}

// All metrics, or none of them: the first decides, of the others only its like are taken.
OtlpRequest otlp_request(std::span<const proto::Report> reports);

}  // namespace polder::agent
