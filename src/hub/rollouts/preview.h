// What a rollout would be, before anybody asks for it: held to the same, and nothing is written.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "hub/hub.h"
#include "hub/rollouts/row.h"

namespace polder::hub {

struct RolloutPreview {
  std::int64_t matching = 0;  // devices that have the model and the tags, and can run the release
  std::int64_t unable = 0;    // that cannot, as they have told: a note says why
  std::int64_t there = 0;     // of them, those that a stage of a number could take now
  std::int64_t brought = 0;   // to which an earlier rollout has brought it: they take no part
  std::int64_t running = 0;   // of all these, those that run the release already
  std::vector<Stage> stages;  // as Rollout::plan() has them
  // Of each how many devices it holds, with those before it; a share is of those that match now, on
  // average, as devices take part by a hash.
  std::vector<std::int64_t> holds;
  // From now to its end, if it is begun now and nothing of `notes` has to be waited for.
  std::int64_t least_s = 0;
  // The same where no worker ends: then only time proves `errors_an_hour`. Nothing: nothing is
  // compared.
  std::optional<std::int64_t> least_without_errors_s;
  std::vector<Reason> notes;  // what it would wait for, another rollout first
};

// Errors: those of create_rollout(), for the same; but of devices that are part of another rollout
// a note tells.
Result<RolloutPreview> preview_rollout(const Hub& hub, const RolloutOrder& order,
                                       std::int64_t now_s);

// When one that is under way ends, at the earliest: each stage passes at the first look that may
// judge it. Nothing: it is over, paused, in trouble, or of no device.
std::optional<std::int64_t> least_end_s(const Rollout& rollout, std::int64_t now_s);

}  // namespace polder::hub
