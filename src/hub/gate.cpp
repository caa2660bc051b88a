#include "hub/gate.h"

#include <fmt/format.h>

#include <algorithm>

namespace polder::hub {
namespace {

GateState aborted(std::span<const DeviceFailure> failures, const GateRules& rules,
                  std::span<const MeasureState> measures) {
  GateState state{.verdict = Verdict::kAbort, .reasons = {}};
  if (!failures.empty() && failures.size() >= rules.failures) {
    for (const DeviceFailure& one : failures)
      state.reasons.push_back(fmt::format("{}: {}", one.device, failure_text(one.failure)));
  }
  for (const MeasureState& measure : measures) {
    const Judgement& now = measure.judgement;
    if (!rules.has_statistics || now.worse < rules.abort_at) continue;
    state.reasons.push_back(fmt::format(
        "{}: {:.2f} times as often as {} ({:.2f} to {:.2f}), evidence {:.3g} of {}", measure.name,
        now.ratio, measure.than, now.low, now.high, now.worse, rules.abort_at));
  }
  return state;
}

GateState held(std::span<const MeasureState> measures, std::int64_t stage_s,
               const GateRules& rules) {
  GateState state;
  if (!rules.has_statistics || rules.promote_at == 0) measures = {};
  else if (measures.empty()) state.reasons.emplace_back("nothing is measured yet");
  for (const MeasureState& measure : measures) {
    const Judgement& now = measure.judgement;
    if (now.canary_trials < rules.least_trials) {
      state.reasons.push_back(fmt::format("{}: {} observations of at least {}", measure.name,
                                          now.canary_trials, rules.least_trials));
    } else if (measure.rare >= rules.promote_at) {
      continue;
    } else if (now.control_trials == 0) {
      state.reasons.push_back(fmt::format("{}: no device runs the old release", measure.name));
    } else if (now.acceptable < rules.promote_at) {
      state.reasons.push_back(
          fmt::format("{}: {:.2f} times as often as before ({:.2f} to {:.2f}), evidence that it is "
                      "acceptable {:.1f} of {}",
                      measure.name, now.ratio, now.low, now.high,
                      std::max(now.acceptable, measure.rare), rules.promote_at));
    }
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
  state = held(measures, stage_s, rules);
  if (state.reasons.empty()) state.verdict = Verdict::kPromote;
  return state;
}

}  // namespace polder::hub
