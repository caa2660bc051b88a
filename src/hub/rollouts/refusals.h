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

// What a device that refuses has as its failure, with its words; and one that was told, and goes on
// with its old release.
std::string refused_text(std::string_view words);
inline constexpr std::string_view kNotTaken = "has not taken it for days";

// Of the devices that a rollout has told, those that refused it, or have not taken it for days.
// None of them is told again. Of a share those whose counts are compared stand for all.
struct Refusals {
  std::int64_t told = 0, refused = 0, late = 0;
  std::string why;           // what most of those that refused it say
  bool is_unanimous = true;  // all of them say that
  std::int64_t count() const { return refused + late; }
  bool are_all() const { return count() > 0 && count() == told; }
  // "2 of 2 devices that were told refused it: below the floor 2.0.0. Abort it, or ...", and of
  // those that have not taken it; empty where there are none.
  std::vector<Reason> reasons() const;
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
