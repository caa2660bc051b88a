// What a unit's worker has reported: numbers under names that it said before its first frame.
#pragma once

#include <map>
#include <string>

#include "proto/worker.h"
#include "telemetry/counters.h"

namespace polder::agent {

struct Observed {
  struct Stage {
    std::uint64_t packets = 0;
    telemetry::Sketch latency_ms;
  };
  struct Signal {
    telemetry::Sketch values;
    telemetry::BinCounts bins{};
    std::uint64_t alarms = 0;
  };
  std::uint64_t frames = 0, events = 0;
  // Seen by the sensor and written by sinks.
  std::uint64_t encoded_bytes = 0, decoded_bytes = 0, event_bytes = 0;
  // Of what sinks wrote: kept on the device, deleted for its cap, not taken by the disk.
  std::uint64_t kept_bytes = 0, dropped_bytes = 0, lost_bytes = 0;
  std::uint64_t crashes = 0;
  telemetry::Counters classes;
  std::map<std::string, Stage> stages;
  std::map<std::string, Signal> signals;

  // Errors: kCorrupt for a number that stands for no name.
  Status add(const proto::Ready& names, const proto::Aggregates& all);
  Status add(const proto::Ready& names, const proto::Alarm& alarm);
};

}  // namespace polder::agent
