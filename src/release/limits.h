// The limits of a release, tried on this machine as a device's probe will try them.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <string>
#include <vector>

#include "release/goldens.h"

namespace polder::release {

// One artifact that has limits.
struct LimitsResult {
  std::string artifact, target;
  trust::Limits limits;
  // What it takes here; 0 where it was not measured. The latency is the p99 of one run of its first
  // golden, with one thread; the memory that of the model alone: a device's process adds its own.
  double p99_ms = 0;
  std::int64_t memory_bytes = 0;
  bool was_tried = false;
  std::string reason;  // why it was not tried, or what it misses; empty: it keeps its limits here

  bool is_missed() const { return was_tried && !reason.empty(); }
};

// Of every artifact with limits that this machine can run. A latency above its limit is measured
// again, for this machine may be busy. Errors: of try_goldens().
Result<std::vector<LimitsResult>> try_limits(const trust::ReleaseFolder& release,
                                             const OpenFiles& open = {});

}  // namespace polder::release
