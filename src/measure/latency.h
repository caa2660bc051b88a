// What a set of durations says: the extremes and the exact percentiles, never a mean alone.
#pragma once

#include <cstdint>
#include <span>

namespace polder {

struct LatencySummary {
  std::int64_t runs = 0;
  double min_us = 0;
  double p50_us = 0;
  double p90_us = 0;
  double p99_us = 0;
  double max_us = 0;
  double mean_us = 0;
};

// The smallest sample that at least `percent` % of the samples do not exceed (nearest rank).
// `sorted_ns` is ascending and not empty, 0 < percent <= 100.
std::int64_t percentile_ns(std::span<const std::int64_t> sorted_ns, double percent);

// Sorts `samples_ns` in place. All fields are 0 when there are none.
LatencySummary summarize(std::span<std::int64_t> samples_ns);

}  // namespace polder
