// What fleet_sim counts, and how it says so.
#pragma once

#include <array>
#include <cstdint>
#include <cstdio>
#include <map>
#include <string>

#include "agent/lifecycle.h"
#include "trust/digest.h"
#include "world.h"

namespace polder::agent {

struct Figures {
  std::int64_t steps = 0, saves = 0, checks = 0, unreachable = 0;
  std::int64_t offers_refused = 0, begun = 0, committed = 0, went_back = 0, taken_back = 0;
  std::int64_t bad_blamed = 0, good_blamed = 0, gone_back_on_order = 0;
  std::int64_t jumps = 0, expired = 0;
  std::int64_t below_floor = 0, floors_sunk = 0, slots_lost = 0;
  std::int64_t stuck = 0, breaches = 0;
  std::array<std::int64_t, kPhases> cuts{};
  std::string first_breach;
  trust::Sha256Stream digest;

  std::int64_t all_cuts() const {
    std::int64_t sum = 0;
    for (const std::int64_t n : cuts) sum += n;
    return sum;
  }
};

inline void print(const Options& options, const World& world, Figures& figures) {
  const auto n = [](std::int64_t value) { return static_cast<long long>(value); };
  std::map<Nature, int> natures;
  for (const Release& release : world.releases) ++natures[release.nature];
  std::printf("seed %llu: %lld agents, %lld + %lld days, %zu releases (",
              static_cast<unsigned long long>(options.seed), n(options.agents), n(options.days),
              n(kSettleDays), world.releases.size());
  const char* separator = "";
  for (const auto& [nature, count] : natures) {
    std::printf("%s%d %s", separator, count, kNatureNames[int(nature)]);
    separator = ", ";
  }
  std::printf(")\n%lld steps, %lld states saved, %lld power cuts:", n(figures.steps),
              n(figures.saves), n(figures.all_cuts()));
  for (int phase = 0; phase < kPhases; ++phase)
    std::printf(" %s %lld", std::string(phase_name(Phase(phase))).c_str(),
                n(figures.cuts[std::size_t(phase)]));
  std::printf(
      "\n%lld checks, %lld of them in vain; %lld found expired metadata; "
      "%lld offers refused; clocks jumped %lld times\n",
      n(figures.checks), n(figures.unreachable), n(figures.expired), n(figures.offers_refused),
      n(figures.jumps));
  std::printf(
      "%lld updates begun, %lld committed, %lld rolled back, %lld back on order, "
      "%lld taken back on their way\n",
      n(figures.begun), n(figures.committed), n(figures.went_back), n(figures.gone_back_on_order),
      n(figures.taken_back));
  std::printf("%lld offers below the floor, %lld times lower floors, %lld slots lost\n",
              n(figures.below_floor), n(figures.floors_sunk), n(figures.slots_lost));
  std::printf("bad releases blamed %lld, good ones %lld (power cuts during the trial)\n",
              n(figures.bad_blamed), n(figures.good_blamed));
  std::printf("breaches %lld, stuck %lld, digest %s\n", n(figures.breaches), n(figures.stuck),
              trust::hex(figures.digest.finish()).substr(0, 16).c_str());
}

}  // namespace polder::agent
