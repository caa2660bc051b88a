#include "telemetry/prometheus.h"

#include <gtest/gtest.h>

#include <cmath>

namespace polder::telemetry {
namespace {

TEST(Prometheus, Text) {
  PrometheusText text;
  text.metric("polder_frames_total", "counter", "Frames\nseen, \"all\".");
  text.sample({{"unit", "a \"b\"\\\n"}, {"stage", "detect"}}, 12345678);
  text.metric("polder_up", "gauge", "1 while it runs.");
  text.sample({}, std::nan(""));
  Sketch sketch;
  sketch.add(2);
  text.metric("polder_latency_ms", "summary", "Of a call.");
  text.summary({{"stage", "x"}}, sketch);
  EXPECT_EQ(text.text(),
            "# HELP polder_frames_total Frames\\nseen, \"all\".\n"
            "# TYPE polder_frames_total counter\n"
            "polder_frames_total{unit=\"a \\\"b\\\"\\\\\\n\",stage=\"detect\"} 12345678\n"
            "# HELP polder_up 1 while it runs.\n"
            "# TYPE polder_up gauge\n"
            "polder_up NaN\n"
            "# HELP polder_latency_ms Of a call.\n"
            "# TYPE polder_latency_ms summary\n"
            "polder_latency_ms{stage=\"x\",quantile=\"0.5\"} 2\n"
            "polder_latency_ms{stage=\"x\",quantile=\"0.9\"} 2\n"
            "polder_latency_ms{stage=\"x\",quantile=\"0.99\"} 2\n"
            "polder_latency_ms_sum{stage=\"x\"} 2\n"
            "polder_latency_ms_count{stage=\"x\"} 1\n");
}

}  // namespace
}  // namespace polder::telemetry
