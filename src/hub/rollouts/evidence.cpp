#include "hub/rollouts/evidence.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/fail.h"
#include "hub/store/ask.h"

namespace polder::hub {
namespace {

struct Kept {
  Counts counts;  // of the new release
  CanaryComparison comparison;
};
using Key = std::pair<std::string, int>;  // measure, arm
using AllKept = std::map<Key, Kept>;

bool is_of_shadows(std::string_view measure) {
  return std::ranges::find(kShadowMeasures, measure) != kShadowMeasures.end();
}

Result<AllKept> load(Database& database, const Rollout& rollout) {
  TRY_VALUE(const Rows rows, ask(database,
                                 "SELECT measure, arm, trials, failures, comparison FROM "
                                 "rollout_evidence WHERE rollout = ?",
                                 {rollout.id}));
  AllKept all;
  for (const Row& row : rows) {
    const std::string where = rollout.id + ": " + row[0].text();
    Kept& kept = all[{row[0].text(), static_cast<int>(row[1].integer())}];
    kept.counts = {.trials = static_cast<std::uint64_t>(row[2].integer()),
                   .failures = static_cast<std::uint64_t>(row[3].integer())};
    TRY_VALUE(const trust::Json json, trust::Json::parse(row[4].text(), where));
    TRY_VALUE(kept.comparison, CanaryComparison::from_json(json, where));
  }
  return all;
}

Status save(Database& database, const Rollout& rollout, const AllKept& all) {
  for (const auto& [key, kept] : all)
    TRY(tell(
        database,
        "INSERT INTO rollout_evidence (rollout, measure, arm, trials, failures, comparison) "
        "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (rollout, measure, arm) DO UPDATE SET trials = "
        "excluded.trials, failures = excluded.failures, comparison = excluded.comparison",
        {rollout.id, key.first, key.second, static_cast<std::int64_t>(kept.counts.trials),
         static_cast<std::int64_t>(kept.counts.failures), kept.comparison.to_json().compact()}));
  return {};
}

// What was counted of one measure in one look: by device, each of one arm.
struct Looked {
  std::vector<DeviceCounts> controls;
  std::map<int, std::vector<DeviceCounts>> canaries;
};

void take(const Rollout& rollout, const std::string& measure, const Looked& looked, AllKept& all) {
  for (int arm = 1; arm <= (rollout.is_a_b() ? 2 : 1); ++arm) {
    Kept& kept = all[{measure, arm}];
    std::vector<DeviceCounts> devices = looked.controls;
    const auto own = looked.canaries.find(arm);
    if (own != looked.canaries.end()) {
      devices.insert(devices.end(), own->second.begin(), own->second.end());
      for (const DeviceCounts& one : own->second) {
        kept.counts.trials += one.counts.trials;
        kept.counts.failures += one.counts.failures;
      }
    }
    if (!is_of_shadows(measure)) kept.comparison.look(devices);
  }
}

// Those that say something: of A/B of each release for itself, once a device of it has counted.
std::vector<MeasureState> judged(const Rollout& rollout, AllKept& all, bool of_shadows) {
  const GateRules rules = rollout.stage().gate;
  std::vector<MeasureState> measures;
  for (auto& [key, kept] : all) {
    const auto& [measure, arm] = key;
    if (is_of_shadows(measure) != of_shadows || (of_shadows && kept.counts.trials == 0)) continue;
    if (!of_shadows && std::ranges::count(rollout.order.measures, measure) == 0) continue;
    if (rollout.is_a_b() && kept.counts.trials == 0) continue;
    MeasureState state{.name = measure, .judgement = {}};
    if (rollout.is_a_b())
      state.name += " of " + (arm == 2 ? rollout.order.other_version : rollout.order.version);
    if (of_shadows) {
      state.judgement = judge_share(kept.counts, kShadowLimit);
      state.than = "allowed";
    } else {
      state.judgement = kept.comparison.judge(rules.margin);
      state.rare = judge_share(kept.counts, rules.negligible).acceptable;
    }
    measures.push_back(std::move(state));
  }
  return measures;
}

// Of the stage: of shadows where there are any. A device may have passed its shadow over, or be
// through with it before it saw enough, and runs the new release: what it does there is judged
// then. What is the end of the rollout is that in any case.
std::vector<MeasureState> judged(const Rollout& rollout, AllKept& all) {
  std::vector<MeasureState> acting = judged(rollout, all, false);
  if (!rollout.stage().is_shadow) return acting;
  const GateRules rules = rollout.stage().gate;
  std::vector<MeasureState> shadows = judged(rollout, all, true);
  const bool has_enough = std::ranges::all_of(shadows, [&](const MeasureState& state) {
    return state.judgement.canary_trials >= rules.least_trials;
  });
  const bool acts = std::ranges::any_of(
      acting, [](const MeasureState& state) { return state.judgement.canary_trials > 0; });
  const bool by_shadows = !shadows.empty() && (has_enough || !acts);
  std::vector<MeasureState>& measures = by_shadows ? shadows : acting;
  for (MeasureState& other : by_shadows ? acting : shadows)
    if (other.judgement.worse >= rules.abort_at) measures.push_back(std::move(other));
  return std::move(measures);
}

}  // namespace

Status add_counts(Database& database, std::string_view rollout, std::int64_t look,
                  std::int64_t number, int arm, std::span<const MeasureCounts> counts) {
  for (const auto& [measure, one] : counts)
    TRY(tell(database,
             "INSERT INTO rollout_counts (rollout, look, measure, number, arm, trials, failures) "
             "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (rollout, look, measure, number, arm) DO "
             "UPDATE SET trials = rollout_counts.trials + excluded.trials, failures = "
             "rollout_counts.failures + excluded.failures",
             {rollout, look, measure, number, arm, static_cast<std::int64_t>(one.trials),
              static_cast<std::int64_t>(one.failures)}));
  return {};
}

Result<Evidence> take_looks(Database& database, const Rollout& rollout, std::int64_t now_s) {
  const std::int64_t look = now_s / rollout.order.look_s;
  TRY_VALUE(const Rows rows,
            ask(database,
                "SELECT look, measure, number, arm, trials, failures FROM rollout_counts WHERE "
                "rollout = ? AND look <> ? ORDER BY look, measure, number, arm",
                {rollout.id, look}));
  TRY_VALUE(AllKept all, load(database, rollout));
  std::map<std::pair<std::int64_t, std::string>, Looked> looks;
  for (const Row& row : rows) {
    Looked& looked = looks[{row[0].integer(), row[1].text()}];
    const auto arm = static_cast<int>(row[3].integer());
    std::vector<DeviceCounts>& group = arm == 0 ? looked.controls : looked.canaries[arm];
    group.push_back({.device = static_cast<std::uint32_t>(row[2].integer()),
                     .is_canary = arm != 0,
                     .counts = {.trials = static_cast<std::uint64_t>(row[4].integer()),
                                .failures = static_cast<std::uint64_t>(row[5].integer())}});
  }
  Evidence evidence;
  std::int64_t last = -1;
  for (const auto& [key, looked] : looks) {
    evidence.looks += key.first != last;
    last = key.first;
    take(rollout, key.second, looked, all);
  }
  evidence.measures = judged(rollout, all);
  if (evidence.looks == 0) return evidence;
  TRY(save(database, rollout, all));
  TRY(tell(database, "DELETE FROM rollout_counts WHERE rollout = ? AND look <> ?",
           {rollout.id, look}));
  return evidence;
}

trust::Json::Array json_of(std::span<const MeasureState> measures) {
  trust::Json::Array list;
  for (const MeasureState& measure : measures) {
    const Judgement& now = measure.judgement;
    list.push_back(
        trust::Json::Members{{"name", measure.name},
                             {"ratio", now.ratio},
                             {"low", now.low},
                             {"high", now.high},
                             {"worse", now.worse},
                             {"acceptable", std::max(now.acceptable, measure.rare)},
                             {"than", measure.than},
                             {"canary_trials", static_cast<std::int64_t>(now.canary_trials)},
                             {"control_trials", static_cast<std::int64_t>(now.control_trials)}});
  }
  return list;
}

}  // namespace polder::hub
