// Fleets that get a new release, good or bad, from the hub's own rollouts, telemetry and database,
// on a virtual clock: devices of sites with day and night, with lives as src/agent has them, that
// are switched off, are out of reach for hours, and tell late.
//
//   rollout_sim                                     1,000 devices, each release once
//   rollout_sim --devices 10000 --runs 3            what docs/guide/rollouts.md prints (an hour)
//   rollout_sim --scenario null --runs 300          how often a good release is aborted
//   rollout_sim --scenario regression --runs 500    three devices, failures twice as frequent
//   rollout_sim --scenario halting --runs 100       slow frames twice as frequent, from a shadow on
//   rollout_sim --scenario slow --seed 7 --json
//
// The same seed gives the same runs (but for how long they took here). Exit status 1 when a row
// refutes its goal, with 99% confidence: a bad release that got beyond 1.5% of the fleet or was not
// stopped, fewer than 99.9% back within a day, more than 2.5% of good ones aborted (of fewer than
// 40: any), fewer than 99% of regressions found within 10 looks, or of halting ones stopped. Bounds
// are one-sided, of 95%.
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>

#include "binomial.h"
#include "rollout_fleet.h"
#include "trust/json.h"

namespace polder::sim {
namespace {

constexpr double kMostExposed = 0.015, kLeastRight = 0.999, kMostAborted = 0.025,
                 kLeastFound = 0.99;
constexpr int kFoundWithin = 10;  // looks

struct Options {
  std::string scenario = "fleet";
  int devices = 1000, runs = 1;
  std::uint64_t seed = 1;
  bool json = false, shadow = true;
  double own = 0.02, site = 0.02, observations = 100;
  std::int64_t look_s = 900, report_s = 900, poll_s = 900, history = 0;
};

// --- Figures of many runs ------------------------------------------------------------------------

double quantile(std::vector<double> values, double fraction) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  const auto at = static_cast<std::size_t>(std::ceil(fraction * double(values.size())) - 1);
  return values[std::min(at, values.size() - 1)];
}

struct Figures {
  int runs = 0, devices = 0, aborted = 0, done = 0, found = 0;
  std::uint32_t stage = 0;
  double right = 1;
  bool all_back = true;
  std::vector<double> exposed, hours, exposed_h, most_right_h, all_right_h, looks;
  Times checkins, judgements;
  std::map<std::string, int> reasons;

  void add(const Outcome& one) {
    ++runs;
    aborted += one.phase == hub::RolloutPhase::kAborted;
    done += one.phase == hub::RolloutPhase::kDone;
    stage = std::max(stage, one.stage);
    right = std::min(right, one.right);
    exposed.push_back(double(one.exposed) / devices);
    hours.push_back(one.hours);
    exposed_h.push_back(one.exposed_h);
    most_right_h.push_back(one.most_right_h < 0 ? INFINITY : one.most_right_h);
    all_right_h.push_back(one.all_right_h < 0 ? INFINITY : one.all_right_h);
    if (one.phase == hub::RolloutPhase::kAborted) {
      looks.push_back(one.looks);
      found += one.looks <= kFoundWithin;
      ++reasons[word_of(one.reason)];
    }
    if (one.phase == hub::RolloutPhase::kRunning) ++reasons["held: " + one.reason];
    for (auto [to, from] : {std::pair(&checkins, &one.checkins), {&judgements, &one.judgements}}) {
      to->count += from->count, to->sum_us += from->sum_us;
      to->most_us = std::max(to->most_us, from->most_us);
    }
  }
  std::string all_reasons() const {
    std::string text;
    for (const auto& [reason, count] : reasons)
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, reason);
    return text;
  }

 private:
  // "empty frames", or what the device says of itself.
  static std::string word_of(const std::string& reason) {
    if (!reason.starts_with("cam-")) return reason.substr(0, reason.find(':'));
    return reason.substr(reason.find(": ") + 2).substr(0, reason.find(';'));
  }
};

// --- Settings ------------------------------------------------------------------------------------

hub::RolloutOrder usual_order(const Options& options) {
  trust::Json::Members order{{"model", kModel}, {"version", kNewVersion.text()}};
  order.emplace("look_s", options.look_s);
  if (options.history > 0) order.emplace("history_looks", options.history);
  return must(hub::read_order(order, "order"));
}

FleetSettings settings_of(const Options& options, Nature nature) {
  FleetSettings settings;
  settings.world = {.devices = options.devices,
                    .look_s = options.look_s,
                    .observations = options.observations,
                    .own = options.own,
                    .site = options.site,
                    .nature = nature};
  settings.device.report_s = options.report_s;
  settings.device.poll_s = options.poll_s;
  settings.order = usual_order(options);
  if (!options.shadow)
    std::erase_if(settings.order.stages, [](const hub::Stage& stage) { return stage.is_shadow; });
  return settings;
}

Figures play(const FleetSettings& settings, int runs, std::uint64_t seed) {
  Figures figures{.devices = settings.world.devices};
  for (int run = 0; run < runs; ++run) {
    figures.add(Fleet(settings, seed * 1'000'003 + std::uint64_t(run)).run());
    if (isatty(2)) std::fprintf(stderr, "\r%d of %d ", run + 1, runs);
  }
  if (isatty(2)) std::fprintf(stderr, "\r               \r");
  return figures;
}

// --- Tables --------------------------------------------------------------------------------------

class Tables {
 public:
  explicit Tables(const Options& options) : options_(options) {}

  void fleet(const std::vector<Nature>& natures) {
    if (!options_.json)
      std::printf(
          "%d devices, a report each %lld s, looks of %lld s, correlation %g of a device, %g of a "
          "site; %s\n%-9s %4s %7s %4s %5s %8s %8s %8s %8s %7s %8s %8s %8s\n",
          options_.devices, static_cast<long long>(options_.report_s),
          static_cast<long long>(options_.look_s), options_.own, options_.site,
          options_.shadow ? "usual stages" : "no shadow", "release", "runs", "aborted", "done",
          "stage", "exposed", "p95", "right", "99.9%, h", "all, h", "acted, h", "checkin", "look");
    for (const Nature nature : natures) fleet_row(nature);
  }

  // A world in which good releases are rolled out, or one that makes things worse.
  struct Trouble {
    const char* name;
    double day_swing, own, site;
    int history = 0;       // looks; 0: as usual
    bool is_bound = true;  // whether what was asked of the gate was asked of this one
    bool is_known = true;  // whether devices have a tag that says which site they are of
  };

  void null() {
    heading("good releases, usual stages");
    for (const Trouble& trouble : {Trouble{"chance alone", 0, 0, 0},
                                   {"devices differ", 0.5, 0.02, 0},
                                   {"devices differ", 0.5, 0.05, 0},
                                   {"sites vary", 0.5, 0, 0.02},
                                   {"sites vary", 0.5, 0, 0.05},
                                   {"sites unknown", 0.5, 0, 0.02, 0, true, false},
                                   {"sites unknown", 0.5, 0, 0.05, 0, true, false}}) {
      const FleetSettings settings = settings_of(trouble, Nature::kGood);
      const Figures now = play(settings, options_.runs, next_seed());
      row(trouble, now, now.aborted, "aborted", upper_bound(now.aborted, now.runs), is_few(now));
    }
  }

  void regression() {
    heading("failures of 5% become twice as frequent on 3 devices; found within 10 looks");
    // The third stage of a usual rollout comes after two days of looks.
    for (const Trouble& trouble : {Trouble{"chance alone", 0, 0, 0, 96},
                                   {"day and night", 0.5, 0, 0, 96},
                                   {"devices differ", 0.5, 0.02, 0, 96},
                                   {"devices differ", 0.5, 0.05, 0, 96},
                                   {"sites vary", 0.5, 0, 0.02, 96},
                                   {"sites vary", 0.5, 0, 0.05, 96},
                                   {"both", 0.5, 0.02, 0.02, 96},
                                   {"sites unknown", 0.5, 0, 0.02, 96, false, false},
                                   {"chance alone", 0, 0, 0, 10},
                                   {"devices differ", 0.5, 0.02, 0, 10, false}}) {
      FleetSettings settings = settings_of(trouble, Nature::kTwice);
      settings.world.day_peak = 1;  // as many observations at all times
      settings.order.stages = {{.devices = 3}, {.permille = 1000}};
      for (hub::Stage& stage : settings.order.stages) {
        stage.gate = hub::usual_rules(stage);
        stage.gate.margin = 0;
        stage.gate.least_s = 2 * kFoundWithin * settings.order.look_s;
      }
      const Figures now = play(settings, options_.runs, next_seed());
      row(trouble, now, now.found, "found", lower_bound(now.found, now.runs),
          !trouble.is_bound || !refutes_at_least(now.found, now.runs, kLeastFound));
    }
  }

  // What a shadow costs its device is not to hide what the release does there once it acts.
  void halting() {
    heading("slow frames of 3% become twice as frequent; usual stages, from a shadow on");
    for (const Trouble& trouble : {Trouble{"chance alone", 0, 0, 0},
                                   {"day and night", 0.5, 0, 0},
                                   {"devices differ", 0.5, 0.02, 0}}) {
      const Figures now = play(settings_of(trouble, Nature::kHalting), options_.runs, next_seed());
      row(trouble, now, now.aborted, "aborted", lower_bound(now.aborted, now.runs),
          !refutes_at_least(now.aborted, now.runs, kLeastFound));
    }
  }

  int finish() {
    if (options_.json) std::printf("%s\n", trust::Json(std::move(rows_)).pretty().c_str());
    return failed_ ? 1 : 0;
  }

 private:
  FleetSettings settings_of(const Trouble& trouble, Nature nature) const {
    FleetSettings settings = sim::settings_of(options_, nature);
    settings.world.own = trouble.own, settings.world.site = trouble.site;
    settings.world.day_swing = trouble.day_swing;
    settings.world.devices_of_site = 10;
    if (trouble.is_known) settings.order.strata = "site";
    if (trouble.history > 0) settings.order.history_looks = trouble.history;
    return settings;
  }
  static bool is_few(const Figures& now) {
    return now.aborted == 0 ||
           (now.runs >= 40 && !refutes_at_most(now.aborted, now.runs, kMostAborted));
  }
  std::uint64_t next_seed() { return options_.seed * 100 + ++seeds_; }

  void fleet_row(Nature nature) {
    const std::string name(kNatureNames[std::size_t(nature)]);
    const Figures now = play(sim::settings_of(options_, nature), options_.runs, next_seed());
    const bool is_good = nature == Nature::kGood;
    const double most = quantile(now.exposed, 1), p95 = quantile(now.exposed, 0.95);
    const bool holds = is_good ? is_few(now) && now.aborted + now.done == now.runs
                               : now.aborted == now.runs && most <= kMostExposed;
    const bool is_right = now.right >= kLeastRight;
    failed_ = failed_ || !holds || !is_right;
    if (options_.json) {
      rows_.push_back(trust::Json::Members{{"scenario", name},
                                           {"devices", options_.devices},
                                           {"runs", now.runs},
                                           {"aborted", now.aborted},
                                           {"done", now.done},
                                           {"stage", std::int64_t(now.stage)},
                                           {"exposed_most", most},
                                           {"exposed_p95", p95},
                                           {"right_least", now.right},
                                           {"most_right_h", quantile(now.most_right_h, 1)},
                                           {"all_right_h", quantile(now.all_right_h, 1)},
                                           {"acted_h", quantile(now.exposed_h, 1)},
                                           {"hours", quantile(now.hours, 0.5)},
                                           {"checkin_us", now.checkins.mean_us()},
                                           {"look_us", now.judgements.mean_us()},
                                           {"look_us_most", now.judgements.most_us},
                                           {"reasons", now.all_reasons()},
                                           {"holds", holds && is_right}});
      return;
    }
    std::printf(
        "%-9s %4d %7d %4d %5u %7.3f%% %7.3f%% %7.2f%% %8.1f %7.1f %8.1f %5.0f us %5.1f ms"
        "  %s%s\n",
        name.c_str(), now.runs, now.aborted, now.done, now.stage, 100 * most, 100 * p95,
        100 * now.right, quantile(now.most_right_h, 1), quantile(now.all_right_h, 1),
        quantile(now.exposed_h, 1), now.checkins.mean_us(), now.judgements.mean_us() / 1000,
        now.all_reasons().c_str(), holds && is_right ? "" : "  OUTSIDE OF ITS BOUND");
    std::fflush(stdout);
  }

  void heading(const char* what) {
    if (options_.json) return;
    std::printf(
        "%s: %d devices, looks of %lld s, %g observations of a device in a look\n"
        "%-16s %5s %5s %5s %7s %5s %16s %9s %6s %5s\n",
        what, options_.devices, static_cast<long long>(options_.look_s), options_.observations, "",
        "day", "own", "site", "history", "runs", "", "95% bound", "looks", "p99");
  }
  void row(const Trouble& trouble, const Figures& now, int hits, const char* what, double bound,
           bool holds) {
    failed_ = failed_ || !holds;
    const double share = double(hits) / now.runs;
    const std::int64_t history =
        trouble.history > 0 ? trouble.history : usual_order(options_).history_looks;
    if (options_.json) {
      rows_.push_back(trust::Json::Members{{"scenario", trouble.name},
                                           {"devices", options_.devices},
                                           {"day_swing", trouble.day_swing},
                                           {"own", trouble.own},
                                           {"site", trouble.site},
                                           {"history_looks", history},
                                           {"runs", now.runs},
                                           {what, share},
                                           {"bound", bound},
                                           {"looks", quantile(now.looks, 0.5)},
                                           {"looks_p99", quantile(now.looks, 0.99)},
                                           {"reasons", now.all_reasons()},
                                           {"holds", holds}});
      return;
    }
    std::printf("%-16s %5.2f %5.2f %5.2f %7lld %5d %8s %6.1f%% %8.1f%% %6.0f %5.0f  %s%s\n",
                trouble.name, trouble.day_swing, trouble.own, trouble.site,
                static_cast<long long>(history), now.runs, what, 100 * share, 100 * bound,
                quantile(now.looks, 0.5), quantile(now.looks, 0.99), now.all_reasons().c_str(),
                !holds             ? "  REFUTES ITS GOAL"
                : trouble.is_bound ? ""
                                   : "  (no goal)");
    std::fflush(stdout);
  }

  const Options& options_;
  std::uint64_t seeds_ = 0;
  trust::Json::Array rows_;
  bool failed_ = false;
};

// --- The program ---------------------------------------------------------------------------------

bool set(Options& options, std::string_view name, const char* value) {
  const double number = std::atof(value);
  const auto whole = std::int64_t(number);
  if (name == "--scenario") return options.scenario = value, true;
  if (number < 0 || (number == 0 && std::strcmp(value, "0") != 0)) return false;
  if (name == "--seed") return options.seed = std::uint64_t(whole), true;
  if (name == "--own") return options.own = number, number < 1;
  if (name == "--site") return options.site = number, number < 1;
  if (name == "--history") return options.history = whole, true;
  if (whole < 1) return false;
  if (name == "--devices") return options.devices = int(whole), true;
  if (name == "--runs") return options.runs = int(whole), true;
  if (name == "--observations") return options.observations = number, true;
  if (name == "--look-s") return options.look_s = whole, true;
  if (name == "--report-s") return options.report_s = whole, true;
  if (name == "--poll-s") return options.poll_s = whole, true;
  return false;
}

int usage() {
  std::fprintf(stderr,
               "usage: rollout_sim [--scenario fleet|bad|good|crash|slow|blind|wrong|drifting|null|"
               "regression|halting]\n"
               "                   [--devices N] [--runs N] [--seed N] [--json] [--no-shadow]\n"
               "                   [--own C] [--site C] [--observations N] [--history LOOKS]\n"
               "                   [--look-s N] [--report-s N] [--poll-s N]\n");
  return 2;
}

int run(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--json") options.json = true;
    else if (word == "--no-shadow") options.shadow = false;
    else if (i + 1 == argc || !set(options, word, argv[++i])) return usage();
  }
  Tables tables(options);
  const auto named = std::ranges::find(kNatureNames, options.scenario);
  if (options.scenario == "null") {
    tables.null();
  } else if (options.scenario == "regression") {
    tables.regression();
  } else if (options.scenario == "halting") {
    tables.halting();
  } else if (options.scenario == "fleet" || options.scenario == "bad") {
    std::vector<Nature> natures = {Nature::kCrash, Nature::kSlow, Nature::kBlind, Nature::kWrong,
                                   Nature::kDrifting};
    if (options.scenario == "fleet") natures.insert(natures.begin(), Nature::kGood);
    tables.fleet(natures);
  } else if (named != kNatureNames.end()) {
    tables.fleet({Nature(named - kNatureNames.begin())});
  } else {
    return usage();
  }
  return tables.finish();
}

}  // namespace
}  // namespace polder::sim

int main(int argc, char** argv) { return polder::sim::run(argc, argv); }
