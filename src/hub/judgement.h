// What a comparison, or a share, says of a release.
#pragma once

#include <cstdint>

namespace polder::hub {

inline constexpr double kLeastRatio = 0.2019, kMostRatio = 4.953;

struct Judgement {
  // Of the new release's rate to the old one's: the likeliest, and 95% bounds that hold at all
  // looks together. Between kLeastRatio and kMostRatio.
  double ratio = 1, low = 0, high = 0;
  // E-values, as they stand: of one whose claim is false the mean is at most 1, whenever one stops.
  double worse = 1;       // that the ratio is above 1
  double acceptable = 1;  // that it is below the margin
  double dispersion = 1;  // by which the evidence is divided; 1: chance alone
  std::uint64_t canary_trials = 0, control_trials = 0;  // since the canaries began

  // Of what hardly ever happens nothing is known: the bounds leave all open.
  bool is_known() const { return low > 1.01 * kLeastRatio || high < 0.99 * kMostRatio; }
};

}  // namespace polder::hub
