// Devices that do not take the release of their rollout, and say so: those that refuse it, and
// those whose updates to it end for what is no fault of it.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "hub/rollouts/row.h"

namespace polder::hub {

// What a device that refuses has as its failure, with its words.
std::string refused_text(std::string_view words);

// Of the devices that a rollout has told, those that refused it, or did not take it for days. None
// of them is told again. Of a share those whose counts are compared stand for all.
struct Refusals {
  std::int64_t told = 0, refused = 0;
  std::string why;           // what most of them say
  bool is_unanimous = true;  // all of them say that
  bool are_all() const { return refused > 0 && refused == told; }
  // "2 of 2 devices that were told refused it: below the floor 2.0.0. Abort it, or ...".
  Reason reason() const;
};

// As a part of a Work. Errors: those of ask().
Result<Refusals> refusals_of(Database& database, const Rollout& rollout);

// Why a device has not taken a release that is not to blame; it tries again. Of a device no more
// than the Code is known: its words are its own.
std::string ended_text(Code code);  // "could not take it: there is no room for it (...)"
// "2 devices could not take it: ..., such as cam-1": of those that do not run it by now, the most
// frequent reason first.
Result<std::vector<Reason>> ended_of(Database& database, const Rollout& rollout);

}  // namespace polder::hub
