// The measurement of one model in one runtime. Polder's own command and the programs in bench/ that
// measure its peers all use this code, so that both sides of a comparison mean the same by every
// number.
#pragma once

#include <polder/error.h>

#include <string>
#include <vector>

#include "measure/load.h"
#include "measure/memory.h"

namespace polder {

// A model in a runtime. What the runtime needs once per process (ONNX Runtime's environment) is
// made before.
class Subject {
 public:
  virtual ~Subject() = default;
  // From the model's file to ready for run(). Called again after close().
  virtual Status open() = 0;
  // Makes the inputs, once after open(); not measured.
  virtual Status prepare() { return {}; }
  virtual Status run() = 0;
  // Gives back all that open() took.
  virtual void close() = 0;
};

struct BenchOptions {
  LoadOptions load;
  LoadOptions opens{.warmup_runs = 0, .min_duration_ms = 300, .min_runs = 5, .max_runs = 500};
};

struct OpenTimes {
  double first_us = 0;  // the first open() of this subject
  double min_us = 0;    // the fastest of all
};

struct BenchResult {
  OpenTimes open;
  double first_run_us = 0;  // the first run() of the process
  LoadResult load;          // run() again and again, after the first
};

// Opens and closes, without a run between. Closing is not part of the time.
Result<OpenTimes> bench_open(Subject& subject, const LoadOptions& opens);

// Opens, runs once, runs under load; then closes and opens again for the fastest open.
Result<BenchResult> bench(Subject& subject, const BenchOptions& options);

// Memory is measured in a fresh process of its own, that neither holds samples nor has opened
// anything twice.
struct Footprint {
  std::int64_t peak_rss_bytes =
      0;  // VmHWM of a process that opens once and runs kFootprintRuns times
  std::int64_t rss_above_empty_bytes =
      0;  // the same less VmHWM of that program when it does nothing
};

inline constexpr int kFootprintRuns = 10;

// Runs the two commands, each of which calls print_footprint(), and reads what they print.
Result<Footprint> measure_footprint(const std::vector<std::string>& command,
                                    const std::vector<std::string>& empty_command);

// In the child: opens and runs `subject`, or does nothing when it is null, then prints VmHWM on
// standard output. (The parent cannot use wait4()'s ru_maxrss: a child inherits its parent's.)
Status print_footprint(Subject* subject);

}  // namespace polder
