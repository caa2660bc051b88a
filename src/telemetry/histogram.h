// How a signal is distributed now, against how it was when its model was judged.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

namespace polder::telemetry {

inline constexpr int kBins = 16;
using BinCounts = std::array<std::uint64_t, kBins>;

// Bin i holds what is at least edges[i - 1] and less than edges[i]; the first and the last are
// open: the shape of a release's baselines.
class Histogram {
 public:
  // `edges` ascend; there are kBins - 1.
  explicit Histogram(std::span<const double> edges);
  // What is not a number is in no bin, but is counted.
  void add(double value);
  void clear();
  const BinCounts& counts() const { return counts_; }
  std::uint64_t count() const;
  std::uint64_t refused() const { return refused_; }

 private:
  std::array<double, kBins - 1> edges_{};
  BinCounts counts_{};
  std::uint64_t refused_ = 0;
};

// Values below which psi() says nothing: with kBins bins chance alone gives about
// (kBins - 1) * (1 / found + 1 / expected), which is 0.08 at this size.
inline constexpr std::uint64_t kMinPsiCount = 200;

// Population stability index, sum of (p - q) * ln(p / q) over the bins; 0 for equal shares. Half a
// value is added to each bin, so that empty ones count as rare. By custom, below 0.1 is stable,
// from 0.25 on has changed. Nothing when either side has fewer than kMinPsiCount values or the
// spans do not have kBins each. It is a measure, not a test: what bounds false alarms is the
// e-detector.
std::optional<double> psi(std::span<const std::uint64_t> found,
                          std::span<const std::int64_t> expected);

}  // namespace polder::telemetry
