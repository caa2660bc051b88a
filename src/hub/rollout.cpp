#include "hub/rollout.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/fail.h"
#include "base/text.h"
#include "trust/digest.h"

namespace polder::hub {
namespace {

constexpr std::uint32_t kAll = 1000;  // permille
constexpr std::int64_t kDay = 86400;  // seconds

std::string stage_place(std::size_t i, const Stage& stage) {
  return fmt::format("stage {} ({})", i + 1, stage.text());
}

// Errors where it does not grow.
Status check_order(std::size_t i, const Stage& stage, const Stage& before) {
  if (stage.is_shadow && !before.is_shadow)
    return fail(Code::kInvalid, "{}: shadows come before the first stage that acts",
                stage_place(i, stage));
  if (stage.is_shadow != before.is_shadow) return {};
  const bool grows = stage.devices == 0 ? before.devices > 0 || stage.permille > before.permille
                                        : before.devices > 0 && stage.devices > before.devices;
  if (grows) return {};
  return fail(
      Code::kInvalid,
      "{}: it must be larger than the one before, and numbers of devices come before shares",
      stage_place(i, stage));
}

bool is_larger(const Stage& shadows, const Stage& acts, std::int64_t devices) {
  if ((shadows.devices > 0) == (acts.devices > 0))
    return shadows.devices > acts.devices || shadows.permille > acts.permille;
  if (shadows.devices == 0) return true;  // a share grows with the fleet
  const std::int64_t acting = devices * acts.permille / kAll;
  return std::min<std::int64_t>(shadows.devices, devices) > std::max<std::int64_t>(acting, 1);
}

std::string joined(const std::vector<Reason>& reasons) {
  std::string text;
  for (std::size_t i = 0; i < std::min(reasons.size(), kNamedReasons); ++i)
    text += (i == 0 ? "" : "; ") + reasons[i].text;
  if (reasons.size() > kNamedReasons)
    text += fmt::format("; and {} more", reasons.size() - kNamedReasons);
  return text;
}

bool has_ended(const RolloutState& state) {
  return state.phase == RolloutPhase::kAborted || state.phase == RolloutPhase::kDone;
}

Error wrong_phase(const RolloutState& state, std::string_view act) {
  return fail(Code::kInvalid, "the rollout is {}{}{}: it cannot be {}", phase_text(state.phase),
              state.reason.empty() ? "" : ": ", state.reason, act);
}

}  // namespace

std::string Stage::text() const {
  const std::string size = devices > 0
                               ? fmt::format("{} device{}", devices, devices == 1 ? "" : "s")
                               : fmt::format("{:g}%", permille / 10.0);
  return (is_shadow ? "shadow on " : "") + size;
}

GateRules usual_rules(const Stage& stage) {
  // What few devices can prove is less: a day of them is to show no trouble that is gross.
  if (stage.devices == 1) return {.margin = 3, .least_s = kDay};
  if (stage.devices > 0) return {.margin = 2, .least_s = kDay};
  return {.margin = 1.25, .least_s = 4 * 3600};
}

std::vector<Stage> usual_stages() {
  std::vector<Stage> stages = {{.is_shadow = true, .devices = 1},
                               {.devices = 1},
                               {.devices = 3},
                               {.permille = 100},
                               {.permille = 500},
                               {.permille = kAll}};
  for (Stage& stage : stages) stage.gate = usual_rules(stage);
  return stages;
}

Status check_plan(const RolloutPlan& plan) {
  if (plan.stages.empty() || plan.stages.size() > kMaxStages)
    return fail(Code::kInvalid, "{} stages: 1 to {} expected", plan.stages.size(), kMaxStages);
  for (std::size_t i = 0; i < plan.stages.size(); ++i) {
    const Stage& stage = plan.stages[i];
    if ((stage.devices > 0) == (stage.permille > 0))
      return fail(Code::kInvalid, "stage {}: a number of devices or a share expected", i + 1);
    if (stage.devices > kMaxStageDevices || stage.permille > kAll)
      return fail(Code::kInvalid, "{}: at most {} devices by number, 100% by share",
                  stage_place(i, stage), kMaxStageDevices);
    if (i > 0) TRY(check_order(i, stage, plan.stages[i - 1]));
  }
  const Stage& last = plan.stages.back();
  if (last.is_shadow || last.permille != kAll)
    return fail(Code::kInvalid, "{}: the last stage must be 100%",
                stage_place(plan.stages.size() - 1, last));
  return {};
}

Status check_shadows(const RolloutPlan& plan, std::int64_t devices) {
  const auto acts = std::ranges::find(plan.stages, false, &Stage::is_shadow);
  if (acts == plan.stages.begin() || acts == plan.stages.end()) return {};
  const Stage& shadows = *(acts - 1);  // the largest of them
  if (!is_larger(shadows, *acts, devices)) return {};
  return fail(Code::kInvalid,
              "{}: a device acts by the new release once it has run beside the old one for its "
              "'shadow_s', so that more devices would act by it than the {} of the stage after it: "
              "make it no larger",
              stage_place(static_cast<std::size_t>(acts - plan.stages.begin()) - 1, shadows),
              acts->text());
}

std::string_view phase_text(RolloutPhase phase) {
  switch (phase) {
    case RolloutPhase::kRunning: return "running";
    case RolloutPhase::kPaused: return "paused";
    case RolloutPhase::kAborted: return "aborted";
    case RolloutPhase::kDone: return "done";
  }
  return "";
}

double place_of(std::string_view rollout, std::string_view device) {
  std::string text(rollout);
  text += '\0';
  text += device;
  const trust::Sha256 digest = trust::sha256(text);
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < 8; ++i) bits = bits << 8 | digest[i];
  return static_cast<double>(bits >> 11) * 0x1p-53;
}

RolloutState begin_rollout(std::int64_t now_s) {
  return {.stage_since_s = now_s, .chosen = {}, .reason = {}};
}

std::size_t missing_devices(const RolloutPlan& plan, const RolloutState& state) {
  if (state.phase != RolloutPhase::kRunning) return 0;
  const std::size_t wanted = plan.stages[state.stage].devices;
  return wanted > state.chosen.size() ? wanted - state.chosen.size() : 0;
}

Wanted wanted_of(const RolloutPlan& plan, const RolloutState& state, std::string_view device) {
  if (state.phase == RolloutPhase::kAborted) return Wanted::kOld;
  if (state.phase == RolloutPhase::kDone) return Wanted::kNew;
  const Stage& stage = plan.stages[state.stage];
  const bool is_in = state.chosen.contains(device) ||
                     place_of(plan.id, device) * kAll < static_cast<double>(stage.permille);
  if (!is_in) return Wanted::kOld;
  return stage.is_shadow ? Wanted::kShadow : Wanted::kNew;
}

RolloutState after_gate(const RolloutPlan& plan, RolloutState state, const GateState& gate,
                        std::int64_t now_s) {
  if (has_ended(state)) return state;
  if (gate.verdict == Verdict::kAbort) {
    state.phase = RolloutPhase::kAborted;
    state.reason = joined(gate.reasons);
  } else if (gate.verdict == Verdict::kPromote && state.phase == RolloutPhase::kRunning &&
             missing_devices(plan, state) == 0) {
    const bool is_last = state.stage + 1 == plan.stages.size();
    if (is_last) state.phase = RolloutPhase::kDone;
    if (!is_last) ++state.stage;
    state.stage_since_s = now_s;
  }
  return state;
}

Result<RolloutState> paused(RolloutState state, std::string_view reason) {
  if (state.phase != RolloutPhase::kRunning) return wrong_phase(state, "paused");
  state.phase = RolloutPhase::kPaused;
  state.reason = reason;
  return state;
}

Result<RolloutState> resumed(RolloutState state, std::int64_t now_s) {
  if (state.phase != RolloutPhase::kPaused) return wrong_phase(state, "resumed");
  state.phase = RolloutPhase::kRunning;
  state.reason.clear();
  state.stage_since_s = now_s;  // what is to be watched for a time is watched for all of it
  return state;
}

Result<RolloutState> aborted(RolloutState state, std::string_view reason) {
  if (has_ended(state)) return wrong_phase(state, "aborted");
  state.phase = RolloutPhase::kAborted;
  state.reason = reason;
  return state;
}

}  // namespace polder::hub
