// Whether a stage of a rollout goes on to the next, waits, or is the end of it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "hub/canary.h"
#include "hub/reason.h"

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
  Judgement judgement;          // its trials: of the stage
  std::string than = "before";  // what the ratio is to: of shadows "allowed"
  double rare = 1;              // e-value that failures are negligible, whatever they were
  double weight = 1;            // of its evidence; of all that may be measured, 1
  bool is_asked = true;         // whether the stage needs its proof
  bool is_over = false;         // nothing more comes of it: what there was decides
};

struct GateRules {
  // Evidence that the release is worse: the mean over measures, by their weights. It is an e-value
  // whatever measures have to do with each other: wrong in 1 of 40 rollouts.
  double abort_at = 40;
  double promote_at = 20;            // evidence that each is below the margin; 0: none is asked for
  double margin = 1.25;              // times as often as before is acceptable
  std::uint64_t least_trials = 100;  // of the canaries, of each measure, in the stage
  std::int64_t least_s = 0;          // of a stage
  std::uint32_t failures = 1;        // so many devices with a hard failure are the end
  // What is acceptable whatever it was before, as of what never fails no ratio is known: a share of
  // frames that are slow or empty; ends of a worker, of a device in an hour.
  double negligible = 0.05;
  double errors_an_hour = 0.5;
  // Of what a shadow sees: a share of decisions that differ, and of inferences that are slower.
  double allowed = 0.25;
  // Without it hard failures and time decide alone: of a first release, which has nothing beside
  // it.
  bool has_statistics = true;
};

enum class Verdict : std::uint8_t { kHold, kPromote, kAbort };

struct GateState {
  Verdict verdict = Verdict::kHold;
  std::vector<Reason> reasons;  // of the verdict alone, the strongest first
  double evidence = 0;          // that the release is worse, of all measures
};

// `stage_s` is how long the stage has run. Without measures, or with too few observations, it
// holds: no data is no proof. Without statistics measures are not looked at.
GateState judge_gate(std::span<const MeasureState> measures,
                     std::span<const DeviceFailure> failures, std::int64_t stage_s,
                     const GateRules& rules);

std::string_view failure_text(HardFailure failure);  // "crash loop"

}  // namespace polder::hub
