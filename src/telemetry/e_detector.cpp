#include "telemetry/e_detector.h"

#include <algorithm>
#include <cmath>

namespace polder::telemetry {

Band mean_band(std::span<const double> edges, std::span<const std::int64_t> counts) {
  if (counts.size() != edges.size() + 1) return {};
  double total = 0, low = 0, high = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const auto count = double(std::max<std::int64_t>(counts[i], 0));
    total += count;
    low += count * (i == 0 ? 0 : std::clamp(edges[i - 1], 0.0, 1.0));
    high += count * (i == edges.size() ? 1 : std::clamp(edges[i], 0.0, 1.0));
  }
  if (total == 0) return {};
  const double margin = std::sqrt(std::log(2 / 0.001) / (2 * total));
  return {std::max(low / total - margin, 0.0), std::min(high / total + margin, 1.0)};
}

EDetector::EDetector(Band band, double mean_run)
    : band_{std::clamp(band.low, 0.0, 1.0), std::clamp(band.high, 0.0, 1.0)},
      mean_run_(std::max(mean_run, 1.0)) {
  // A bet may be as high as keeps its factor from being negative: half of that and a tenth, for
  // large and small changes. A band that ends at an end of 0..1 cannot be left there.
  const double up = band_.high < 1 ? 1 / std::max(band_.high, 0.05) : 0;
  const double down = band_.low > 0 ? 1 / std::max(1 - band_.low, 0.05) : 0;
  bets_ = {up / 2, up / 10, down / 2, down / 10};
}

bool EDetector::add(double value) {
  if (std::isnan(value)) return false;
  value = std::clamp(value, 0.0, 1.0);
  ++count_;
  for (std::size_t i = 0; i < evidence_.size(); ++i) {
    const double gain = i < 2 ? value - band_.high : band_.low - value;
    // A bet of 0 never gains: it takes no part, which can only lower the evidence.
    if (bets_[i] == 0) continue;
    evidence_[i] = std::min((evidence_[i] + 1) * (1 + bets_[i] * gain), 1e300);
  }
  if (alarmed_ || evidence() < mean_run_) return false;
  return alarmed_ = true;
}

void EDetector::reset() {
  evidence_ = {};
  count_ = 0;
  alarmed_ = false;
}

double EDetector::evidence() const {
  double sum = 0;
  for (const double evidence : evidence_) sum += evidence / double(evidence_.size());
  return sum;
}

}  // namespace polder::telemetry
