#include "pipeline/stats.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace polder::pipeline {

void LatencyHistogram::add(std::int64_t ns) {
  const auto value = std::uint64_t(std::max<std::int64_t>(ns, 0)) + kSteps;
  const int octave = 63 - std::countl_zero(value) - 5;  // value >> octave is in 32…63
  const int index = octave * kSteps + int((value >> octave) - kSteps);
  ++buckets_[std::size_t(std::min(index, int(buckets_.size()) - 1))];
  ++count_;
  total_ns_ += ns;
}

double LatencyHistogram::percentile_ms(double fraction) const {
  if (count_ == 0) return 0;
  const auto rank = std::uint64_t(std::ceil(fraction * double(count_)));
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    seen += buckets_[i];
    if (seen >= std::max<std::uint64_t>(rank, 1)) {
      const int octave = int(i) / kSteps;
      const auto upper = (std::uint64_t(i % kSteps) + kSteps + 1) << octave;
      return double(upper - kSteps - 1) * 1e-6;
    }
  }
  return 0;
}

std::string_view drop_name(DropReason reason) {
  switch (reason) {
    case DropReason::kOverflow: return "overflow";
    case DropReason::kSuperseded: return "superseded";
    case DropReason::kUnmatched: return "unmatched";
    case DropReason::kLate: return "late";
  }
  return "?";
}

double RunStats::traffic_saved() const {
  if (traffic.encoded_bytes == 0) return 0;
  return std::max(0.0, 1 - double(traffic.event_bytes) / double(traffic.encoded_bytes));
}

}  // namespace polder::pipeline
