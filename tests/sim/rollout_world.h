// What the devices of rollout_sim see and do: sites, day and night, and releases good and bad, as
// counts of what happened in a stretch of time.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace polder::sim {

using Random = std::mt19937_64;

constexpr std::int64_t kHourS = 3600, kDayS = 24 * kHourS;

// What the new release does.
enum class Nature : std::uint8_t {
  kGood,
  kCrash,     // its worker crashes in a loop, within the first hour
  kSlow,      // all takes twice as long
  kBlind,     // finds nothing
  kWrong,     // finds as much as before, elsewhere: its outputs differ
  kDrifting,  // slow frames become more frequent, by 300% a day
  kTwice,     // misses twice as much
  kHalting,   // slow frames are twice as frequent
};
constexpr std::array<std::string_view, 8> kNatureNames = {"good",  "crash",    "slow",  "blind",
                                                          "wrong", "drifting", "twice", "halting"};

struct WorldSettings {
  int devices = 1000;
  std::int64_t look_s = 900;  // in which a site has a rate of its own
  // Of a device in a look, by night; by day `day_peak` times as many.
  double observations = 100, day_peak = 3;
  double day_swing = 0.5;  // of rates of failure, over a day
  // Intraclass correlations of failures: of a device with itself, as it has a rate of its own for
  // good; of devices of a site within a look, as they share one that is drawn anew for each.
  double own = 0, site = 0;
  int devices_of_site = 20;
  Nature nature = Nature::kGood;
};

// Shares of frames with the old release.
constexpr double kMisses = 0.05, kSlowShare = 0.03, kCrashes = 2e-5;
// Loops of crashes of a device, by whatever release: a fleet of 10,000 has one a day.
constexpr double kMishapsADay = 1e-4;
// Of decisions; in a stretch of time frames resemble each other, so that in many of them none
// differ, and in some nearly all (an intraclass correlation).
constexpr double kShadowDiffers = 0.05, kWrongDiffers = 0.6, kAlike = 0.2;

// What was counted of one release in a stretch of time.
struct Counted {
  bool is_new = false, is_in_shadow = false;  // the new one, beside the old
  std::uint64_t frames = 0, found = 0, slow = 0, crashes = 0;
  std::uint64_t differ = 0, shadow_slow = 0;  // of a shadow
};

struct DeviceTraits {
  int site = 0;
  double frame_ms = 20, phase = 0;
  double misses = 1, slow = 1, crashes = 1;  // times what is usual
};

class World {
 public:
  World(const WorldSettings& settings, Random& random) : settings_(settings), random_(random) {
    sites_.resize(
        static_cast<std::size_t>(std::max(1, settings.devices / settings.devices_of_site)));
    for (Site& site : sites_) site.phase = 0.3 * normal();
  }

  const WorldSettings& settings() const { return settings_; }
  int sites() const { return static_cast<int>(sites_.size()); }

  DeviceTraits make_device(int index) {
    DeviceTraits made{.site = index % sites()};
    made.frame_ms = 20 * std::exp(0.5 * normal());
    made.phase = sites_[static_cast<std::size_t>(made.site)].phase;
    made.misses = rate_factor(kMisses, settings_.own);
    made.slow = rate_factor(kSlowShare, settings_.own);
    made.crashes = rate_factor(kMisses, settings_.own);
    return made;
  }

  // From one time to another, which are of one look or about so. `since_s`: when the device took
  // the release.
  Counted count(const DeviceTraits& device, bool is_new, bool is_in_shadow, std::int64_t from_s,
                std::int64_t to_s, std::int64_t since_s) {
    Counted counted{.is_new = is_new, .is_in_shadow = is_in_shadow};
    const Nature nature = is_new ? settings_.nature : Nature::kGood;
    const double day = std::sin(2 * M_PI * double(to_s % kDayS) / kDayS + device.phase);
    const Site& site = site_of(device.site, from_s);
    const double looks = double(to_s - from_s) / double(settings_.look_s);
    const double busy = 1 + (settings_.day_peak - 1) * (day + 1) / 2;
    counted.frames = std::uint64_t(std::llround(settings_.observations * looks * busy));
    const double swing = 1 + settings_.day_swing * day;
    double misses = kMisses * device.misses * site.misses * swing;
    double slow = kSlowShare * device.slow * site.slow * swing;
    if (nature == Nature::kTwice) misses *= 2;
    if (nature == Nature::kHalting) slow *= 2;
    if (nature == Nature::kBlind) misses = 1;
    if (nature == Nature::kDrifting) slow *= 1 + 3.0 * double(to_s - since_s) / kDayS;
    counted.found = counted.frames - failures(counted.frames, misses);
    counted.slow = failures(counted.frames, slow);
    counted.crashes = failures(counted.frames, kCrashes * device.crashes * swing);
    if (is_in_shadow) count_shadow(counted, misses, slow);
    return counted;
  }

  double uniform() { return std::uniform_real_distribution<>(0, 1)(random_); }
  std::int64_t between(std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(random_);
  }
  // After how long something happens that happens so often a day.
  std::int64_t until(double a_day) {
    return 1 + std::int64_t(std::exponential_distribution<>(a_day)(random_) * kDayS);
  }
  std::uint64_t bits() { return random_(); }

 private:
  struct Site {
    double phase = 0, misses = 1, slow = 1;
    std::int64_t look = -1;
  };

  double normal() { return std::normal_distribution<>()(random_); }

  // Beta with this mean and this intraclass correlation, over its mean.
  double rate_factor(double mean, double correlation) {
    if (correlation == 0) return 1;
    const double total = 1 / correlation - 1;
    std::gamma_distribution<> a(total * mean), b(total * (1 - mean));
    const double x = a(random_), y = b(random_);
    return std::max(x / (x + y), 1e-4) / mean;
  }

  const Site& site_of(int index, std::int64_t time_s) {
    Site& site = sites_[static_cast<std::size_t>(index)];
    const std::int64_t look = time_s / settings_.look_s;
    if (look == site.look) return site;
    site.look = look;
    site.misses = rate_factor(kMisses, settings_.site);
    site.slow = rate_factor(kSlowShare, settings_.site);
    return site;
  }

  std::uint64_t failures(std::uint64_t trials, double share) {
    if (share >= 1) return trials;
    return std::binomial_distribution<std::uint64_t>(trials, std::min(share, 0.97))(random_);
  }

  void count_shadow(Counted& counted, double misses, double slow) {
    double differ = kShadowDiffers;
    if (settings_.nature == Nature::kWrong) differ = kWrongDiffers;
    if (settings_.nature == Nature::kBlind) differ = 1 - misses;
    if (settings_.nature == Nature::kTwice) differ += misses;
    if (differ < 0.9) differ *= rate_factor(differ, kAlike);
    counted.differ = failures(counted.frames, differ);
    counted.shadow_slow =
        failures(counted.frames, settings_.nature == Nature::kHalting ? 2 * slow : slow);
  }

  const WorldSettings& settings_;
  Random& random_;
  std::vector<Site> sites_;
};

}  // namespace polder::sim
