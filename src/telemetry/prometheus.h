// Writes metrics in Prometheus' text format 0.0.4.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "telemetry/sketch.h"

namespace polder::telemetry {

inline constexpr char kPrometheusType[] = "text/plain; version=0.0.4; charset=utf-8";

// Names are of this program: "polder_frames_total", "unit". Values of labels may be anything.
using Labels = std::vector<std::pair<std::string_view, std::string_view>>;

class PrometheusText {
 public:
  // Begins a metric, all of whose samples follow. `type`: "counter", "gauge" or "summary".
  void metric(std::string_view name, std::string_view type, std::string_view help);
  void sample(const Labels& labels, double value);
  // The 0.5, 0.9 and 0.99 quantiles, sum and count of a summary.
  // `scale`: of the sketch's values to the metric's unit.
  void summary(const Labels& labels, const Sketch& sketch, double scale = 1);
  const std::string& text() const { return text_; }

 private:
  void line(std::string_view suffix, const Labels& labels, double value);
  std::string name_, text_;
};

}  // namespace polder::telemetry
