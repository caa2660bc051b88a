// What the agents of fleet_sim live in: releases, floors, and who offers what.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "agent/lifecycle.h"

namespace polder::agent {

constexpr std::int64_t kDayS = 86'400, kYearS = 31'557'600;
constexpr std::int64_t kStartS = 1'800'000'000;
constexpr std::int64_t kCheckEveryS = 3600;
constexpr std::int64_t kMetadataLifeS = 7 * kDayS;
constexpr std::int64_t kSettleDays = 4;  // the end: no faults any more, and one more good release

struct Options {
  std::uint64_t seed = 1;
  std::int64_t agents = 250, days = 12;
  std::int64_t only = -1;
  bool trace = false;
};

// SplitMix64: small, and the same everywhere.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t bits() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  std::int64_t below(std::int64_t n) { return std::int64_t(bits() % std::uint64_t(n)); }
  std::int64_t between(std::int64_t low, std::int64_t high) { return low + below(high - low + 1); }
  bool chance(double p) { return double(bits() >> 11) < p * 9007199254740992.0; }

 private:
  std::uint64_t state_;
};

enum class Nature {
  kGood,
  kWrongResults,  // the probe finds out
  kCrashLoop,     // dies again and again once it runs
  kTakesAllDown,  // the machine restarts with it
  kDiesInProbe,   // the machine restarts while its goldens run, every time
  kFlaky,         // could not be installed the first times, which nobody is to blame for
};
constexpr const char* kNatureNames[] = {"good",           "wrong results", "crash loop",
                                        "takes all down", "dies in probe", "flaky"};
inline bool is_bad(Nature nature) { return nature != Nature::kGood && nature != Nature::kFlaky; }

struct Release {
  Offer offer;
  Nature nature = Nature::kGood;
  std::int64_t from_s = 0;   // when it is published
  std::int64_t until_s = 0;  // when it is taken back; 0: never
};

inline ReleaseId release_id(const std::string& unit, std::uint32_t minor,
                            bool signed_offline = true) {
  const trust::Version version{1, minor, 0, ""};
  return {unit, version,
          trust::sha256(unit + version.text() + (signed_offline ? "" : " by a stolen hub"))};
}

struct Floor {
  std::int64_t from_s = 0;
  trust::Version version;
};

struct World {
  std::vector<Release> releases;                     // by unit, then by time
  std::map<std::string, std::vector<Floor>> floors;  // by unit; each above the one before
  std::int64_t end_s = 0, settle_s = 0;

  const Release* find(const trust::Sha256& manifest) const {
    const auto found = std::ranges::find(releases, manifest,
                                         [](const Release& r) { return r.offer.release.manifest; });
    return found == releases.end() ? nullptr : &*found;
  }
  std::map<std::string, trust::Version> floors_at(std::int64_t time_s) const {
    std::map<std::string, trust::Version> at;
    for (const auto& [unit, all] : floors) {
      for (const Floor& floor : all)
        if (floor.from_s <= time_s) at[unit] = floor.version;
    }
    return at;
  }
  // Signed by then and below a floor of then: what a stolen hub would like devices to take.
  std::vector<Offer> below_floor(std::int64_t time_s) const {
    const auto at = floors_at(time_s);
    std::vector<Offer> out;
    for (const Release& release : releases) {
      const auto floor = at.find(release.offer.unit);
      if (release.from_s <= time_s && floor != at.end() &&
          release.offer.release.version < floor->second)
        out.push_back(release.offer);
    }
    return out;
  }
};

inline World make_world(const Options& options) {
  Random random(options.seed);
  World world;
  world.settle_s = kStartS + options.days * kDayS;
  world.end_s = world.settle_s + kSettleDays * kDayS;
  for (const std::string unit : {"people", "polderd"}) {
    std::uint32_t minor = 0;
    std::int64_t at_s = kStartS;
    std::vector<Floor>& floors = world.floors[unit];
    floors.push_back({kStartS, {1, 0, 0, ""}});
    while (at_s < world.settle_s) {
      const Nature nature =
          minor == 0 || random.chance(0.4) ? Nature::kGood : Nature(random.between(1, 5));
      const ReleaseId id = release_id(unit, minor++);
      const std::int64_t life_s = random.chance(0.2) ? random.between(600, kDayS) : 0;
      world.releases.push_back({{unit, id, random.chance(0.3), 0},
                                nature,
                                at_s,
                                life_s > 0 && minor > 1 ? at_s + life_s : 0});
      // A floor comes a while after the release that it asks for, or with it.
      if (nature == Nature::kGood && minor > 1 && random.chance(0.6))
        floors.push_back({at_s + (random.chance(0.5) ? 0 : random.below(kDayS)), id.version});
      // Now and then the next one comes while devices are still at this one.
      at_s += random.chance(0.3) ? random.between(600, 7200) : random.between(kDayS / 4, kDayS * 2);
    }
    std::ranges::sort(floors, {}, &Floor::version);
    for (std::size_t i = 1; i < floors.size(); ++i)
      floors[i].from_s = std::max(floors[i].from_s, floors[i - 1].from_s);
    // All must come to this one.
    world.releases.push_back(
        {{unit, release_id(unit, minor++), false, 0}, Nature::kGood, world.settle_s + 3600, 0});
  }
  return world;
}

}  // namespace polder::agent
