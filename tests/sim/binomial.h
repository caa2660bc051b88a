// What so many hits of so many runs say of a share: the one-sided bounds of Clopper and Pearson,
// and whether they refute a goal. A small sample refutes little, and a row fails only where it
// does.
#pragma once

#include <cmath>

namespace polder::sim {

constexpr double kConfidence = 0.95;
// So seldom may a row that meets its goal be taken for one that does not: a table has many.
constexpr double kRefuted = 0.01;

// P(at most `most` hits).
inline double binomial_tail(int runs, int most, double share) {
  double sum = 0;
  for (int i = 0; i <= most; ++i)
    sum += std::exp(std::lgamma(runs + 1) - std::lgamma(i + 1) - std::lgamma(runs - i + 1) +
                    i * std::log(share) + (runs - i) * std::log1p(-share));
  return sum;
}
inline double upper_bound(int hits, int runs) {
  if (hits >= runs) return 1;
  double low = 0, high = 1;
  for (int i = 0; i < 50; ++i) {
    const double share = (low + high) / 2;
    (binomial_tail(runs, hits, share) > 1 - kConfidence ? low : high) = share;
  }
  return high;
}
inline double lower_bound(int hits, int runs) { return 1 - upper_bound(runs - hits, runs); }

inline bool refutes_at_least(int hits, int runs, double goal) {
  return binomial_tail(runs, hits, goal) < kRefuted;
}
inline bool refutes_at_most(int hits, int runs, double goal) {
  return hits > 0 && 1 - binomial_tail(runs, hits - 1, goal) < kRefuted;
}

}  // namespace polder::sim
