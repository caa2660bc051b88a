#include "measure/latency.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace polder {

std::int64_t percentile_ns(std::span<const std::int64_t> sorted_ns, double percent) {
  POLDER_CHECK(!sorted_ns.empty() && percent > 0 && percent <= 100);
  // The product is rounded to a millionth first: 0.07 * 100 must be rank 7, not
  // ceil(7.000000000000001).
  const double exact = std::round(percent * static_cast<double>(sorted_ns.size()) * 1e4) / 1e6;
  const auto rank = static_cast<std::size_t>(std::ceil(exact));
  return sorted_ns[std::clamp<std::size_t>(rank, 1, sorted_ns.size()) - 1];
}

LatencySummary summarize(std::span<std::int64_t> samples_ns) {
  if (samples_ns.empty()) return {};
  std::sort(samples_ns.begin(), samples_ns.end());
  double sum = 0;
  for (const std::int64_t sample : samples_ns) sum += static_cast<double>(sample);
  const auto at = [&](double percent) {
    return static_cast<double>(percentile_ns(samples_ns, percent)) * 1e-3;
  };
  return {.runs = static_cast<std::int64_t>(samples_ns.size()),
          .min_us = static_cast<double>(samples_ns.front()) * 1e-3,
          .p50_us = at(50),
          .p90_us = at(90),
          .p99_us = at(99),
          .max_us = static_cast<double>(samples_ns.back()) * 1e-3,
          .mean_us = sum / static_cast<double>(samples_ns.size()) * 1e-3};
}

}  // namespace polder
