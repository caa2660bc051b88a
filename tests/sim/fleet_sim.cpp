// A fleet of agents on a virtual clock: the pure state machine of src/agent/lifecycle.h by the
// thousand, with power cuts, partitions, wrong clocks, releases good and bad, and a chooser that
// offers what it may not.
//
//   fleet_sim                                 short, as in every test run (about a second)
//   fleet_sim --agents 10000 --days 60        long
//   fleet_sim --seed 7 --agent 123 --trace    one agent of that fleet, step by step
//
// The same seed gives the same fleet to the last digit; the digest at the end says so. Exit status
// 1 when something was not as it must be: the first breach is printed with what replays it.
#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/lifecycle.h"
#include "base/fail.h"

namespace polder::agent {
namespace {

constexpr std::int64_t kDayS = 86'400, kYearS = 31'557'600;
constexpr std::int64_t kStartS = 1'800'000'000;
constexpr std::int64_t kCheckEveryS = 3600;
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

// --- The world -----------------------------------------------------------------------------------

enum class Nature {
  kGood,
  kWrongResults,  // the probe finds out
  kCrashLoop,     // dies again and again once it runs
  kTakesAllDown,  // the machine restarts with it
  kFlaky,         // could not be installed the first times, which nobody is to blame for
};
constexpr const char* kNatureNames[] = {"good", "wrong results", "crash loop", "takes all down",
                                        "flaky"};

struct Release {
  Offer offer;
  Nature nature = Nature::kGood;
  std::int64_t from_s = 0;  // when it is published
};

ReleaseId release_id(const std::string& unit, std::uint32_t minor, bool signed_offline = true) {
  const trust::Version version{1, minor, 0, ""};
  return {unit, version,
          trust::sha256(unit + version.text() + (signed_offline ? "" : " by a stolen hub"))};
}

struct World {
  std::vector<Release> releases;                                // by time
  std::vector<std::pair<std::int64_t, trust::Version>> floors;  // of people: from when
  std::int64_t end_s = 0, settle_s = 0;

  const Release* find(const trust::Sha256& manifest) const {
    const auto found = std::ranges::find(releases, manifest,
                                         [](const Release& r) { return r.offer.release.manifest; });
    return found == releases.end() ? nullptr : &*found;
  }
  trust::Version floor_at(std::int64_t time_s) const {
    trust::Version floor;
    for (const auto& [from_s, version] : floors) {
      if (from_s <= time_s) floor = version;
    }
    return floor;
  }
};

World make_world(const Options& options) {
  Random random(options.seed);
  World world;
  world.settle_s = kStartS + options.days * kDayS;
  world.end_s = world.settle_s + kSettleDays * kDayS;
  for (const std::string unit : {"people", "polderd"}) {
    std::uint32_t minor = 0;
    std::int64_t at_s = kStartS;
    while (at_s < world.settle_s) {
      Nature nature =
          minor == 0 || random.chance(0.5) ? Nature::kGood : Nature(random.between(1, 4));
      world.releases.push_back(
          {{unit, release_id(unit, minor++), random.chance(0.3), 0}, nature, at_s});
      at_s += random.between(kDayS / 4, kDayS * 2);
    }
    // All must come to this one.
    world.releases.push_back(
        {{unit, release_id(unit, minor++), false, 0}, Nature::kGood, world.settle_s + 3600});
  }
  world.floors = {{kStartS, {1, 0, 0, ""}}, {kStartS + options.days * kDayS / 2, {1, 2, 0, ""}}};
  return world;
}

// --- Figures -------------------------------------------------------------------------------------

struct Figures {
  std::int64_t steps = 0, saves = 0, checks = 0, unreachable = 0, wrong_clocks = 0;
  std::int64_t offers_refused = 0, begun = 0, committed = 0, went_back = 0;
  std::int64_t bad_blamed = 0, good_blamed = 0, gone_back_on_order = 0;
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

// --- One device ----------------------------------------------------------------------------------

// What is really in a slot, whatever the state says.
struct Physical {
  std::optional<ReleaseId> whole;
  bool partial = false;
};

class Device {
 public:
  Device(const World& world, const Options& options, std::int64_t index, Figures& figures)
      : world_(world),
        options_(options),
        index_(index),
        figures_(figures),
        random_(options.seed * 0x100000001b3u + std::uint64_t(index)) {
    const std::vector<std::string> models{"people"};
    disk_ = state_ = with_units({}, models, "polderd").value();
  }

  void live() {
    now_s_ = kStartS + random_.below(kCheckEveryS);
    next_partition();
    start();
    while (now_s_ < world_.end_s) {
      ++figures_.steps;
      if (state_.phase == Phase::kIdle) wait_for_check();
      else act();
      check_invariants();
    }
    finish();
  }

 private:
  bool faults() const { return now_s_ < world_.settle_s; }

  // The wall clock, which may be wrong: never for longer than until the next check in which the
  // network sets it.
  std::int64_t wall_s() const { return std::max(now_s_ + clock_error_s_, state_.time_seen_s); }

  void trace(const std::string& what) const {
    if (!options_.trace) return;
    std::printf("%9lld s  %-10s %s\n", static_cast<long long>(now_s_ - kStartS),
                std::string(phase_name(state_.phase)).c_str(), what.c_str());
  }

  void breach(const std::string& what) {
    ++figures_.breaches;
    if (!figures_.first_breach.empty()) return;
    figures_.first_breach = fmt::format(
        "{}\n  in: {}  replay: fleet_sim --seed {} --agents {} --days {} --agent {} "
        "--trace",
        what, state_.bytes(), options_.seed, options_.agents, options_.days, index_);
  }

  // Saves, unless the power goes: then the disk has the old state or the new.
  bool tell(Event event) {
    event.now_s = wall_s();
    event.random = random_.bits();
    trace(fmt::format("{} {}", event_name(event.kind), event.reason));
    const Step step = next(state_, event, policy_);
    if (step.changed) {
      ++figures_.saves;
      if (faults() && random_.chance(0.002)) {
        if (random_.chance(0.5)) disk_ = step.state;
        power_cut();
        return false;
      }
      disk_ = step.state;
      count(step.state);
    }
    state_ = step.state;
    return true;
  }

  void count(const AgentState& after) {
    if (after.phase == Phase::kDownload && state_.phase == Phase::kCheck) ++figures_.begun;
    if (after.phase == Phase::kRollBack && state_.phase != Phase::kRollBack) ++figures_.went_back;
    if (after.phase == Phase::kCommit && state_.phase == Phase::kObserve) ++figures_.committed;
    if (after.bad.size() > state_.bad.size()) {
      const Release* release = world_.find(after.bad.back().release.manifest);
      const bool is_bad =
          release && release->nature != Nature::kGood && release->nature != Nature::kFlaky;
      ++(is_bad ? figures_.bad_blamed : figures_.good_blamed);
    }
  }

  void power_cut() {
    ++figures_.cuts[std::size_t(state_.phase)];
    trace("power cut");
    now_s_ += random_.between(20, random_.chance(0.1) ? kDayS : 300);
    start();
  }

  void start() {
    // Through the bytes now and then: a state that cannot be read back would be lost.
    if (random_.chance(0.05)) {
      const auto read = AgentState::parse(disk_.bytes(), "state.json");
      if (!read.ok() || !(*read == disk_)) breach("a state that does not come back");
    }
    state_ = disk_;
    if (faults() && random_.chance(0.1)) {
      const std::int64_t errors[] = {-now_s_, -20 * kYearS, 20 * kYearS, -3600};
      clock_error_s_ = errors[random_.below(4)];
      ++figures_.wrong_clocks;
    }
    tell({.kind = EventKind::kStart});
  }

  void next_partition() {
    partition_from_s_ = now_s_ + random_.between(3600, 3 * kDayS);
    partition_to_s_ = partition_from_s_ + random_.between(600, kDayS);
  }

  bool is_online() {
    if (!faults()) return true;
    if (now_s_ > partition_to_s_) next_partition();
    return now_s_ < partition_from_s_;
  }

  // Time passes; false when the power went in it.
  bool pass(std::int64_t seconds) {
    const double cuts_a_day = 1.0;
    const double p = double(seconds) * cuts_a_day / double(kDayS);
    if (faults() && random_.chance(std::min(p, 0.5))) {
      now_s_ += random_.below(seconds + 1);
      power_cut();
      return false;
    }
    now_s_ += seconds;
    return true;
  }

  void wait_for_check() {
    if (!pass(random_.between(kCheckEveryS / 2, kCheckEveryS))) return;
    if (clock_error_s_ != 0 && is_online() && random_.chance(0.5)) clock_error_s_ = 0;
    tell({.kind = EventKind::kDue});
  }

  // What the repository, and whoever chooses, put before the device.
  std::vector<Offer> offers() {
    std::vector<Offer> out;
    for (const std::string unit : {"polderd", "people"}) {
      const Release* newest = nullptr;
      for (const Release& release : world_.releases) {
        if (release.offer.unit == unit && release.from_s <= now_s_) newest = &release;
      }
      if (newest) out.push_back(newest->offer);
    }
    if (!faults() || !random_.chance(0.05)) return out;
    // A stolen hub: anything that was ever signed, now and then the way back, nothing of its own
    // gets past the signatures (agent/repository_client.h), which are not simulated here.
    const Release& any =
        world_.releases[std::size_t(random_.below(std::int64_t(world_.releases.size())))];
    if (any.from_s <= now_s_) out.insert(out.begin(), any.offer);
    return out;
  }

  void check() {
    ++figures_.checks;
    if (!pass(random_.between(1, 5))) return;
    // Metadata that a clock 20 years ahead finds expired are no metadata.
    if (!is_online() || clock_error_s_ > kYearS) {
      ++figures_.unreachable;
      tell({.kind = EventKind::kFailed, .reason = "unreachable"});
      return;
    }
    std::vector<Refusal> refusals;
    Event event{.kind = EventKind::kNothing,
                .time_seen_s = std::min(wall_s(), now_s_ + 7 * kDayS),
                .floors = {{"people", world_.floor_at(now_s_)}}};
    const std::vector<Offer> all = offers();
    event.offer = choose_offer(state_, all, wall_s(), policy_, refusals);
    figures_.offers_refused += std::int64_t(refusals.size());
    if (event.offer) event.kind = EventKind::kOffer;
    // The table refuses by itself what choose_offer() would not have let through.
    if (random_.chance(0.02) && !all.empty()) {
      event.kind = EventKind::kOffer;
      event.offer = all[0];
    }
    tell(event);
  }

  Nature nature() const {
    const Release* release = world_.find(state_.update->release.manifest);
    return release ? release->nature : Nature::kWrongResults;
  }

  Physical& physical(Slot slot) {
    return physical_[state_.update->unit][std::size_t(slot == Slot::kB)];
  }

  void act() {
    switch (state_.phase) {
      case Phase::kIdle: break;
      case Phase::kCheck: check(); break;
      case Phase::kDownload: download(); break;
      case Phase::kVerify: done(random_.between(1, 20), 0.002); break;
      case Phase::kStage: stage(); break;
      case Phase::kProbe:
        if (nature() == Nature::kWrongResults && pass(30)) reject("wrong results");
        else if (nature() != Nature::kWrongResults) done(30, 0.01);
        break;
      case Phase::kShadow: done(600, 0.002); break;
      case Phase::kActivate: activate(); break;
      case Phase::kObserve: observe(); break;
      case Phase::kCommit: done(2, 0.01); break;
      case Phase::kDiscard: tidy(); break;
      case Phase::kRollBack: tidy(); break;
    }
  }

  void done(std::int64_t seconds, double failing) {
    if (!pass(seconds)) return;
    const bool fails = faults() && random_.chance(failing);
    tell({.kind = fails ? EventKind::kFailed : EventKind::kDone, .reason = fails ? "disk" : ""});
  }
  void reject(const char* reason) { tell({.kind = EventKind::kRejected, .reason = reason}); }

  void download() {
    if (!pass(random_.between(10, 3600))) return;
    const Attempts* attempts = state_.find_attempts(state_.update->release.manifest);
    const bool flaky = nature() == Nature::kFlaky && (!attempts || attempts->failures < 3);
    const bool fails = !is_online() || flaky;
    tell({.kind = fails ? EventKind::kFailed : EventKind::kDone, .reason = fails ? "network" : ""});
  }

  void stage() {
    Physical& slot = physical(state_.update->slot);
    slot = {std::nullopt, true};
    if (!pass(random_.between(1, 60))) return;
    if (faults() && random_.chance(0.01)) {
      tell({.kind = EventKind::kFailed, .reason = "disk full"});
      return;
    }
    slot = {state_.update->release, false};
    tell({.kind = EventKind::kDone});
  }

  void activate() {
    if (!state_.updated().runtime) return done(2, 0.005);
    // The new polderd starts in place of the old one, which counts.
    if (!pass(5)) return;
    if (!tell({.kind = EventKind::kStart}) || state_.phase != Phase::kActivate) return;
    if (nature() == Nature::kCrashLoop || nature() == Nature::kTakesAllDown) return;
    tell({.kind = EventKind::kDone});
  }

  void observe() {
    if (nature() == Nature::kCrashLoop) {
      if (pass(60)) reject("crash loop");
    } else if (nature() == Nature::kTakesAllDown) {
      now_s_ += 30;
      power_cut();
    } else {
      done(600, 0.002);
    }
  }

  void tidy() {
    if (!pass(2)) return;
    if (!state_.updated().in(state_.update->slot)) physical(state_.update->slot) = {};
    tell({.kind = faults() && random_.chance(0.05) ? EventKind::kFailed : EventKind::kDone});
  }

  // --- What must always be so --------------------------------------------------------------------

  void check_invariants() {
    for (const AgentState* state : {&state_, &disk_}) {
      if (const Status valid = state->validate(); !valid.ok()) breach(valid.error().message);
      for (const auto& [name, unit] : state->units) check_unit(name, unit);
    }
  }

  void check_unit(const std::string& name, const Unit& unit) {
    const auto& slots = physical_[name];
    for (const Slot slot : {Slot::kA, Slot::kB}) {
      const Physical& real = slots[std::size_t(slot == Slot::kB)];
      if (unit.in(slot) && real.whole != unit.in(slot)) breach("a slot is not what the state says");
    }
    if (!unit.committed) return;
    if (!unit.running()) breach("nothing runs, though something was committed");
    const Release* release = world_.find(unit.committed->manifest);
    if (!release || !(release->offer.release == *unit.committed))
      return breach("something was committed that nobody signed");
    if (release->nature != Nature::kGood && release->nature != Nature::kFlaky)
      breach(fmt::format("a release was committed that is bad: {}",
                         kNatureNames[int(release->nature)]));
    // Not below the highest, but for one step to what this device had committed itself.
    auto& history = committed_[name];
    if (history.empty() || history.back() != *unit.committed) {
      const bool rises = history.empty() || history.back().version < unit.committed->version;
      const bool back = history.size() > 1 && history[history.size() - 2] == *unit.committed;
      if (!rises && !back) breach("a release was committed that is neither above nor the way back");
      if (!rises) ++figures_.gone_back_on_order;
      if (name == "people" && unit.committed->version < committed_floor_)
        breach("a release below the floor was committed");
      history.push_back(*unit.committed);
    }
    if (const auto floor = state_.floors.find(name);
        name == "people" && floor != state_.floors.end()) {
      if (floor->second < committed_floor_) breach("a floor sank");
      committed_floor_ = floor->second;
    }
  }

  // No fault for days: all must be idle with the last good release.
  void finish() {
    bool stuck = false;
    for (const auto& [name, unit] : state_.units) {
      const Release* last = nullptr;
      for (const Release& release : world_.releases) {
        if (release.offer.unit == name) last = &release;
      }
      stuck |= !unit.committed || *unit.committed != last->offer.release;
    }
    if (stuck) {
      ++figures_.stuck;
      breach("the device is stuck");
    }
    figures_.digest.update(disk_.bytes());
  }

  const World& world_;
  const Options& options_;
  std::int64_t index_;
  Figures& figures_;
  Random random_;
  Policy policy_;
  AgentState state_, disk_;
  std::map<std::string, std::array<Physical, 2>> physical_;
  std::map<std::string, std::vector<ReleaseId>> committed_;
  trust::Version committed_floor_;
  std::int64_t now_s_ = kStartS, clock_error_s_ = 0;
  std::int64_t partition_from_s_ = 0, partition_to_s_ = 0;
};

// --- The program ---------------------------------------------------------------------------------

void print(const Options& options, const World& world, Figures& figures) {
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
  std::printf("\n%lld checks, %lld of them in vain; %lld offers refused; %lld wrong clocks\n",
              n(figures.checks), n(figures.unreachable), n(figures.offers_refused),
              n(figures.wrong_clocks));
  std::printf("%lld updates begun, %lld committed, %lld rolled back, %lld back on order\n",
              n(figures.begun), n(figures.committed), n(figures.went_back),
              n(figures.gone_back_on_order));
  std::printf("bad releases blamed %lld, good ones %lld (power cuts during the trial)\n",
              n(figures.bad_blamed), n(figures.good_blamed));
  std::printf("breaches %lld, stuck %lld, digest %s\n", n(figures.breaches), n(figures.stuck),
              trust::hex(figures.digest.finish()).substr(0, 16).c_str());
}

bool number(const char* text, std::int64_t max, std::int64_t& into) {
  const auto [end, code] = std::from_chars(text, text + std::strlen(text), into);
  return code == std::errc() && *end == '\0' && into >= 0 && into <= max;
}

bool parse(int argc, char** argv, Options& options) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    std::int64_t value = 0;
    if (word == "--trace") {
      options.trace = true;
      continue;
    }
    if (i + 1 == argc || !number(argv[++i], 1'000'000, value)) return false;
    if (word == "--seed") options.seed = std::uint64_t(value);
    else if (word == "--agents") options.agents = value;
    else if (word == "--days") options.days = value;
    else if (word == "--agent") options.only = value;
    else return false;
  }
  return true;
}

int run(int argc, char** argv) {
  Options options;
  if (!parse(argc, argv, options)) {
    std::fprintf(stderr,
                 "usage: fleet_sim [--seed N] [--agents N] [--days N] [--agent INDEX] [--trace]\n");
    return 2;
  }
  const World world = make_world(options);
  Figures figures;
  for (std::int64_t i = 0; i < options.agents; ++i) {
    if (options.only < 0 || options.only == i) Device(world, options, i, figures).live();
  }
  print(options, world, figures);
  if (figures.breaches == 0) return 0;
  std::fprintf(stderr, "fleet_sim: %s\n", figures.first_breach.c_str());
  return 1;
}

}  // namespace
}  // namespace polder::agent

int main(int argc, char** argv) { return polder::agent::run(argc, argv); }
