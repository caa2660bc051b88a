// The page `/metrics`: how a device is doing now, in Prometheus' text format.
//
//   reporter.absorb();
//   const std::string text = metrics_page({config, state, reporter, runner, readings});
//
// Counters are since the agent started; a reset is one that Prometheus knows. Units are its base
// units. The labels are those of reports (proto/report.h), and nothing else from a worker.
#pragma once

#include <string>

#include "agent/config.h"
#include "agent/driver.h"
#include "agent/reporter.h"
#include "telemetry/sensors.h"

namespace polder::agent {

struct MetricsFacts {
  const Config& config;
  const AgentState& state;
  Reporter& reporter;
  Runner& runner;
  const telemetry::Readings& readings;
};

std::string metrics_page(const MetricsFacts& facts);

}  // namespace polder::agent
