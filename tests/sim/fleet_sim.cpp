// A fleet of agents on a virtual clock: the pure state machine of src/agent/lifecycle.h by the
// thousand, with power cuts, partitions, repositories that stand still, clocks that are wrong and
// jump, damaged slots, floors that rise, releases
// good and bad, and a chooser that offers what it may not.
//
// What the device knows and has done is kept a second time, apart from the state (Known): every
// step is held to it.
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
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "agent/backoff.h"
#include "agent/clock_floor.h"
#include "agent/lifecycle.h"
#include "base/fail.h"
#include "figures.h"
#include "world.h"

namespace polder::agent {
namespace {

// --- One device ----------------------------------------------------------------------------------

// What is really in a slot, whatever the state says.
struct Physical {
  std::optional<ReleaseId> whole;
  bool partial = false;
};

// What a unit has seen and done, as the simulator knows it.
struct Known {
  trust::Version floor;                      // the highest that was saved
  std::set<trust::Sha256> probed, observed;  // releases that came through it
  std::vector<ReleaseId> committed;          // each after the one before
  bool is_lost = false;                      // the active slot was, and nothing committed since
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
    // Some are switched on late, when there are releases below a floor that they have not seen.
    const std::int64_t latest_s = options_.days * kDayS * 2 / 3;
    now_s_ = kStartS + random_.below(random_.chance(0.3) ? latest_s + 1 : kCheckEveryS);
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

  // The clock of the day, which may be wrong, and what is believed of it; now_s_ runs forward only.
  std::int64_t clock_s() const { return now_s_ + clock_error_s_; }
  std::int64_t believed_s() const { return believed_time_s(clock_s(), state_.time_seen_s); }

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
    event.now_s = believed_s();
    event.clock_s = clock_s();
    event.random = random_.bits();
    trace(fmt::format("{} {}", event_name(event.kind), event.reason));
    const Step step = next(state_, event, policy_);
    if (step.changed) {
      ++figures_.saves;
      const bool is_cut = faults() && random_.chance(0.002);
      if (is_cut && random_.chance(0.5)) return power_cut(), false;
      disk_ = step.state;
      if (is_cut) return know(event), power_cut(), false;
      count(step.state);
    }
    const AgentState before = std::exchange(state_, step.state);
    backoff_.follow(before, state_, event.clock_s, now_us());
    for (const Attempts& item : state_.attempts) {
      const Attempts* known = before.find_attempts(item.release.manifest);
      if (!known || known->failures != item.failures) failed_s_[item.release.manifest] = now_s_;
    }
    if (!step.ignored) know(event);
    return true;
  }

  // What an event that was saved has told.
  void know(const Event& event) {
    // What is heard in a trial is looked at after it.
    if (event.kind == EventKind::kHeard && was_on_trial_) return;
    for (const auto& [name, floor] : event.floors)
      known_[name].floor = std::max(known_[name].floor, floor);
    if (event.kind == EventKind::kOffer || event.kind == EventKind::kNothing ||
        event.kind == EventKind::kHeard)
      proven_s_ = std::max(proven_s_, proving_s_);
  }

  void count(const AgentState& after) {
    if (after.phase == Phase::kDownload && state_.phase == Phase::kCheck) {
      ++figures_.begun;
      if (state_.find_bad(after.update->release.manifest))
        breach("a release that failed here is tried again");
    }
    if (after.phase == Phase::kRollBack && state_.phase != Phase::kRollBack) ++figures_.went_back;
    if (after.phase == Phase::kCommit && state_.phase == Phase::kObserve) ++figures_.committed;
    if (after.bad.size() > state_.bad.size()) {
      const Release* release = world_.find(after.bad.back().release.manifest);
      ++(release && is_bad(release->nature) ? figures_.bad_blamed : figures_.good_blamed);
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
    if (faults() && random_.chance(0.1)) jump();
    started_s_ = now_s_;
    backoff_.start(state_, clock_s(), now_us());
    tell({.kind = EventKind::kStart});
  }

  // The clock of the day is set, rightly or not.
  void jump() {
    const std::int64_t errors[] = {-now_s_, -20 * kYearS, 20 * kYearS, -3600,     3600,
                                   -kDayS,  kDayS,        3 * kDayS,   6 * kDayS, 0};
    clock_error_s_ = errors[random_.below(std::ssize(errors))];
    ++figures_.jumps;
    trace(fmt::format("the clock is wrong by {} s", clock_error_s_));
  }
  std::int64_t now_us() const { return now_s_ * 1'000'000; }

  // The network is away, or somebody shows the device a repository that stands still.
  void next_partition() {
    is_freeze_ = random_.chance(0.3);
    partition_from_s_ = now_s_ + random_.between(3600, 3 * kDayS);
    const std::int64_t longest_s = !is_freeze_ ? kDayS : random_.chance(0.3) ? 10 * kDayS : kDayS;
    partition_to_s_ = partition_from_s_ + random_.between(600, longest_s);
  }

  bool is_online() {
    if (!faults()) return true;
    if (now_s_ > partition_to_s_) next_partition();
    return is_freeze_ || now_s_ < partition_from_s_;
  }
  // The time of what the repository shows.
  std::int64_t shown_s() const {
    return faults() && is_freeze_ ? std::min(now_s_, partition_from_s_) : now_s_;
  }

  // Time passes; false when the power went in it.
  bool pass(std::int64_t seconds) {
    const double cuts_a_day = 1.0;
    const double p = double(seconds) * cuts_a_day / double(kDayS);
    if (faults() && random_.chance(std::min(p, 0.5))) {
      const std::int64_t passed_s = random_.below(seconds + 1);
      now_s_ += passed_s;
      if (random_.chance(0.3)) go_down(passed_s);
      power_cut();
      return false;
    }
    now_s_ += seconds;
    if (faults() && random_.chance(p / 2)) jump();
    return true;
  }

  // In good order, before the power is cut.
  void go_down(std::int64_t passed_s) {
    const std::int64_t before_s = state_.update ? state_.update->observed_s : 0;
    tell({.kind = EventKind::kEnd, .observed_s = before_s + passed_s});
  }

  void wait_for_check() {
    if (!pass(random_.between(kCheckEveryS / 2, kCheckEveryS))) return;
    if (clock_error_s_ != 0 && is_online() && random_.chance(0.3)) clock_error_s_ = 0;
    if (faults() && random_.chance(0.001)) lose_slot("people");
    tell({.kind = EventKind::kDue});
  }

  // The disk damages what runs, and the agent finds that out.
  void lose_slot(const std::string& name) {
    const Slot active = state_.units.at(name).active;
    if (active == Slot::kNone) return;
    ++figures_.slots_lost;
    trace("damaged slot");
    physical_[name][std::size_t(active == Slot::kB)] = {};
    disk_ = state_ = lose_active(state_, name);
    known_[name].is_lost = true;
    const ReleaseId* running = state_.units.at(name).running();
    if (running && running->version < known_[name].floor)
      breach("in place of what was lost runs a release below the floor");
  }

  // What the repository, and whoever chooses, put before the device.
  std::vector<Offer> offers() {
    std::vector<Offer> out;
    for (const std::string unit : {"polderd", "people"}) {
      const Release* newest = nullptr;
      for (const Release& release : world_.releases) {
        const bool is_there =
            release.from_s <= shown_s() && (release.until_s == 0 || shown_s() < release.until_s);
        if (release.offer.unit == unit && is_there) newest = &release;
      }
      if (newest) out.push_back(newest->offer);
    }
    // A stolen hub: anything that was ever signed, now and then the way back, nothing of its own
    // gets past the signatures (agent/repository_client.h), which are not simulated here.
    if (!faults()) return out;
    if (random_.chance(0.05)) put_first(out, pick(world_.releases).offer);
    if (const auto below = world_.below_floor(shown_s()); !below.empty() && random_.chance(0.05)) {
      ++figures_.below_floor;
      put_first(out, pick(below));
    }
    return out;
  }
  void put_first(std::vector<Offer>& offers, const Offer& offer) const {
    if (world_.find(offer.release.manifest)->from_s <= shown_s())
      offers.insert(offers.begin(), offer);
  }
  template <class T>
  const T& pick(const std::vector<T>& all) {
    return all[std::size_t(random_.below(std::int64_t(all.size())))];
  }

  // Those of the repository; now and then of one that somebody has set back, or that lists none.
  std::map<std::string, trust::Version> floors() {
    if (!faults() || !random_.chance(0.05)) return world_.floors_at(shown_s());
    ++figures_.floors_sunk;
    return world_.floors_at(random_.chance(0.3) ? 0
                                                : kStartS + random_.below(now_s_ - kStartS + 1));
  }

  // The repository is asked in the middle of an update; whether that goes on.
  bool hear() {
    const Phase phase = state_.phase;
    const bool may_ask =
        (phase >= Phase::kDownload && phase <= Phase::kShadow) || phase == Phase::kObserve;
    if (!may_ask || !random_.chance(0.5)) return true;
    if (!pass(random_.between(1, 5))) return false;
    const std::int64_t expires_s = shown_s() + kMetadataLifeS;
    if (!is_online() || expires_s <= believed_s()) return true;
    Event event{.kind = EventKind::kHeard,
                .reason = "taken back",
                .is_taken_back = is_taken_back(state_, offers(), {}),
                .time_seen_s = raised_time_seen_s(state_.time_seen_s, believed_s(), expires_s),
                .floors = floors()};
    proving_s_ = std::min(std::max(clock_s(), proven_s_), expires_s);
    was_on_trial_ = phase == Phase::kObserve;
    if (!tell(event)) return false;
    if (state_.phase != phase) ++figures_.taken_back;
    else if (event.is_taken_back) breach("what was taken back goes on");
    return state_.phase == phase;
  }

  void check() {
    ++figures_.checks;
    if (!pass(random_.between(1, 5))) return;
    // trust/tuf_trusted_set.h, which is not simulated here, refuses what has expired.
    // Now and then whoever renews them has a clock of his own that is wrong.
    const bool is_short = faults() && random_.chance(0.05);
    const std::int64_t expires_s =
        shown_s() + (is_short ? random_.between(-3 * kDayS, kDayS) : kMetadataLifeS);
    const bool is_expired = is_online() && expires_s <= believed_s();
    if (is_expired) ++figures_.expired;
    if (!is_online() || is_expired) {
      ++figures_.unreachable;
      tell({.kind = EventKind::kFailed, .reason = is_expired ? "expired" : "unreachable"});
      return;
    }
    check_time(expires_s);
    std::vector<Refusal> refusals;
    Event event{.kind = EventKind::kNothing,
                .time_seen_s = raised_time_seen_s(state_.time_seen_s, believed_s(), expires_s),
                .floors = floors()};
    proving_s_ = std::min(std::max(clock_s(), proven_s_), expires_s);
    const std::vector<Offer> all = offers();
    const auto left_s = [&](const Attempts& item) { return wait_left_s(item); };
    event.offer = choose_offer(state_, all, left_s, refusals);
    figures_.offers_refused += std::int64_t(refusals.size());
    if (event.offer) event.kind = EventKind::kOffer;
    // The table refuses by itself what choose_offer() would not have let through.
    if (random_.chance(0.05) && !all.empty()) {
      event.kind = EventKind::kOffer;
      event.offer = all[0];
    }
    tell(event);
  }

  // Metadata that are taken: no clock makes such fresh that have expired by a clock that is right
  // or ahead, or by what was proven.
  void check_time(std::int64_t expires_s) {
    if (clock_error_s_ >= 0 && expires_s <= now_s_) breach("expired metadata were taken");
    if (expires_s <= proven_s_ - policy_.time_step_s)
      breach("metadata were taken that had expired by what was seen");
  }

  // What is left of a wait: no longer than it would be by a clock that is right, but for one that
  // the device was switched off in.
  std::int64_t wait_left_s(const Attempts& item) {
    std::int64_t longest_s = policy_.first_wait_s;
    for (std::int64_t i = 1; i < item.failures && longest_s < policy_.longest_wait_s; ++i)
      longest_s *= 2;
    longest_s = std::min(longest_s, policy_.longest_wait_s);
    const std::int64_t since_s = std::max(started_s_, failed_s_[item.release.manifest]);
    const std::int64_t left_s = backoff_.left_s(item, now_us());
    if (left_s > std::max(longest_s - (now_s_ - since_s), std::int64_t(0)))
      breach("a release waits for longer than the back-off");
    if (since_s != started_s_ && left_s < longest_s / 2 - (now_s_ - since_s))
      breach("a release does not wait for half of the back-off");
    return left_s;
  }

  Nature nature() const {
    const Release* release = world_.find(state_.update->release.manifest);
    return release ? release->nature : Nature::kWrongResults;
  }

  Physical& physical(Slot slot) {
    return physical_[state_.update->unit][std::size_t(slot == Slot::kB)];
  }

  void act() {
    if (!hear()) return;
    switch (state_.phase) {
      case Phase::kIdle: break;
      case Phase::kCheck: check(); break;
      case Phase::kDownload: download(); break;
      case Phase::kVerify: done(random_.between(1, 20), 0.002); break;
      case Phase::kStage: stage(); break;
      case Phase::kProbe: probe(); break;
      case Phase::kShadow: done(600, 0.002); break;
      case Phase::kActivate: activate(); break;
      case Phase::kObserve: observe(); break;
      case Phase::kCommit: done(2, 0.01); break;
      case Phase::kDiscard: tidy(); break;
      case Phase::kRollBack: tidy(); break;
    }
  }

  // `came_through`: where it is noted that the release did.
  void done(std::int64_t seconds, double failing, std::set<trust::Sha256>* came_through = nullptr) {
    if (!pass(seconds)) return;
    const bool fails = faults() && random_.chance(failing);
    if (!fails && came_through) came_through->insert(state_.update->release.manifest);
    tell({.kind = fails ? EventKind::kFailed : EventKind::kDone, .reason = fails ? "disk" : ""});
  }
  void reject(const char* reason) { tell({.kind = EventKind::kRejected, .reason = reason}); }

  void download() {
    if (!pass(random_.between(10, 3600))) return;
    const Attempts* attempts = state_.find_attempts(state_.update->release.manifest);
    const bool flaky = nature() == Nature::kFlaky && (!attempts || attempts->failures < 8);
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

  // What draws more power than anything before is where a weak supply gives out.
  void probe() {
    const bool is_cut = faults() && random_.chance(0.05);
    if (is_cut || nature() == Nature::kDiesInProbe) {
      now_s_ += random_.below(30);
      return power_cut();
    }
    if (nature() != Nature::kWrongResults) return done(30, 0.01, &updated().probed);
    if (pass(30)) reject("wrong results");
  }
  Known& updated() { return known_[state_.update->unit]; }

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
      if (!state_.update->lived) {
        if (pass(60)) tell({.kind = EventKind::kLives});
        return;
      }
      done(std::max<std::int64_t>(540 - state_.update->observed_s, 1), 0.002, &updated().observed);
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
      if (state->time_seen_s > proven_s_ || state->time_seen_s <= proven_s_ - policy_.time_step_s)
        breach("the time that was seen is not what metadata have proven");
      for (const auto& [name, unit] : state->units) check_unit(*state, name, unit);
    }
  }

  void check_unit(const AgentState& state, const std::string& name, const Unit& unit) {
    const auto& slots = physical_[name];
    for (const Slot slot : {Slot::kA, Slot::kB}) {
      const Physical& real = slots[std::size_t(slot == Slot::kB)];
      if (unit.in(slot) && real.whole != unit.in(slot)) breach("a slot is not what the state says");
    }
    const Known& known = known_[name];
    const auto floor = state.floors.find(name);
    if (floor != state.floors.end() ? floor->second != known.floor
                                    : known.floor != trust::Version())
      breach("a floor is not the highest that was seen");
    if (state.update && state.update->unit == name && state.phase != Phase::kDiscard &&
        state.update->release.version < known.floor)
      breach("a release below the floor is being installed");
    if (unit.running() && !known.probed.contains(unit.running()->manifest))
      breach("what runs has not come through its probe");
    if (unit.committed) check_committed(name, unit);
  }

  void check_committed(const std::string& name, const Unit& unit) {
    Known& known = known_[name];
    if (!unit.running() && !known.is_lost) breach("nothing runs, though something was committed");
    auto& history = known.committed;
    if (!history.empty() && history.back() == *unit.committed) return;
    const Release* release = world_.find(unit.committed->manifest);
    if (!release || !(release->offer.release == *unit.committed))
      return breach("something was committed that nobody signed");
    if (is_bad(release->nature))
      breach(fmt::format("a release was committed that is bad: {}",
                         kNatureNames[int(release->nature)]));
    if (!known.observed.contains(unit.committed->manifest))
      breach("a release was committed that was not observed");
    if (unit.committed->version < known.floor) breach("a release below the floor was committed");
    // Not below the highest, but for one step to what this device had committed itself.
    const bool rises = std::ranges::all_of(
        history, [&](const ReleaseId& before) { return before.version < unit.committed->version; });
    const bool back = history.size() > 1 && history[history.size() - 2] == *unit.committed;
    if (!rises && !back) breach("a release was committed that is neither above nor the way back");
    if (!rises) ++figures_.gone_back_on_order;
    history.push_back(*unit.committed);
    known.is_lost = false;
  }

  // No fault for days: all must be idle with the last good release.
  void finish() {
    bool stuck = false;
    for (const auto& [name, unit] : state_.units) {
      const Release* last = nullptr;
      for (const Release& release : world_.releases) {
        if (release.offer.unit == name) last = &release;
      }
      stuck |= !unit.running() || *unit.running() != last->offer.release ||
               unit.committed != last->offer.release;
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
  std::map<std::string, Known> known_;
  std::int64_t now_s_ = kStartS, clock_error_s_ = 0, started_s_ = kStartS;
  // What metadata have proven the time to be at least, and what those that are being taken will.
  std::int64_t proven_s_ = 0, proving_s_ = 0;
  std::map<trust::Sha256, std::int64_t> failed_s_;  // by manifest: when, last
  Backoff backoff_{policy_};
  std::int64_t partition_from_s_ = 0, partition_to_s_ = 0;
  bool is_freeze_ = false, was_on_trial_ = false;
};

// --- The program ---------------------------------------------------------------------------------

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
