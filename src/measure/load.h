// The load generator: one stream, the next run starts when the last one ended.
#pragma once

#include <polder/error.h>

#include <functional>

#include "measure/latency.h"
#include "platform/clock.h"

namespace polder {

struct LoadOptions {
  std::int64_t warmup_runs = 3;  // not measured
  std::int64_t min_duration_ms = 1000;
  std::int64_t min_runs = 20;       // measured runs, however long they take
  std::int64_t max_runs = 200'000;  // ends the load before the duration is reached
};

inline constexpr std::int64_t kMaxLoadRuns = 10'000'000;

struct LoadResult {
  LatencySummary latency;
  double throughput_per_s =
      0;  // measured runs by the time from the first one's start to the last one's end
};

// Calls `run` warmup_runs times, then until min_duration_ms and min_runs are both reached, or
// max_runs is. Memory for the samples is taken beforehand. Errors: what `run` reports; kInvalid for
// options outside 1 <= min_runs <= max_runs <= kMaxLoadRuns.
Result<LoadResult> run_load(const LoadOptions& options, const std::function<Status()>& run,
                            const std::function<std::int64_t()>& now_ns = monotonic_ns);

}  // namespace polder
