// Devices that tell of no frame: no measure sees what a release did to those, as nothing is
// counted.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <optional>
#include <set>

#include "hub/rollouts/row.h"

namespace polder::hub {

// By number, those that told of a frame in the last look that is over.
using Heard = std::set<std::int64_t>;

// How likely so many of `all` are silent, or more, where each is by `chance`.
double chance_of_silence(std::int64_t silent, std::int64_t all, double chance);

// Of devices that told of frames by the old release: that clearly more of those that were told to
// run the new one are silent than of those that run the old one at the same time. As a part of a
// Work. Errors: those of ask().
Result<std::optional<Reason>> silence_of(Database& database, const Rollout& rollout,
                                         const Heard& heard);

}  // namespace polder::hub
