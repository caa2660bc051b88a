// What a unit's worker has reported: numbers under names that it said before its first frame, and
// of classes under those that the release has.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/kept_output.h"
#include "agent/release_id.h"
#include "agent/release_names.h"
#include "proto/report.h"
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
  std::uint64_t starts = 0, crashes = 0;  // of the worker
  proto::ErrorCounts errors{};            // with which it ended
  telemetry::Counters classes;
  std::map<std::string, Stage> stages;
  std::map<std::string, Signal> signals;

  // Errors: kCorrupt for a number that stands for no name.
  Status add(const proto::Ready& names, const ClassNames& class_names,
             const proto::Aggregates& all);
  Status add(const proto::Ready& names, const proto::Alarm& alarm);
  void add(const KeptCounts& output);
  // Its worker has ended; without a code: without a word.
  void add_crash(std::optional<Code> code);
  void merge(const Observed& other);
  bool is_empty() const { return starts == 0 && crashes == 0 && stages.empty() && frames == 0; }
};

struct SignalAlarm {
  std::string signal;
  double evidence = 0, mean_run = 0;
};

// What the worker of one release has reported since it was asked last.
struct UnitWindow {
  std::string unit;
  ReleaseId release;
  std::vector<proto::SignalBaseline> baselines;
  Observed observed;
  std::deque<SignalAlarm> alarms;
};

class UnitSource {
 public:
  virtual ~UnitSource() = default;
  // Of each unit that runs, and of what ran since it was asked last.
  virtual std::vector<UnitWindow> take_windows() = 0;
};

}  // namespace polder::agent
