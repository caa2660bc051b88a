// Says when the mean of a bounded signal has left its band, with a bound on false alarms that holds
// for any distribution and any number of looks.
//
// Method: the Shiryaev-Roberts e-detector (Shin, Ramdas, Rinaldo: E-detectors, arXiv 2203.03532).
// With X in 0..1 and bets l, the factors 1 + l * (X - high) and 1 - l * (X - low) are not negative
// and have a mean of at most 1 as long as the mean of X given its past is in low..high. Each bet
// keeps M = (M + 1) * factor; then M_n - n is a supermartingale, so the mean of M when it stops is
// at most the mean time until then. An alarm at M >= c therefore comes, while nothing has changed,
// after at least c values on average, and within the first n with a probability of at most n / c.
// The average of four such M is one, too: two bets in each direction.
//
// The band must hold given the past: successive frames of one scene are alike. Feed it what is
// taken over a time that is long against that, such as the mean of a minute's scores.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace polder::telemetry {

// Within 0..1.
struct Band {
  double low = 0, high = 1;
};

// Where the mean of the values lies that a histogram counted, if all of them were in 0..1: each at
// either end of its bin, and a margin for their number (Hoeffding, 99.9%). `edges` are those
// between the bins. All of 0..1 for spans that do not fit or no values.
Band mean_band(std::span<const double> edges, std::span<const std::int64_t> counts);

class EDetector {
 public:
  // `mean_run`: values until a false alarm, on average at least; at least 1.
  EDetector(Band band, double mean_run);

  // True when this value raises the alarm, which then stands until reset(). What is outside 0..1 is
  // moved to its end; what is not a number is left out.
  bool add(double value);
  // Also forgets what it has seen.
  void reset();
  bool is_alarmed() const { return alarmed_; }
  // The evidence, an alarm at mean_run().
  double evidence() const;
  double mean_run() const { return mean_run_; }
  std::uint64_t count() const { return count_; }

 private:
  Band band_;
  double mean_run_;
  std::array<double, 4> evidence_{};
  std::array<double, 4> bets_{};
  std::uint64_t count_ = 0;
  bool alarmed_ = false;
};

}  // namespace polder::telemetry
