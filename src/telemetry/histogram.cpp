#include "telemetry/histogram.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/check.h"

namespace polder::telemetry {

Histogram::Histogram(std::span<const double> edges) {
  POLDER_CHECK(edges.size() == edges_.size());
  std::ranges::copy(edges, edges_.begin());
}

void Histogram::add(double value) {
  if (std::isnan(value)) {
    ++refused_;
    return;
  }
  ++counts_[std::size_t(std::ranges::upper_bound(edges_, value) - edges_.begin())];
}

void Histogram::clear() {
  counts_ = {};
  refused_ = 0;
}

std::uint64_t Histogram::count() const {
  return std::accumulate(counts_.begin(), counts_.end(), std::uint64_t(0));
}

std::optional<double> psi(std::span<const std::uint64_t> found,
                          std::span<const std::int64_t> expected) {
  if (found.size() != kBins || expected.size() != kBins) return {};
  double found_total = 0, expected_total = 0;
  for (std::size_t i = 0; i < kBins; ++i) {
    if (expected[i] < 0) return {};
    found_total += double(found[i]);
    expected_total += double(expected[i]);
  }
  if (found_total < kMinPsiCount || expected_total < kMinPsiCount) return {};
  double sum = 0;
  for (std::size_t i = 0; i < kBins; ++i) {
    const double p = (double(found[i]) + 0.5) / (found_total + 0.5 * kBins);
    const double q = (double(expected[i]) + 0.5) / (expected_total + 0.5 * kBins);
    sum += (p - q) * std::log(p / q);
  }
  return sum;
}

}  // namespace polder::telemetry
