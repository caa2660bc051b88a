#include "hub/canary.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

namespace polder::hub {
namespace {

// What a group of devices does by itself, as the year goes on; of logarithms.
constexpr double kOwnNoise = 0.05;
// Of a prior: how many placebos that scatter this much are taken as seen.
constexpr double kPlaceboPrior = 4, kPlaceboPriorScatter = 1.5;
constexpr double kLeastVariance = 0.01, kMostVariance = 2;  // between the ratios of devices
constexpr double kBoundsEvidence = 20;                      // of 95% bounds
constexpr double kMostEvidence = 1e12;
constexpr double kNearTwo = 0.2;  // of logarithms

double log_sum_exp(std::span<const double> values) {
  const double most = *std::ranges::max_element(values);
  double sum = 0;
  for (const double value : values) sum += std::exp(value - most);
  return most + std::log(sum);
}

double log_mean_exp(std::span<const double> values) {
  return log_sum_exp(values) - std::log(static_cast<double>(values.size()));
}

// Of ratios above 1, with weights that no data change: half of all on those near 2, which is what
// has to be found soon.
double log_mean_above_one(std::span<const double> likelihood) {
  std::vector<double> terms(likelihood.begin(), likelihood.end()), near;
  for (std::size_t i = 0; i < terms.size(); ++i) {
    const double x = static_cast<double>(i + 1) * kRatioStep;
    if (std::abs(x - std::numbers::ln2) <= kNearTwo) near.push_back(terms[i]);
  }
  const double halves[] = {log_mean_exp(terms), log_mean_exp(near)};
  return log_mean_exp(halves);
}

double evidence(double log_value) {
  return std::min(std::exp(std::min(log_value, 100.0)), kMostEvidence);
}

// Half a failure more on both sides keeps the logarithm of none finite.
double log_ratio(double observed, double expected) {
  return std::log((observed + 0.5) / (expected + 0.5));
}

}  // namespace

// Between devices: of their ratios to the others.
double CanaryComparison::own_variance() const {
  double sum = 0, count = 0;
  for (const auto& [number, device] : devices_) {
    const auto [observed, expected] = device.all();
    if (expected < 2) continue;
    const double ratio = observed / expected;
    sum += (ratio - 1) * (ratio - 1) - ratio / expected;
    count += 1;
  }
  return count < 3 ? kMostVariance : std::clamp(sum / count, kLeastVariance, kMostVariance);
}

// To the fleet: what it failed so far, and a gamma prior of mean 1. Of a canary, before it was one.
double CanaryComparison::ratio_of(const Device& device) const {
  const auto [observed, expected] = device.all();
  return (observed + known_) / (expected + known_);
}

double CanaryComparison::ratio_variance_of(const Device& device) const {
  return std::min(1 / known_, scatter_ * ratio_of(device) / (device.all().expected + known_));
}

std::map<std::uint32_t, double> CanaryComparison::own_ratios() const {
  std::map<std::uint32_t, double> ratios;
  for (const auto& [number, device] : devices_) ratios[number] = known_ == 0 ? 1 : ratio_of(device);
  return ratios;
}

double CanaryComparison::Group::noise() const {
  return ratios == 0 ? 0 : std::log1p(variances / (ratios * ratios));
}

double CanaryComparison::Stratum::information() const {
  const double both = canaries.all.trials + controls.all.trials;
  return both <= 0 ? 0 : canaries.all.trials * controls.all.trials / both;
}

CanaryComparison::Strata CanaryComparison::strata_of(std::span<const DeviceCounts> looked) const {
  Strata strata;
  for (const DeviceCounts& one : looked) {
    const Device& device = devices_.at(one.device);
    if (device.is_canary && !one.is_canary) continue;  // went back: tells of neither
    Stratum& stratum = strata[one.stratum];
    Group& group = device.is_canary ? stratum.canaries : stratum.controls;
    const double ratio = ratio_of(device);
    group.all.failures += static_cast<double>(one.counts.failures);
    group.all.trials += static_cast<double>(one.counts.trials) * ratio;
    group.ratios += ratio;
    group.variances += ratio_variance_of(device);
  }
  return strata;
}

// Of the mean over strata, each by what it tells.
CanaryComparison::Noise CanaryComparison::noise_of(const Strata& strata) {
  Noise noise;
  double all = 0;
  for (const auto& [number, stratum] : strata) all += stratum.information();
  if (all <= 0) return noise;
  noise.is_any = true;
  for (const auto& [number, stratum] : strata) {
    const double weight = stratum.information() / all;
    noise.own += weight * weight * stratum.canaries.noise();
    noise.of_controls += weight * weight * stratum.controls.noise();
  }
  return noise;
}

void CanaryComparison::begin_epoch(std::span<const DeviceCounts> looked, const Noise& noise) {
  const auto canaries =
      static_cast<double>(std::ranges::count(looked, true, &DeviceCounts::is_canary));
  if (!noise.is_any || (!epochs_.empty() && canaries < 2 * epochs_.back().devices)) return;
  epochs_.push_back({.devices = canaries,
                     .spread = std::sqrt(noise.own + noise.of_controls + kOwnNoise * kOwnNoise),
                     .control_noise = noise.of_controls});
}

void CanaryComparison::add_control(Device& device, const Counts& own, const Weighted& others) {
  if (own.trials == 0 || others.trials <= 0) return;
  const double rate = others.failures / others.trials;
  const double expected = static_cast<double>(own.trials) * rate;
  const auto failures = static_cast<double>(own.failures);
  // How much it surprises, held to what it did so far.
  const double ratio = ratio_of(device);
  if (const double mean = expected * ratio; mean >= 0.5) {
    const double unknown =
        ratio_variance_of(device) / (ratio * ratio) + 1 / std::max(1.0, others.failures);
    const double variance = mean * std::max(0.05, 1 - rate * ratio) + mean * mean * unknown;
    within_.sum += (failures - mean) * (failures - mean) / variance;
    within_.count += 1;
  }
  const bool is_after = !epochs_.empty() && device.before.expected > 0;
  Share& share = is_after ? device.after : device.before;
  share.observed += failures;
  share.expected += expected;
}

// Of all failures of a stratum in this look, so many are the canaries': binomial, by their share of
// the trials times a ratio. All at once: several comparisons with the same controls would not be
// independent.
void CanaryComparison::add_canaries(const Weighted& canaries, const Weighted& controls) {
  const double all = canaries.failures + controls.failures;
  if (canaries.trials <= 0 || controls.trials <= 0 || all == 0) return;
  for (int i = 0; i < kBoth; ++i) {
    const double x = (i - kOwnSide - kReleaseSide) * kRatioStep;
    epochs_.back().log_likelihood[static_cast<std::size_t>(i)] +=
        canaries.failures * x - all * std::log((std::exp(x) * canaries.trials + controls.trials) /
                                               (canaries.trials + controls.trials));
  }
}

void CanaryComparison::look(std::span<const DeviceCounts> looked) {
  for (const DeviceCounts& one : looked) {
    Device& device = devices_[one.device];
    device.is_canary = device.is_canary || one.is_canary;
  }
  known_ = 1 / own_variance();
  scatter_ = dispersion();
  const Strata strata = strata_of(looked);
  const Noise noise = noise_of(strata);
  begin_epoch(looked, noise);
  for (const DeviceCounts& one : looked) {
    const bool is_canary = devices_.at(one.device).is_canary;
    if (is_canary && one.is_canary) last_.canary_trials += one.counts.trials;
    if (!is_canary && !epochs_.empty()) last_.control_trials += one.counts.trials;
  }
  // Of the few controls that are left in the end less is known than the epoch counts on.
  if (!epochs_.empty() &&
      noise.of_controls <= epochs_.back().control_noise + kOwnNoise * kOwnNoise) {
    for (const auto& [number, stratum] : strata)
      add_canaries(stratum.canaries.all, stratum.controls.all);
  }
  for (const DeviceCounts& one : looked) {
    Device& device = devices_.at(one.device);
    if (device.is_canary) continue;
    const double own = static_cast<double>(one.counts.trials) * ratio_of(device);
    const Weighted& others = strata.at(one.stratum).controls.all;
    add_control(device, one.counts,
                {others.failures - static_cast<double>(one.counts.failures), others.trials - own});
  }
}

// How much more than chance the controls scatter: from look to look, and between what they did
// before the canaries began and after.
double CanaryComparison::dispersion() const {
  Surprise between{kPlaceboPrior * kPlaceboPriorScatter, kPlaceboPrior};
  for (const auto& [number, device] : devices_) {
    if (device.is_canary || device.before.expected < 1 || device.after.expected < 1) continue;
    const double change = log_ratio(device.after.observed, device.after.expected) -
                          log_ratio(device.before.observed, device.before.expected);
    const double variance = 1 / (device.after.observed + 0.5) + 1 / (device.before.observed + 0.5);
    between.sum += change * change / variance;
    between.count += 1;
  }
  const double within = within_.count < 10 ? 1 : within_.sum / within_.count;
  return std::max({1.0, within, between.sum / between.count});
}

CanaryComparison::ReleaseGrid CanaryComparison::log_likelihood(double dispersion) const {
  ReleaseGrid all{};
  for (const Epoch& epoch : epochs_) {
    std::array<double, kOwn> own{};
    for (int i = 0; i < kOwn; ++i) {
      const double x = (i - kOwnSide) * kRatioStep;
      // So that the ratio, not its logarithm, is 1 on average.
      const double off = x / epoch.spread + epoch.spread / 2;
      own[static_cast<std::size_t>(i)] = -off * off / 2;
    }
    for (std::size_t r = 0; r < all.size(); ++r) {
      auto terms = own;
      for (std::size_t i = 0; i < terms.size(); ++i)
        terms[i] += epoch.log_likelihood[i + r] / dispersion;
      all[r] += log_sum_exp(terms);
    }
  }
  return all;
}

Judgement CanaryComparison::judge(double margin) {
  last_.dispersion = dispersion();
  const ReleaseGrid likelihood = log_likelihood(last_.dispersion);
  const auto ratio_at = [](std::size_t i) {
    return std::exp((static_cast<double>(i) - kReleaseSide) * kRatioStep);
  };
  const auto best = std::ranges::max_element(likelihood);
  last_.ratio = ratio_at(static_cast<std::size_t>(best - likelihood.begin()));
  const double bound = log_mean_exp(likelihood) - std::log(kBoundsEvidence);
  std::size_t first = likelihood.size() - 1, last = 0;
  for (std::size_t i = 0; i < likelihood.size(); ++i) {
    if (likelihood[i] < bound) continue;
    first = std::min(first, i);
    last = std::max(last, i);
  }
  last_.low = ratio_at(first);
  last_.high = ratio_at(last);

  // Each against the likeliest of the ratios that it is to refute.
  const std::span all(likelihood);
  const auto one = static_cast<std::size_t>(kReleaseSide);
  const int steps = static_cast<int>(std::lround(std::log(margin) / kRatioStep));
  const auto limit =
      static_cast<std::size_t>(kReleaseSide + std::clamp(steps, 1, kReleaseSide - 1));
  const double worse =
      log_mean_above_one(all.subspan(one + 1)) - *std::ranges::max_element(all.first(one + 1));
  const double acceptable =
      log_mean_exp(all.first(limit)) - *std::ranges::max_element(all.subspan(limit));
  last_.worse = std::max(1.0, evidence(worse));
  last_.acceptable = std::max(1.0, evidence(acceptable));
  return last_;
}

}  // namespace polder::hub
