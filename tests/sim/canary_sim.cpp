// How often the comparison of canaries with controls errs, over worlds in which devices differ, day
// and night differ, and failures come in bursts.
//
//   canary_sim                     each row 40 times
//   canary_sim --runs 1000         long
//   canary_sim --runs 200 --row 3  one row
//
// A run is two days of history (48 looks each), by which the hub's rule chooses canaries, then 200
// looks (10 with a regression) of canaries and controls. It errs when it aborts a release that is
// no worse, and when it does not find one that fails twice as often. The same seed gives the same
// table. "bound" is what so many runs show: at most, or at least, so many, with 95% confidence.
// Exit status 1 when a row refutes its goal, with 99%.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <vector>

#include "binomial.h"
#include "hub/canary.h"

namespace polder::hub {
namespace {

// Of three measures, of which two show nothing.
constexpr double kAbort = 3 * 40, kPromote = 20, kMargin = 1.5;
constexpr int kHistory = 96, kLong = 200, kShort = 10, kDay = 48;  // looks

enum class Troubles {
  kChance,   // nothing but chance
  kDevices,  // each device has a rate of its own, for good
  kBursts,   // each has another in each look
  kSites,    // sites of ten devices have; the canaries are all of one site
  kTagged,   // the same, but sites are known, and canaries are of several
};
constexpr int kDevicesOfSite = 10;

struct Row {
  const char* name;
  int canaries, controls;
  int trials;  // of a device in a look
  Troubles troubles;
  double correlation;  // of failures of one device, or one site
  double day = 0;      // the base rate swings by this part, over a day
  double effect = 1;   // of the new release on the rate
  // At most so many of 100 runs abort (effect 1), at least so many (above); 0: nothing is claimed.
  double goal;
};

constexpr double kBase = 0.05;
constexpr Row kRows[] = {
    {"same, chance alone", 3, 30, 100, Troubles::kChance, 0, 0, 1, 2.5},
    {"same, one canary, few controls", 1, 4, 100, Troubles::kChance, 0, 0, 1, 2.5},
    {"same, day and night", 3, 30, 100, Troubles::kDevices, 0.02, 0.8, 1, 2.5},
    {"same, devices differ", 1, 30, 100, Troubles::kDevices, 0.05, 0.5, 1, 2.5},
    {"same, devices differ", 3, 30, 100, Troubles::kDevices, 0.05, 0.5, 1, 2.5},
    {"same, devices differ, many", 100, 300, 100, Troubles::kDevices, 0.05, 0.5, 1, 2.5},
    {"same, bursts", 3, 30, 100, Troubles::kBursts, 0.02, 0.5, 1, 2.5},
    {"same, bursts", 3, 30, 100, Troubles::kBursts, 0.05, 0.5, 1, 2.5},
    {"same, bursts, few controls", 3, 5, 100, Troubles::kBursts, 0.05, 0.5, 1, 2.5},
    {"same, all on one site, bursts", 3, 30, 100, Troubles::kSites, 0.02, 0.5, 1, 2.5},
    {"same, all on one site, bursts", 3, 30, 100, Troubles::kSites, 0.05, 0.5, 1, 2.5},
    {"same, known sites have bursts", 3, 30, 100, Troubles::kTagged, 0.02, 0.5, 1, 2.5},
    {"same, known sites have bursts", 3, 30, 100, Troubles::kTagged, 0.05, 0.5, 1, 2.5},
    {"same, many observations", 3, 30, 10000, Troubles::kDevices, 0.05, 0.5, 1, 2.5},
    {"same, few observations", 3, 30, 10, Troubles::kDevices, 0.05, 0.5, 1, 2.5},
    {"twice, chance alone", 3, 30, 100, Troubles::kChance, 0, 0, 2, 99},
    {"twice, day and night", 3, 30, 100, Troubles::kDevices, 0.02, 0.8, 2, 99},
    {"twice, devices differ", 3, 30, 100, Troubles::kDevices, 0.02, 0.5, 2, 99},
    {"twice, devices differ", 3, 30, 100, Troubles::kDevices, 0.05, 0.5, 2, 99},
    {"twice, known sites have bursts", 3, 30, 100, Troubles::kTagged, 0.02, 0.5, 2, 99},
    {"twice, known sites have bursts", 3, 30, 100, Troubles::kTagged, 0.05, 0.5, 2, 99},
    {"twice, many observations", 3, 30, 1000, Troubles::kDevices, 0.05, 0.5, 2, 99},
    {"twice, half as many", 3, 30, 50, Troubles::kDevices, 0.02, 0.5, 2, 0},
    {"twice, few controls", 3, 5, 100, Troubles::kDevices, 0.02, 0.5, 2, 0},
    {"twice, one canary", 1, 30, 100, Troubles::kDevices, 0.02, 0.5, 2, 0},
    {"twice, bursts", 3, 30, 100, Troubles::kBursts, 0.02, 0.5, 2, 0},
    {"twice, bursts", 3, 30, 100, Troubles::kBursts, 0.05, 0.5, 2, 0},
};

class World {
 public:
  World(const Row& row, std::uint64_t seed)
      : row_(row),
        random_(seed),
        own_(std::size_t(row.canaries + row.controls)),
        chosen_(own_.size()) {
    for (int i = 0; i < row.canaries; ++i) chosen_[std::size_t(i)] = 1;
    if (row.troubles == Troubles::kDevices)
      for (double& rate : own_) rate = draw_rate();
  }

  std::vector<DeviceCounts> look(int time, bool canaries_run) {
    const double day = 1 + row_.day * std::sin(6.2831853 * time / kDay);
    std::vector<DeviceCounts> all;
    double site = kBase;
    for (int i = 0; i < row_.canaries + row_.controls; ++i) {
      const bool is_canary = chosen_[std::size_t(i)] != 0;
      double rate = kBase;
      if (row_.troubles == Troubles::kDevices) rate = own_[std::size_t(i)];
      if (row_.troubles == Troubles::kBursts) rate = draw_rate();
      if (row_.troubles == Troubles::kSites || row_.troubles == Troubles::kTagged)
        rate = i % kDevicesOfSite == 0 ? site = draw_rate() : site;
      rate *= day * (is_canary && canaries_run ? row_.effect : 1);
      const auto trials = std::uint64_t(row_.trials);
      std::binomial_distribution<long> failures(long(trials), std::min(rate, 0.95));
      all.push_back({.device = std::uint32_t(i),
                     .is_canary = is_canary && canaries_run,
                     .counts = {trials, std::uint64_t(failures(random_))},
                     .stratum = stratum_of(i)});
    }
    return all;
  }

  // As the hub does (hub/rollouts/canaries.cpp): those that tell something, of several sites.
  void choose(const CanaryComparison& past) {
    if (row_.troubles == Troubles::kSites) return;
    std::ranges::fill(chosen_, '\0');
    const auto ratios = past.own_ratios();
    std::vector<int> of_site(own_.size() / kDevicesOfSite + 1);
    int missing = row_.canaries;
    for (int round = 0; round < 3; ++round)
      for (std::size_t i = 0; i < own_.size() && missing > 0; ++i) {
        int& there = of_site[stratum_of(int(i))];
        const bool tells = ratios.at(std::uint32_t(i)) >= kLeastTelling;
        const bool is_other = row_.troubles != Troubles::kTagged || there == 0;
        if (chosen_[i] != 0 || (round < 2 && !tells) || (round < 1 && !is_other)) continue;
        chosen_[i] = 1;
        ++there;
        --missing;
      }
  }

 private:
  std::uint32_t stratum_of(int device) const {
    return row_.troubles == Troubles::kTagged ? std::uint32_t(device / kDevicesOfSite) : 0;
  }
  // Beta, by two gammas: its mean is the base rate, its intraclass correlation the row's.
  double draw_rate() {
    if (row_.correlation == 0) return kBase;
    const double total = 1 / row_.correlation - 1;
    std::gamma_distribution<double> a(total * kBase), b(total * (1 - kBase));
    const double x = a(random_), y = b(random_);
    return std::clamp(x / (x + y), 1e-4, 0.9);
  }

  const Row& row_;
  std::mt19937_64 random_;
  std::vector<double> own_;
  std::vector<char> chosen_;
};

struct Figures {
  int runs = 0, aborted = 0, promoted = 0, covered = 0;
  double looks = 0, dispersion = 0;
};

Figures play(const Row& row, int runs, std::uint64_t seed) {
  Figures figures{.runs = runs};
  for (int run = 0; run < runs; ++run) {
    World world(row, seed + std::uint64_t(run));
    CanaryComparison comparison;
    int time = run;  // of the day
    for (int i = 0; i < kHistory; ++i) comparison.look(world.look(time++, false));
    world.choose(comparison);
    Judgement now;
    int looks = 0;
    const int most = row.effect > 1 ? kShort : kLong;
    const int step = row.canaries > 50 ? 10 : 1;
    while (looks < most && now.worse < kAbort) {
      comparison.look(world.look(time++, true));
      if (++looks % step == 0) now = comparison.judge(kMargin);
    }
    figures.aborted += now.worse >= kAbort;
    figures.promoted += now.acceptable >= kPromote;
    figures.covered += now.low <= row.effect && row.effect <= now.high;
    figures.looks += looks;
    figures.dispersion += now.dispersion;
  }
  return figures;
}

int run(int runs, int only, std::uint64_t seed) {
  std::printf("%-32s %8s %8s %6s %5s %5s %7s %7s %8s %8s %6s %6s\n", "", "canaries", "controls",
              "trials", "rho", "ratio", "aborts", "bound", "promoted", "covered", "looks", "disp.");
  int failed = 0, number = 0;
  for (const Row& row : kRows) {
    if (++number != only && only != 0) continue;
    const Figures figures = play(row, runs, seed * 1'000'003 + std::uint64_t(number) * 10'007);
    const double low = 100 * sim::lower_bound(figures.aborted, runs);
    const double high = 100 * sim::upper_bound(figures.aborted, runs);
    const bool is_worse = row.effect > 1;
    const bool holds =
        row.goal == 0 || !(is_worse ? sim::refutes_at_least(figures.aborted, runs, row.goal / 100)
                                    : sim::refutes_at_most(figures.aborted, runs, row.goal / 100));
    failed += !holds;
    std::printf("%-32s %8d %8d %6d %5.2f %5.2f %6.1f%% %6.1f%% %7.1f%% %7.1f%% %6.1f %6.2f%s\n",
                row.name, row.canaries, row.controls, row.trials, row.correlation, row.effect,
                100.0 * figures.aborted / runs, is_worse ? low : high,
                100.0 * figures.promoted / runs, 100.0 * figures.covered / runs,
                figures.looks / runs, figures.dispersion / runs, holds ? "" : "  REFUTES ITS GOAL");
    std::fflush(stdout);
  }
  return failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace polder::hub

int main(int argc, char** argv) {
  int runs = 40, row = 0;
  std::uint64_t seed = 1;
  for (int i = 1; i + 1 < argc; i += 2) {
    const long value = std::atol(argv[i + 1]);
    if (std::strcmp(argv[i], "--runs") == 0 && value > 0) runs = int(value);
    if (std::strcmp(argv[i], "--row") == 0) row = int(value);
    if (std::strcmp(argv[i], "--seed") == 0) seed = std::uint64_t(value);
  }
  return polder::hub::run(runs, row, seed);
}
