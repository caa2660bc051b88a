#include "measure/bench.h"

#include <charconv>
#include <cstdio>

#include "base/fail.h"
#include "platform/process.h"

namespace polder {
namespace {

constexpr std::size_t kMaxChildOutputBytes = 256;

double to_us(std::int64_t ns) { return static_cast<double>(ns) * 1e-3; }

Result<double> timed_us(const std::function<Status()>& step) {
  const std::int64_t start_ns = monotonic_ns();
  TRY(step());
  return to_us(monotonic_ns() - start_ns);
}

Result<std::int64_t> child_peak_bytes(const std::vector<std::string>& command) {
  TRY_VALUE(const ProcessResult child, run_process(command, kMaxChildOutputBytes));
  std::int64_t bytes = 0;
  const char* const end = child.output.data() + child.output.size();
  const bool number = std::from_chars(child.output.data(), end, bytes).ec == std::errc();
  if (child.exit_status != 0 || !number)
    return fail(Code::kUnavailable,
                "the process that measures memory was to print a number; it ended with status {} "
                "and printed '{}'",
                child.exit_status, child.output);
  return bytes;
}

}  // namespace

Result<OpenTimes> bench_open(Subject& subject, const LoadOptions& opens) {
  OpenTimes times;
  TRY_VALUE(times.first_us, timed_us([&] { return subject.open(); }));
  std::int64_t closing_ns = 0;  // the clock stands still while the model is closed
  const auto now_ns = [&] { return monotonic_ns() - closing_ns; };
  const auto reopen = [&] {
    const std::int64_t start_ns = monotonic_ns();
    subject.close();
    closing_ns += monotonic_ns() - start_ns;
    return subject.open();
  };
  TRY_VALUE(const LoadResult result, run_load(opens, reopen, now_ns));
  subject.close();
  times.min_us = std::min(times.first_us, result.latency.min_us);
  return times;
}

Result<BenchResult> bench(Subject& subject, const BenchOptions& options) {
  BenchResult result;
  TRY_VALUE(const double first_open_us, timed_us([&] { return subject.open(); }));
  TRY(subject.prepare());
  TRY_VALUE(result.first_run_us, timed_us([&] { return subject.run(); }));
  TRY_VALUE(result.load, run_load(options.load, [&] { return subject.run(); }));
  subject.close();
  TRY_VALUE(const OpenTimes again, bench_open(subject, options.opens));
  result.open = {first_open_us, std::min({first_open_us, again.first_us, again.min_us})};
  return result;
}

Result<Footprint> measure_footprint(const std::vector<std::string>& command,
                                    const std::vector<std::string>& empty_command) {
  TRY_VALUE(const std::int64_t peak_bytes, child_peak_bytes(command));
  TRY_VALUE(const std::int64_t empty_bytes, child_peak_bytes(empty_command));
  return Footprint{peak_bytes, peak_bytes - empty_bytes};
}

Status print_footprint(Subject* subject) {
  if (subject) {
    TRY(subject->open());
    TRY(subject->prepare());
    for (int i = 0; i < kFootprintRuns; ++i) TRY(subject->run());
  }
  TRY_VALUE(const ProcessMemory memory, process_memory());
  std::printf("%lld\n", static_cast<long long>(memory.peak_rss_bytes));
  return {};
}

}  // namespace polder
