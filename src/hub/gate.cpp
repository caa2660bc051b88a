#include "hub/gate.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <utility>

namespace polder::hub {
namespace {

// With its ratio, or that nobody knows that.
Reason say_of(const MeasureState& measure, const Sentence& known, const Sentence& unknown,
              double evidence, double at) {
  const Judgement& now = measure.judgement;
  return say(now.is_known() ? known : unknown, {{"measure", measure.name},
                                                {"than", measure.than},
                                                {"ratio", now.ratio},
                                                {"low", now.low},
                                                {"high", now.high},
                                                {"evidence", evidence},
                                                {"at", at}});
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
      state.reasons.push_back(
          say_of(*measure, why::kWorse, why::kWorseUnknown, part, rules.abort_at));
}

GateState aborted(std::span<const DeviceFailure> failures, const GateRules& rules,
                  std::span<const MeasureState> measures) {
  GateState state{.verdict = Verdict::kAbort, .reasons = {}};
  if (!failures.empty() && failures.size() >= rules.failures) {
    for (const DeviceFailure& one : failures)
      state.reasons.push_back(
          say(why::kFailed, {{"device", one.device}, {"failure", failure_text(one.failure)}}));
  }
  if (rules.has_statistics) add_evidence(measures, rules, state);
  return state;
}

// Why that measure keeps the gate shut; nothing: it does not.
std::optional<Reason> held_by(const MeasureState& measure, const GateRules& rules) {
  const Judgement& now = measure.judgement;
  if (measure.is_over) {
    if (now.canary_trials == 0) return say(why::kNothingCompared, {{"measure", measure.name}});
    if (now.ratio <= 1 || now.acceptable >= rules.promote_at) return {};
    return say_of(measure, why::kSeenTooLittle, why::kSeenTooLittleUnknown, now.acceptable,
                  rules.promote_at);
  }
  if (now.canary_trials < rules.least_trials)
    return say(why::kFewObservations,
               {{"measure", measure.name},
                {"observations", static_cast<std::int64_t>(now.canary_trials)},
                {"least", static_cast<std::int64_t>(rules.least_trials)}});
  if (measure.rare >= rules.promote_at) return {};
  if (now.control_trials == 0) return say(why::kNoControls, {{"measure", measure.name}});
  if (now.acceptable >= rules.promote_at) return {};
  return say_of(measure, why::kNotProven, why::kNotProvenUnknown,
                std::max(now.acceptable, measure.rare), rules.promote_at);
}

GateState held(std::span<const MeasureState> measures, std::int64_t stage_s,
               const GateRules& rules) {
  GateState state;
  if (!rules.has_statistics || rules.promote_at == 0) measures = {};
  else if (measures.empty()) state.reasons.push_back(say(why::kNothingMeasured));
  for (const MeasureState& measure : measures) {
    if (!measure.is_asked) continue;
    if (std::optional<Reason> held = held_by(measure, rules))
      state.reasons.push_back(*std::move(held));
  }
  if (stage_s < rules.least_s)
    state.reasons.push_back(
        say(why::kTooSoon, {{"passed_s", stage_s}, {"least_s", rules.least_s}}));
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
