// Whether devices that run a new release (canaries) fail more often than those that still run the
// old one (controls), judged anew at each look, for as long as anybody likes.
//
//   CanaryComparison comparison;
//   comparison.look(counts_of_this_minute);    // of canaries and controls, at the same time
//   const Judgement now = comparison.judge(1.25);  // now.worse >= 40: end it
//
// A failure is whatever is counted of trials: errors of frames, or frames slower than the old
// release's 95th percentile, or frames in which nothing was seen.
//
// History drifts with day and night, so rates are only ever compared within one look; devices
// differ, so each is held to its own ratio against the controls before it got the new release. What
// remains is one number, the ratio by which the release changes the rate. Of each ratio the
// likelihood is kept (binomial, given the failures of both groups), and the evidence against one is
// an e-value: a wrong verdict with a threshold of 40 has a chance of 1 in 40 however often one
// looks (Ville's inequality). That holds for devices that fail by chance alone; real ones have
// troubles of their own, that come in bursts. So the logarithm of the evidence is divided by how
// much more than chance the controls scatter, each of which is judged like a canary that got
// nothing (a placebo).
#pragma once

#include <polder/error.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "hub/judgement.h"
#include "trust/json.h"

namespace polder::hub {

struct Counts {
  std::uint64_t trials = 0, failures = 0;  // failures <= trials
  bool operator==(const Counts&) const = default;
};

// What one device counted since the last look.
struct DeviceCounts {
  std::uint32_t device = 0;  // any number of its own
  bool is_canary = false;    // runs the new release; one that ever did is no control again
  Counts counts;
  std::uint32_t stratum =
      0;  // compared with those of the same one: a site, whose troubles all share
};

// A device whose own ratio is less hardly ever fails, and tells little as a canary.
inline constexpr double kLeastTelling = 0.8;
inline constexpr double kRatioStep = 0.05;  // of logarithms

class CanaryComparison {
 public:
  // Counts of one stretch of time. A device may be missing, and may come at any time.
  void look(std::span<const DeviceCounts> devices);
  // Of all looks so far; a ratio below `margin`, above 1, is acceptable. Without canaries or
  // without controls nothing is learnt.
  Judgement judge(double margin);
  // Of each device, before it was a canary: how many times as often as the others of its stratum it
  // fails, as far as is known (1: nothing is).
  std::map<std::uint32_t, double> own_ratios() const;

  // All that it knows, to go on with after a restart as if there had been none.
  trust::Json to_json() const;
  // Errors: kCorrupt.
  static Result<CanaryComparison> from_json(const trust::Json& json, const std::string& where);

 private:
  // Grids of logarithms, kRatioStep apart: the canaries' own ratio, and that of the release.
  static constexpr int kOwnSide = 60, kReleaseSide = 32;
  static constexpr int kOwn = 2 * kOwnSide + 1, kRelease = 2 * kReleaseSide + 1;
  static constexpr int kBoth = kOwn + 2 * kReleaseSide;
  using ReleaseGrid = std::array<double, kRelease>;

  // Of one device: what it failed, and what it would have, had it failed as the others did.
  struct Share {
    double observed = 0, expected = 0;
  };
  struct Device {
    Share before, after;  // the first canary of all
    bool is_canary = false;
    Share all() const {
      return {before.observed + after.observed, before.expected + after.expected};
    }
  };
  // The time in which the canaries are about the same ones: until they are twice as many. What they
  // are by themselves, beside the release, stays for so long, and is another in the next.
  struct Epoch {
    double devices = 0;        // when it began
    double spread = 0;         // of the logarithm of their own ratio, as far as history tells
    double control_noise = 0;  // that part of its square which is the controls'
    // Of what they failed, by the product of the release's ratio and what is left of their own.
    std::array<double, kBoth> log_likelihood{};
  };
  // Squares of surprises, each 1 on average where chance alone rules.
  struct Surprise {
    double sum = 0, count = 0;
  };

  // Of several devices: failures, and trials, each device's times its ratio.
  struct Weighted {
    double failures = 0, trials = 0;
  };

  // Those of a look: of one stratum.
  struct Group {
    Weighted all;
    double ratios = 0, variances = 0;  // of the devices' own ratios, as far as history tells
    double noise() const;              // of their logarithm: a square
  };
  struct Stratum {
    Group canaries, controls;
    double information() const;  // on the ratio between the two
  };
  // Of the logarithm of the ratio of all canaries to all controls of their strata, as far as
  // history tells: squares.
  struct Noise {
    double own = 0, of_controls = 0;
    bool is_any = false;  // anything can be compared
  };
  using Strata = std::map<std::uint32_t, Stratum>;

  double ratio_of(const Device& device) const;
  double ratio_variance_of(const Device& device) const;
  Strata strata_of(std::span<const DeviceCounts> looked) const;
  static Noise noise_of(const Strata& strata);
  void begin_epoch(std::span<const DeviceCounts> looked, const Noise& noise);
  void add_canaries(const Weighted& canaries, const Weighted& controls);
  void add_control(Device& device, const Counts& own, const Weighted& others);
  double dispersion() const;
  double own_variance() const;
  ReleaseGrid log_likelihood(double dispersion) const;

  std::map<std::uint32_t, Device> devices_;
  std::vector<Epoch> epochs_;
  double known_ = 0;    // failures that are as much as what the fleet tells of a device
  double scatter_ = 1;  // dispersion() at the last look
  Surprise within_;     // looks
  Judgement last_;
};
}  // namespace polder::hub
