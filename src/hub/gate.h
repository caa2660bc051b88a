// Whether a stage of a rollout goes on to the next, waits, or is the end of it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "hub/canary.h"

namespace polder::hub {

// What needs no statistics: the device went back, or would have to.
enum class HardFailure : std::uint8_t { kProbeFailed, kCrashLoop, kOutOfMemory, kRolledBack };

struct DeviceFailure {
  std::string device;
  HardFailure failure;
};

// One measure of a release, as it stands: "errors", "slow frames", "empty frames".
struct MeasureState {
  std::string name;
  Judgement judgement;
  std::string than = "before";  // what the ratio is to: of shadows "allowed"
  double rare = 1;              // e-value that they are less than GateRules::negligible
};

struct GateRules {
  double abort_at = 40;    // evidence that a measure became worse: wrong in 1 of 40 rollouts
  double promote_at = 20;  // evidence that each is below the margin; 0: none is asked for
  double margin = 1.25;    // times as often as before is acceptable
  std::uint64_t least_trials = 100;  // of the canaries, of each measure
  std::int64_t least_s = 0;          // of a stage
  std::uint32_t failures = 1;        // so many devices with a hard failure are the end
  // A share of failures that is acceptable whatever it was before: of what never fails no ratio is
  // known.
  double negligible = 0.001;
  // Without it hard failures and time decide alone: of a first release, which has nothing beside
  // it.
  bool has_statistics = true;
};

enum class Verdict : std::uint8_t { kHold, kPromote, kAbort };

struct GateState {
  Verdict verdict = Verdict::kHold;
  std::vector<std::string> reasons;  // for people; of the verdict alone, the strongest first
};

// `stage_s` is how long the stage has run. Without measures, or with too few observations, it
// holds: no data is no proof. Without statistics measures are not looked at.
GateState judge_gate(std::span<const MeasureState> measures,
                     std::span<const DeviceFailure> failures, std::int64_t stage_s,
                     const GateRules& rules);

std::string_view failure_text(HardFailure failure);  // "crash loop"

}  // namespace polder::hub
