#include "measure/report.h"

#include <gtest/gtest.h>

namespace polder {
namespace {

TEST(Report, EveryFieldOnOneLine) {
  BenchReport report;
  report.model = "m.onnx";
  report.runtime = "r 1";
  report.isa = "generic";
  report.result.open = {12.5, 10};
  report.result.first_run_us = 3;
  report.result.load.latency = {
      .runs = 9, .min_us = 1, .p50_us = 2, .p90_us = 3, .p99_us = 4, .max_us = 5, .mean_us = 2.25};
  report.result.load.throughput_per_s = 444;
  EXPECT_EQ(
      to_json(report),
      R"({"model":"m.onnx","runtime":"r 1","isa":"generic","threads":1,"runs":9,)"
      R"("latency_us":{"min":1.000,"p50":2.000,"p90":3.000,"p99":4.000,"max":5.000,"mean":2.250},)"
      R"("throughput_per_s":444.000,"open_us":{"first":12.500,"min":10.000},"first_run_us":3.000,)"
      R"("open_plan_us":null,"arena_bytes":null,)"
      R"("peak_rss_bytes":null,"rss_above_empty_bytes":null})"
      "\n");
  report.arena_bytes = 64;
  report.footprint = Footprint{100, 40};
  report.open_plan = OpenTimes{3, 2};
  EXPECT_NE(to_json(report).find(R"("open_plan_us":{"first":3.000,"min":2.000})"),
            std::string::npos);
  EXPECT_NE(
      to_json(report).find(R"("arena_bytes":64,"peak_rss_bytes":100,"rss_above_empty_bytes":40)"),
      std::string::npos);
}

}  // namespace
}  // namespace polder
