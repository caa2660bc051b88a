#include "measure/report.h"

#include <fmt/format.h>

#include "base/json_text.h"

namespace polder {
namespace {

std::string number_or_null(const std::optional<std::int64_t>& number) {
  return number ? fmt::format("{}", *number) : "null";
}

}  // namespace

std::string to_json(const BenchReport& report) {
  const BenchResult& result = report.result;
  const LatencySummary& latency = result.load.latency;
  std::optional<std::int64_t> peak, above;
  if (report.footprint) {
    peak = report.footprint->peak_rss_bytes;
    above = report.footprint->rss_above_empty_bytes;
  }
  std::string text =
      fmt::format(R"({{"model":{},"runtime":{},"isa":{},"threads":{},"runs":{},"latency_us":)",
                  json_quote(report.model), json_quote(report.runtime), json_quote(report.isa),
                  report.threads, latency.runs);
  text += fmt::format(
      R"({{"min":{:.3f},"p50":{:.3f},"p90":{:.3f},"p99":{:.3f},"max":{:.3f},"mean":{:.3f}}},)",
      latency.min_us, latency.p50_us, latency.p90_us, latency.p99_us, latency.max_us,
      latency.mean_us);
  text += fmt::format(R"("throughput_per_s":{:.3f},"open_us":{{"first":{:.3f},"min":{:.3f}}},)"
                      R"("first_run_us":{:.3f},)",
                      result.load.throughput_per_s, result.open.first_us, result.open.min_us,
                      result.first_run_us);
  text += report.open_plan ? fmt::format(R"("open_plan_us":{{"first":{:.3f},"min":{:.3f}}},)",
                                         report.open_plan->first_us, report.open_plan->min_us)
                           : R"("open_plan_us":null,)";
  text +=
      fmt::format(R"("arena_bytes":{},"peak_rss_bytes":{},"rss_above_empty_bytes":{}}})",
                  number_or_null(report.arena_bytes), number_or_null(peak), number_or_null(above));
  return text + '\n';
}

}  // namespace polder
