// The page `/metrics`: how a device is doing now, in Prometheus' text format.
//
//   reporter.absorb();
//   const std::string text = metrics_page({config, state, reporter, runner, readings, updates});
//
// Counters are since the agent started; a reset is one that Prometheus knows. Units are its base
// units. The labels are those of reports (proto/report.h), and nothing else from a worker.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "agent/config.h"
#include "agent/driver.h"
#include "agent/reporter.h"
#include "telemetry/sensors.h"

namespace polder::agent {

// How updates go, beside what the state says.
struct UpdateStanding {
  std::uint64_t roll_backs = 0;             // since the agent started
  std::uint64_t refusals = 0;               // of the last check that went well
  std::int64_t checked_well_s = 0;          // when that was, since 1970; 0: not since the start
  bool is_check_failed = false;             // the last one
  std::optional<std::uint64_t> free_bytes;  // of the folder; none: nobody can tell
  bool is_audit_signed = false;
};

struct MetricsFacts {
  const Config& config;
  const AgentState& state;
  Reporter& reporter;
  Runner& runner;
  const telemetry::Readings& readings;
  const UpdateStanding& updates;
};

std::string metrics_page(const MetricsFacts& facts);

}  // namespace polder::agent
