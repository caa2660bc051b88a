#include "hub/gate.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <utility>

namespace polder::hub {
namespace {

std::string ratio_text(const MeasureState& measure) {
  const Judgement& now = measure.judgement;
  if (!now.is_known())
    return fmt::format("{}: how often, compared with {}, is not known yet", measure.name,
                       measure.than);
  return fmt::format("{}: {:.2f} times as often as {} ({:.2f} to {:.2f})", measure.name, now.ratio,
                     measure.than, now.low, now.high);
}

// Of those that matter, the strongest first.
void add_evidence(std::span<const MeasureState> measures, const GateRules& rules,
                  GateState& state) {
  std::vector<std::pair<double, const MeasureState*>> parts;
  for (const MeasureState& measure : measures) {
    const double part = measure.weight * measure.judgement.worse;
    state.evidence += part;
    parts.emplace_back(part, &measure);
  }
  if (state.evidence < rules.abort_at) return;
  std::ranges::stable_sort(parts, std::greater(), &decltype(parts)::value_type::first);
  for (const auto& [part, measure] : parts)
    if (part >= state.evidence / 10)
      state.reasons.push_back(fmt::format("{}, evidence {:.3g} of {} over all measures",
                                          ratio_text(*measure), part, rules.abort_at));
}

GateState aborted(std::span<const DeviceFailure> failures, const GateRules& rules,
                  std::span<const MeasureState> measures) {
  GateState state{.verdict = Verdict::kAbort, .reasons = {}};
  if (!failures.empty() && failures.size() >= rules.failures) {
    for (const DeviceFailure& one : failures)
      state.reasons.push_back(fmt::format("{}: {}", one.device, failure_text(one.failure)));
  }
  if (rules.has_statistics) add_evidence(measures, rules, state);
  return state;
}

// Why that measure keeps the gate shut; empty: it does not.
std::string held_by(const MeasureState& measure, const GateRules& rules) {
  const Judgement& now = measure.judgement;
  if (measure.is_over) {
    if (now.canary_trials == 0)
      return fmt::format(
          "{}: nothing was compared, and the device acts by now: other inputs or "
          "outputs, or no model of the same name. Leave it out of the measures to go "
          "on without",
          measure.name);
    return now.ratio <= 1 || now.acceptable >= rules.promote_at
               ? ""
               : ratio_text(measure) + ", and no more of it will be seen";
  }
  if (now.canary_trials < rules.least_trials)
    return fmt::format("{}: {} observations of at least {}", measure.name, now.canary_trials,
                       rules.least_trials);
  if (measure.rare >= rules.promote_at) return "";
  if (now.control_trials == 0)
    return fmt::format("{}: nothing that runs the old release has been counted yet", measure.name);
  if (now.acceptable >= rules.promote_at) return "";
  return fmt::format("{}, evidence that it is acceptable {:.1f} of {}", ratio_text(measure),
                     std::max(now.acceptable, measure.rare), rules.promote_at);
}

GateState held(std::span<const MeasureState> measures, std::int64_t stage_s,
               const GateRules& rules) {
  GateState state;
  if (!rules.has_statistics || rules.promote_at == 0) measures = {};
  else if (measures.empty()) state.reasons.emplace_back("nothing is measured yet");
  for (const MeasureState& measure : measures) {
    if (!measure.is_asked) continue;
    if (std::string why = held_by(measure, rules); !why.empty())
      state.reasons.push_back(std::move(why));
  }
  if (stage_s < rules.least_s)
    state.reasons.push_back(
        fmt::format("{} s of at least {} s have passed", stage_s, rules.least_s));
  return state;
}

}  // namespace

std::string_view failure_text(HardFailure failure) {
  switch (failure) {
    case HardFailure::kProbeFailed: return "the probe failed";
    case HardFailure::kCrashLoop: return "crash loop";
    case HardFailure::kOutOfMemory: return "out of memory";
    case HardFailure::kRolledBack: return "rolled back by itself";
  }
  return "";
}

GateState judge_gate(std::span<const MeasureState> measures,
                     std::span<const DeviceFailure> failures, std::int64_t stage_s,
                     const GateRules& rules) {
  GateState state = aborted(failures, rules, measures);
  if (!state.reasons.empty()) return state;
  const double evidence = state.evidence;
  state = held(measures, stage_s, rules);
  state.evidence = evidence;
  if (state.reasons.empty()) state.verdict = Verdict::kPromote;
  return state;
}

}  // namespace polder::hub
