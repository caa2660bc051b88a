// A fleet that gets a new release, stage by stage, by the code that decides it: devices of
// differing sites with day and night, some away for hours; releases that are good, or bad in one of
// five ways.
//
//   rollout_sim                       2,000 devices, each release once
//   rollout_sim --devices 10000 --runs 20
//
// A device looks for a release once in a look (30 minutes), and tells then what it counted. Printed
// per release: how often it was aborted, at which stage, how many devices ever ran it, and how many
// have the right release in the end. Exit status 1 when a bad one got beyond 1.5% of the fleet or
// was not stopped, when fewer than 99.9% are back, or when too many good ones were aborted. The
// same seed gives the same table.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "hub/rollout.h"

namespace polder::hub {
namespace {

constexpr int kDay = 48, kHistory = 2 * kDay, kMost = 40 * kDay, kSettle = 2 * kDay;  // looks
constexpr std::int64_t kLookS = 1800;
constexpr int kTrials = 200;  // of a device in a look

enum class Nature { kGood, kCrash, kSlow, kBlind, kWrong, kDrifting };
constexpr const char* kNames[] = {"good", "crash", "slow", "blind", "wrong", "drifting"};
constexpr int kNatures = 6;

enum Measure { kErrors, kSlowFrames, kEmptyFrames, kLowScores, kMeasures };
constexpr const char* kMeasureNames[] = {"errors", "slow frames", "empty frames", "low scores"};
constexpr double kBase[] = {0.01, 0.05, 0.4, 0.05};
// Of the share that a shadow may differ in.
constexpr double kShadowLimit = 0.15;

double effect(Nature nature, Measure measure, int looks) {
  switch (nature) {
    case Nature::kSlow: return measure == kSlowFrames ? 8 : 1;
    case Nature::kBlind: return measure == kEmptyFrames ? 2.4 : 1;
    case Nature::kWrong: return measure == kLowScores ? 2 : 1;
    case Nature::kDrifting: return measure == kSlowFrames ? 1 + 3.0 * looks / kDay : 1;
    default: return 1;
  }
}

struct Agent {
  std::string name;
  double place = 0, phase = 0, swing = 0;
  double own[kMeasures] = {};
  Wanted runs = Wanted::kOld;
  int since = 0;       // look in which it took what it runs
  int away_until = 0;  // look
  bool ever_ran = false, gave_up = false;
};

class Fleet {
 public:
  Fleet(int devices, std::uint64_t seed, Nature nature) : random_(seed), nature_(nature) {
    std::uniform_real_distribution<> uniform(0, 1);
    std::normal_distribution<> normal;
    const int sites = std::max(1, devices / 20);
    std::vector<double> site_phase(static_cast<std::size_t>(sites)),
        site_factor(static_cast<std::size_t>(sites));
    for (double& phase : site_phase) phase = 0.3 * normal(random_);
    for (double& factor : site_factor) factor = std::exp(0.3 * normal(random_));
    for (int i = 0; i < devices; ++i) {
      const auto site = static_cast<std::size_t>(i % sites);
      Agent agent{.name = "device-" + std::to_string(i)};
      agent.phase = site_phase[site];
      agent.swing = 0.3 + 0.4 * uniform(random_);
      for (double& own : agent.own) own = site_factor[site] * std::exp(0.4 * normal(random_));
      agents_.push_back(agent);
    }
    plan_ = {.id = "rollout-" + std::to_string(seed), .stages = usual_stages()};
    for (Agent& agent : agents_) agent.place = place_of(plan_.id, agent.name);
  }

  void run() {
    for (; time_ < kHistory; ++time_) look(nullptr);
    RolloutState state = begin_rollout(now_s());
    began_ = time_;
    while (state.phase == RolloutPhase::kRunning && time_ - began_ < kMost) {
      choose(state);
      look(&state);
      ++time_;
      state = after_gate(plan_, state, gate(state), now_s());
    }
    looks_ = time_ - began_;
    state_ = state;
    for (int i = 0; i < kSettle; ++i, ++time_) look(&state);
  }

  const RolloutState& state() const { return state_; }
  int looks() const { return looks_; }
  int exposed() const {
    return int(std::ranges::count_if(agents_, [](const Agent& one) { return one.ever_ran; }));
  }
  int running(Wanted wanted) const {
    return int(
        std::ranges::count_if(agents_, [&](const Agent& one) { return one.runs == wanted; }));
  }

 private:
  std::int64_t now_s() const { return time_ * kLookS; }

  void choose(RolloutState& state) {
    std::size_t missing = missing_devices(plan_, state);
    if (missing == 0) return;
    std::vector<const Agent*> order;
    for (const Agent& one : agents_)
      if (one.away_until <= time_ && !state.chosen.contains(one.name)) order.push_back(&one);
    std::ranges::sort(order, {}, &Agent::place);
    for (const Agent* one : order) {
      if (missing-- == 0) break;
      state.chosen.insert(one->name);
    }
  }

  void look(const RolloutState* state) {
    std::vector<DeviceCounts> counts[kMeasures];
    std::uniform_real_distribution<> uniform(0, 1);
    for (std::size_t i = 0; i < agents_.size(); ++i) {
      Agent& agent = agents_[i];
      if (agent.away_until <= time_ && uniform(random_) < 0.001)
        agent.away_until = time_ + 1 + int(20 * uniform(random_));
      if (agent.away_until > time_) continue;
      // What it did since the last look, then what it is to do.
      for (int m = 0; m < kMeasures; ++m)
        counts[m].push_back({.device = std::uint32_t(i),
                             .is_canary = agent.runs == Wanted::kNew,
                             .counts = {kTrials, failures(agent, Measure(m))}});
      if (agent.runs == Wanted::kShadow) watch(agent);
      if (state) take(agent, wanted_of(plan_, *state, agent.name));
    }
    for (int m = 0; m < kMeasures; ++m) comparisons_[m].look(counts[m]);
  }

  std::uint64_t failures(const Agent& agent, Measure measure) {
    const double day = 1 + agent.swing * std::sin(6.2831853 * time_ / kDay + agent.phase);
    double rate = kBase[measure] * agent.own[measure] * day;
    if (agent.runs == Wanted::kNew) rate *= effect(nature_, measure, time_ - agent.since);
    std::binomial_distribution<int> draw(kTrials, std::min(rate, 0.97));
    return std::uint64_t(draw(random_));
  }

  // Its shadow sees the same; a good one differs in 5%.
  void watch(const Agent& agent) {
    double share = 0.05;
    if (nature_ == Nature::kBlind) share = 0.6;
    if (nature_ == Nature::kWrong) share = 0.1;  // below what is looked for here
    if (nature_ == Nature::kSlow) share = 0.4;
    if (nature_ == Nature::kDrifting)
      share *= effect(nature_, kSlowFrames, time_ - agent.since) / 2;
    std::binomial_distribution<int> draw(kTrials, std::min(share, 0.97));
    shadow_.trials += kTrials;
    shadow_.failures += std::uint64_t(draw(random_));
  }

  void take(Agent& agent, Wanted wanted) {
    if (agent.gave_up && wanted != Wanted::kOld) return;  // it is bad here: never again
    if (agent.runs == wanted) return;
    agent.runs = wanted;
    agent.since = time_;
    agent.ever_ran = agent.ever_ran || wanted == Wanted::kNew;
    if (wanted != Wanted::kNew || nature_ != Nature::kCrash) return;
    // It crashes, goes back by itself, and says so.
    agent.runs = Wanted::kOld;
    agent.gave_up = true;
    failed_.push_back({agent.name, HardFailure::kCrashLoop});
  }

  GateState gate(const RolloutState& state) {
    const GateRules& rules = plan_.stages[state.stage].gate;
    std::vector<MeasureState> measures;
    if (plan_.stages[state.stage].is_shadow) {
      measures.push_back({"frames that differ", judge_share(shadow_, kShadowLimit), "allowed"});
    } else {
      for (int m = 0; m < kMeasures; ++m)
        measures.push_back({kMeasureNames[m], comparisons_[m].judge(rules.margin)});
    }
    return judge_gate(measures, failed_, now_s() - state.stage_since_s, rules);
  }

  std::mt19937_64 random_;
  Nature nature_;
  std::vector<Agent> agents_;
  RolloutPlan plan_;
  RolloutState state_;
  CanaryComparison comparisons_[kMeasures];
  Counts shadow_;
  std::vector<DeviceFailure> failed_;
  int time_ = 0, began_ = 0, looks_ = 0;
};

int run(int devices, int runs, int only, std::uint64_t seed) {
  std::printf("%d devices, each release %d times\n%-10s %8s %6s %8s %9s %9s %7s  %s\n", devices,
              runs, "", "aborted", "done", "stage", "exposed", "right", "days", "for example");
  int failed = 0;
  for (int n = 0; n < kNatures; ++n) {
    if (only >= 0 && n != only) continue;
    const auto nature = Nature(n);
    const bool is_good = nature == Nature::kGood;
    int aborted = 0, done = 0, most_exposed = 0, least_right = devices;
    std::uint32_t stage = 0;
    double days = 0;
    std::string reason;
    for (int i = 0; i < runs; ++i) {
      Fleet fleet(devices, seed * 1000 + std::uint64_t(n * 100 + i), nature);
      fleet.run();
      const RolloutState& state = fleet.state();
      aborted += state.phase == RolloutPhase::kAborted;
      done += state.phase == RolloutPhase::kDone;
      stage = std::max(stage, state.stage);
      most_exposed = std::max(most_exposed, fleet.exposed());
      const auto right = state.phase == RolloutPhase::kDone ? Wanted::kNew : Wanted::kOld;
      least_right = std::min(least_right, fleet.running(right));
      days += double(fleet.looks()) / kDay / runs;
      if (!state.reason.empty()) reason = state.reason;
    }
    const bool holds = is_good ? aborted <= std::max(1.0, 0.025 * runs) && done + aborted == runs
                               : aborted == runs && most_exposed <= 0.015 * devices;
    const bool are_back = least_right >= 0.999 * devices;
    failed += !holds + !are_back;
    std::printf("%-10s %8d %6d %8u %8.2f%% %8.2f%% %7.2f  %s%s\n", kNames[n], aborted, done,
                stage + 1, 100.0 * most_exposed / devices, 100.0 * least_right / devices, days,
                reason.c_str(), holds && are_back ? "" : "  OUTSIDE OF ITS BOUND");
    std::fflush(stdout);
  }
  return failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace polder::hub

int main(int argc, char** argv) {
  int devices = 2000, runs = 1, only = -1;
  std::uint64_t seed = 1;
  for (int i = 1; i + 1 < argc; i += 2) {
    const long value = std::atol(argv[i + 1]);
    if (std::strcmp(argv[i], "--devices") == 0 && value > 0) devices = int(value);
    if (std::strcmp(argv[i], "--runs") == 0 && value > 0) runs = int(value);
    if (std::strcmp(argv[i], "--release") == 0) only = int(value);
    if (std::strcmp(argv[i], "--seed") == 0) seed = std::uint64_t(value);
  }
  return polder::hub::run(devices, runs, only, seed);
}
