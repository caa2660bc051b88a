#include "measure/load.h"

#include <vector>

#include "base/fail.h"

namespace polder {

Result<LoadResult> run_load(const LoadOptions& options, const std::function<Status()>& run,
                            const std::function<std::int64_t()>& now_ns) {
  if (options.min_runs < 1 || options.max_runs < options.min_runs ||
      options.max_runs > kMaxLoadRuns)
    return fail(Code::kInvalid, "1 <= least runs <= most runs <= {} expected, found {} and {}",
                kMaxLoadRuns, options.min_runs, options.max_runs);
  for (std::int64_t i = 0; i < options.warmup_runs; ++i) TRY(run());

  std::vector<std::int64_t> samples_ns;
  samples_ns.reserve(static_cast<std::size_t>(options.max_runs));
  const std::int64_t begin_ns = now_ns();
  const std::int64_t min_end_ns = begin_ns + options.min_duration_ms * 1'000'000;
  std::int64_t end_ns = begin_ns;
  for (std::int64_t n = 0; n < options.max_runs && (n < options.min_runs || end_ns < min_end_ns);
       ++n) {
    const std::int64_t start_ns = now_ns();
    TRY(run());
    end_ns = now_ns();
    samples_ns.push_back(end_ns - start_ns);
  }

  LoadResult result;
  if (end_ns > begin_ns)
    result.throughput_per_s =
        static_cast<double>(samples_ns.size()) * 1e9 / static_cast<double>(end_ns - begin_ns);
  result.latency = summarize(samples_ns);
  return result;
}

}  // namespace polder
