// A model of a new release beside the one of the same name of the release that runs: both see the
// same inputs, what only the old one computes goes on, the two are compared.
//
// It is in the old one's process and thread: inputs are then the very same bytes, and no message
// has to carry them (docs/adr/0016).
#pragma once

#include <polder/error.h>

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/decisions.h"
#include "agent/observed.h"
#include "proto/worker.h"
#include "runtime/executor.h"

namespace polder::agent {

// --- in the worker ---

// One inference.
struct Comparison {
  double old_ms = 0, new_ms = 0;
  Decisions decisions;
  // The largest of the outputs' max|new - old| / max|old|; for integers max|new - old|.
  double difference = 0;
};

// Which of the two fails as both see the same: `told` is called after each inference, `failed`
// once, with the new one's first error, after which the old one goes on alone.
struct ShadowListener {
  std::function<void(const Comparison&)> told;
  std::function<void(Error)> failed;
};

// Errors: kUnsupported where the two cannot be compared: inputs or outputs of other types or
// extents.
Result<std::unique_ptr<Executor>> run_beside(std::unique_ptr<Executor> old_one,
                                             std::unique_ptr<Executor> new_one, Compare compare,
                                             ShadowListener listener);

// Names of what a worker reports of a shadow: stages and signals like others.
std::string shadow_old_stage(const std::string& model);  // latency of the old model alone
std::string shadow_new_stage(const std::string& model);
std::string shadow_agreement(const std::string& model);
std::string shadow_difference(const std::string& model);
std::string shadow_old_score(const std::string& model);
std::string shadow_new_score(const std::string& model);
// All signals; where there is no room for that many, the first kFewShadowSignals.
inline constexpr std::size_t kShadowSignals = 4, kFewShadowSignals = 2;
std::array<std::string, kShadowSignals> shadow_signals(const std::string& model);

// --- in the agent ---

struct ShadowModelResult {
  std::string model;
  std::uint64_t inferences = 0;
  double agreement = 0;       // mean over inferences, 0 to 1
  double difference_p99 = 0;  // Comparison::difference
  double old_p50_ms = 0, old_p99_ms = 0, new_p50_ms = 0, new_p99_ms = 0;
  // Means over what each model found; nothing where it found nothing, or says no score.
  std::optional<double> old_score, new_score;
  bool operator==(const ShadowModelResult&) const = default;
};

// What a release did beside another, so far or until it ended.
struct ShadowResult {
  std::string release, beside;  // "people 1.3.0"
  std::vector<ShadowModelResult> models;
  // The stage of the old pipeline whose p99 has grown most; empty: none has.
  std::string slowed_stage;
  double alone_p99_ms = 0, beside_p99_ms = 0;
  std::string failure;  // empty: none

  // "people 1.3.0 beside people 1.2.0; 'detect': 90 inferences, 99.0% agree, p99 ..."
  std::string text() const;
  bool operator==(const ShadowResult&) const = default;
};

// `alone` is what the old release reported before, `beside` since.
ShadowResult shadow_result(const std::vector<proto::ShadowModel>& shadows, const Observed& alone,
                           const Observed& beside);

}  // namespace polder::agent
