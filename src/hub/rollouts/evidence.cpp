#include "hub/rollouts/evidence.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "base/fail.h"
#include "hub/rollouts/canaries.h"
#include "hub/share.h"
#include "hub/store/ask.h"

namespace polder::hub {
namespace {

// Of one measure and one release.
struct Kept {
  Counts counts;  // of the new release
  // When the stage began: which one, and what had been counted by then.
  std::int64_t stage = -1;
  std::uint64_t before = 0;
  CanaryComparison comparison;
  std::optional<ShareEvidence> share;  // that it is below what is acceptable in any case
};
using Key = std::pair<std::string, int>;  // measure, arm
using AllKept = std::map<Key, Kept>;

bool is_of_shadows(std::string_view measure) {
  return std::ranges::find(kShadowMeasures, measure) != kShadowMeasures.end();
}
bool is_asked_for(const Rollout& rollout, std::string_view measure) {
  return std::ranges::find(rollout.order.measures, measure) != rollout.order.measures.end();
}

Status read_kept(const trust::Json& json, const std::string& where, Kept& kept) {
  const trust::Json* const canary = json.find("canary");
  if (!canary) {
    // Of a hub before shares were kept.
    TRY_VALUE(kept.comparison, CanaryComparison::from_json(json, where));
    return {};
  }
  TRY_VALUE(const trust::Object from, trust::Object::of(json, where));
  TRY_VALUE(kept.stage, from.integer("stage", 0, kMaxStages));
  TRY_VALUE(const std::int64_t before, from.integer("before", 0, INT64_MAX));
  kept.before = static_cast<std::uint64_t>(before);
  TRY_VALUE(kept.comparison, CanaryComparison::from_json(*canary, where));
  const trust::Json* const share = json.find("share");
  if (!share) return {};
  TRY_VALUE(kept.share, ShareEvidence::from_json(*share, where));
  return {};
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
    TRY(read_kept(json, where, kept));
  }
  return all;
}

Status save(Database& database, const Rollout& rollout, const AllKept& all) {
  for (const auto& [key, kept] : all) {
    trust::Json::Members json{{"stage", kept.stage},
                              {"before", static_cast<std::int64_t>(kept.before)},
                              {"canary", kept.comparison.to_json()}};
    if (kept.share) json.emplace("share", kept.share->to_json());
    TRY(tell(
        database,
        "INSERT INTO rollout_evidence (rollout, measure, arm, trials, failures, comparison) "
        "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (rollout, measure, arm) DO UPDATE SET trials = "
        "excluded.trials, failures = excluded.failures, comparison = excluded.comparison",
        {rollout.id, key.first, key.second, static_cast<std::int64_t>(kept.counts.trials),
         static_cast<std::int64_t>(kept.counts.failures), trust::Json(std::move(json)).compact()}));
  }
  return {};
}

// What was counted of one measure in one look: by device, each of one arm.
struct Looked {
  std::vector<DeviceCounts> controls;
  std::map<int, std::vector<DeviceCounts>> canaries;
};

// What is acceptable of a measure whatever it was before: of shadows, whatever it is.
double limit_of(const Rollout& rollout, std::string_view measure) {
  const GateRules rules = rollout.stage().gate;
  if (is_of_shadows(measure)) {
    // Of the stage of shadows that is or was: what its devices tell late is held to it, too.
    double allowed = rules.allowed;
    for (std::size_t i = 0; i <= rollout.state.stage; ++i)
      if (rollout.order.stages[i].is_shadow) allowed = rollout.order.stages[i].gate.allowed;
    return allowed;
  }
  return measure == kErrors ? errors_limit(rules, rollout.order.look_s) : rules.negligible;
}

// One observation of a look: the mean over its devices.
void look_at_share(const Rollout& rollout, std::string_view measure,
                   std::span<const DeviceCounts> devices, std::optional<ShareEvidence>& share) {
  // A stage that allows for another share has another question.
  const double limit = limit_of(rollout, measure);
  if (!share || share->limit() != limit) share.emplace(limit);
  double sum = 0, count = 0;
  for (const DeviceCounts& one : devices) {
    const auto failures = static_cast<double>(one.counts.failures);
    if (one.counts.trials == 0) continue;
    count += 1;
    sum += measure == kErrors ? std::min(failures, 1.0)
                              : failures / static_cast<double>(one.counts.trials);
  }
  if (count > 0) share->look(sum / count);
}

Kept& kept_of(const Rollout& rollout, const Key& key, AllKept& all) {
  Kept& kept = all[key];
  if (kept.stage < 0) kept.stage = rollout.state.stage;
  return kept;
}

void take(const Rollout& rollout, const std::string& measure, const Looked& looked, AllKept& all) {
  for (int arm = 1; arm <= (rollout.is_a_b() ? 2 : 1); ++arm) {
    Kept& kept = kept_of(rollout, {measure, arm}, all);
    std::vector<DeviceCounts> devices = looked.controls;
    const auto own = looked.canaries.find(arm);
    if (own != looked.canaries.end()) {
      devices.insert(devices.end(), own->second.begin(), own->second.end());
      for (const DeviceCounts& one : own->second) {
        kept.counts.trials += one.counts.trials;
        kept.counts.failures += one.counts.failures;
      }
      look_at_share(rollout, measure, own->second, kept.share);
    }
    if (!is_of_shadows(measure)) kept.comparison.look(devices);
  }
}

void begin_stage(const Rollout& rollout, AllKept& all) {
  for (auto& [key, kept] : all) {
    if (kept.stage == rollout.state.stage) continue;
    kept.stage = rollout.state.stage;
    // A shadow's stages are one question, which is over when its devices act.
    if (is_of_shadows(key.first)) continue;
    kept.before = kept.counts.trials;
    kept.share.reset();  // of devices that the stage has added it says nothing
  }
}

MeasureState state_of(const Rollout& rollout, const Key& key, Kept& kept, double all_weights) {
  const auto& [measure, arm] = key;
  const GateRules rules = rollout.stage().gate;
  MeasureState state{.name = measure, .judgement = {}};
  if (rollout.is_a_b())
    state.name += " of " + (arm == 2 ? rollout.order.other_version : rollout.order.version);
  state.weight = weight_of(measure) / all_weights;
  if (is_of_shadows(measure)) {
    if (kept.share) state.judgement = kept.share->judge();
    state.judgement.control_trials = kept.counts.trials;
    state.than = "allowed";
  } else {
    state.judgement = kept.comparison.judge(rules.margin);
    if (kept.share) state.rare = kept.share->judge().acceptable;
  }
  state.judgement.canary_trials = kept.counts.trials - kept.before;
  return state;
}

// What the evidence is shared out over: what may be measured of this rollout, known when it begins.
double all_weights(const Rollout& rollout) {
  const bool has_shadows = std::ranges::any_of(rollout.order.stages, &Stage::is_shadow);
  double sum = 0;
  for (const std::string& measure : rollout.order.measures)
    if (has_shadows || !is_of_shadows(measure)) sum += weight_of(measure);
  return sum * (rollout.is_a_b() ? 2 : 1);
}

// Of a stage of shadows what they see decides, and what its devices do that act by now where that
// proves too little. What they saw is the end of the rollout in any stage.
std::vector<MeasureState> judged(const Rollout& rollout, AllKept& all) {
  const bool is_shadow = rollout.stage().is_shadow;
  // It is to have seen something.
  if (is_shadow && is_asked_for(rollout, kFramesThatDiffer))
    kept_of(rollout, {std::string(kFramesThatDiffer), 1}, all);
  const double weights = all_weights(rollout);
  const GateRules rules = rollout.stage().gate;
  std::vector<MeasureState> measures, shadows;
  bool acts = false;
  const bool saw = std::ranges::any_of(all, [](const auto& one) {
    return is_of_shadows(one.first.first) && one.second.counts.trials > 0;
  });
  for (auto& [key, kept] : all) {
    const bool of_shadows = is_of_shadows(key.first);
    if (!is_asked_for(rollout, key.first)) continue;
    if (rollout.is_a_b() && kept.counts.trials == 0 && !of_shadows) continue;
    // One device may be a shadow of one of two releases: it speaks for the stage.
    if (of_shadows && kept.counts.trials == 0 && (saw || !is_shadow)) continue;
    MeasureState state = state_of(rollout, key, kept, weights);
    acts = acts || (!of_shadows && state.judgement.canary_trials > 0);
    (of_shadows ? shadows : measures).push_back(std::move(state));
  }
  bool is_proven = !shadows.empty();
  for (MeasureState& shadow : shadows) {
    shadow.is_asked = is_shadow;
    shadow.is_over = acts;
    is_proven = is_proven && shadow.judgement.acceptable >= rules.promote_at &&
                shadow.judgement.canary_trials >= rules.least_trials;
  }
  for (MeasureState& measure : measures)
    measure.is_asked = !is_shadow || shadows.empty() || (acts && !is_proven);
  measures.insert(measures.begin(), shadows.begin(), shadows.end());
  return measures;
}

// Of the looks that are not taken yet.
std::int64_t first_open(std::int64_t look_s, std::int64_t now_s) { return now_s / look_s - 1; }

}  // namespace

double errors_limit(const GateRules& rules, std::int64_t look_s) {
  return std::clamp(rules.errors_an_hour * static_cast<double>(look_s) / 3600, 1e-6, 0.5);
}

std::int64_t look_of(std::int64_t counted_s, std::int64_t look_s, std::int64_t now_s) {
  return std::clamp(counted_s / look_s, first_open(look_s, now_s), now_s / look_s);
}

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
  // None that lies ahead, as when the clock is set back.
  const std::int64_t look_s = rollout.order.look_s;
  const std::int64_t from = first_open(look_s, now_s), to = now_s / look_s;
  TRY_VALUE(const Rows rows,
            ask(database,
                "SELECT look, measure, number, arm, trials, failures FROM rollout_counts WHERE "
                "rollout = ? AND NOT look BETWEEN ? AND ? ORDER BY look, measure, number, arm",
                {rollout.id, from, to}));
  TRY_VALUE(AllKept all, load(database, rollout));
  TRY_VALUE(const auto strata, strata_of(database, rollout));
  std::map<std::pair<std::int64_t, std::string>, Looked> looks;
  Evidence evidence;
  for (const Row& row : rows) {
    if (row[1].text() == kErrors && row[0].integer() == rows.back()[0].integer())
      evidence.heard.insert(row[2].integer());
    Looked& looked = looks[{row[0].integer(), row[1].text()}];
    const auto stratum = strata.find(row[2].integer());
    const auto arm = static_cast<int>(row[3].integer());
    std::vector<DeviceCounts>& group = arm == 0 ? looked.controls : looked.canaries[arm];
    group.push_back({.device = static_cast<std::uint32_t>(row[2].integer()),
                     .is_canary = arm != 0,
                     .counts = {.trials = static_cast<std::uint64_t>(row[4].integer()),
                                .failures = static_cast<std::uint64_t>(row[5].integer())},
                     .stratum = stratum == strata.end() ? 0 : stratum->second});
  }
  begin_stage(rollout, all);
  std::int64_t last = -1;
  for (const auto& [key, looked] : looks) {
    evidence.looks += key.first != last;
    last = key.first;
    take(rollout, key.second, looked, all);
  }
  evidence.measures = judged(rollout, all);
  if (evidence.looks == 0) return evidence;
  TRY(save(database, rollout, all));
  TRY(tell(database, "DELETE FROM rollout_counts WHERE rollout = ? AND NOT look BETWEEN ? AND ?",
           {rollout.id, from, to}));
  return evidence;
}

Result<std::map<std::int64_t, double>> own_ratios(Database& database, const Rollout& rollout) {
  TRY_VALUE(const AllKept all, load(database, rollout));
  std::map<std::int64_t, double> ratios;
  for (const auto& [key, kept] : all) {
    if (is_of_shadows(key.first) || !is_asked_for(rollout, key.first)) continue;
    for (const auto& [device, ratio] : kept.comparison.own_ratios()) {
      const auto [at, is_new] = ratios.emplace(device, ratio);
      if (!is_new) at->second = std::min(at->second, ratio);
    }
  }
  return ratios;
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
                             {"worse", measure.weight * now.worse},
                             {"acceptable", std::max(now.acceptable, measure.rare)},
                             {"than", measure.than},
                             {"canary_trials", static_cast<std::int64_t>(now.canary_trials)},
                             {"control_trials", static_cast<std::int64_t>(now.control_trials)}});
  }
  return list;
}

}  // namespace polder::hub
