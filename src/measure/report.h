// The result of a bench as JSON: the same fields for Polder and for every peer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "measure/bench.h"

namespace polder {

struct BenchReport {
  std::string model;    // its path
  std::string runtime;  // "polder 0.1.0", "onnxruntime 1.32.0"
  std::string isa;      // that the runtime chose, or the machine's where it does not say
  int threads = 1;
  BenchResult result;
  std::optional<OpenTimes> open_plan;       // of the model's plan, when the model is none
  std::optional<std::int64_t> arena_bytes;  // planned memory; runtimes without a plan have none
  std::optional<Footprint> footprint;
};

// One object on one line, with a line's end. Microseconds and bytes.
std::string to_json(const BenchReport& report);

}  // namespace polder
