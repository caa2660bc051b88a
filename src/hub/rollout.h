// Which devices are to run a new release, stage by stage. No I/O: a state and what happens to it.
//
//   RolloutState state = begin_rollout(now_s);
//   TRY_VALUE(state, after_gate(plan, state, gate, now_s));
//   const Wanted wanted = wanted_of(plan, state, "cam-7");
//
// A device's place in the order is a hash of the rollout and its name: known without a list of the
// fleet, different in each rollout, and the same for a device that joins later, which then takes
// part at once. Each stage holds those before it.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "hub/gate.h"

namespace polder::hub {

inline constexpr std::size_t kMaxStages = 16;
inline constexpr std::size_t kNamedReasons = 20;  // of an end
// Of a stage that names a number of devices.
inline constexpr std::uint32_t kMaxStageDevices = 1000;

struct Stage {
  bool is_shadow = false;      // beside the old release, which alone acts
  std::uint32_t devices = 0;   // so many; 0: a share
  std::uint32_t permille = 0;  // of all devices of the rollout, those that join too
  GateRules gate;
  std::string text() const;  // "shadow on 1 device", "3 devices", "10%"
};

struct RolloutPlan {
  std::string id;  // with the device's name it decides the order
  std::vector<Stage> stages;
};

// Shadow on one device, then 1, 3, 10%, 50% and all.
std::vector<Stage> usual_stages();
// What a stage of that size is held to, where nobody says it otherwise.
GateRules usual_rules(const Stage& stage);
// Errors: kInvalid, with the stage and what to do.
Status check_plan(const RolloutPlan& plan);
// A device acts by the new release once it has run beside the old one for so long as the device was
// set up to: a stage of shadows exposes as many as it has. Errors: kInvalid where those are more
// than the first stage that acts has, of so many devices.
Status check_shadows(const RolloutPlan& plan, std::int64_t devices);

enum class RolloutPhase : std::uint8_t { kRunning, kPaused, kAborted, kDone };
std::string_view phase_text(RolloutPhase phase);

struct RolloutState {
  RolloutPhase phase = RolloutPhase::kRunning;
  std::uint32_t stage = 0;
  std::int64_t stage_since_s = 0;
  // Of stages that name a number: who was chosen, by the order, of those that were there.
  std::set<std::string, std::less<>> chosen;
  std::string reason;  // of a pause, of the end
};

// From 0 to 1, uniform over devices.
double place_of(std::string_view rollout, std::string_view device);

RolloutState begin_rollout(std::int64_t now_s);

// How many more devices the stage needs: the caller chooses those with the first places of those
// that are there and run the old release well, and adds them to `chosen`. 0 of a share.
std::size_t missing_devices(const RolloutPlan& plan, const RolloutState& state);

// What a device is to run.
enum class Wanted : std::uint8_t { kOld, kShadow, kNew };
// After an abort and before a stage that holds it: kOld. A paused rollout stays as it is.
Wanted wanted_of(const RolloutPlan& plan, const RolloutState& state, std::string_view device);

// What a gate's verdict makes of it; a paused or ended one stays as it is, unless the verdict is
// kAbort, which ends a paused one too.
RolloutState after_gate(const RolloutPlan& plan, RolloutState state, const GateState& gate,
                        std::int64_t now_s);

// What people order. Errors: kInvalid, where the rollout is not in such a phase.
Result<RolloutState> paused(RolloutState state, std::string_view reason);
Result<RolloutState> resumed(RolloutState state, std::int64_t now_s);
Result<RolloutState> aborted(RolloutState state, std::string_view reason);

}  // namespace polder::hub
