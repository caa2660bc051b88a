// What each device is to run: rows of `wanted`, which the publisher signs as assignments.
//
// Each change has a number that rises, so that nobody looks through the fleet for what is new.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <string_view>

#include "hub/rollouts/row.h"

namespace polder::hub {

// All of these are parts of a Work. Errors: those of ask().

// `condition`, with its `values`, names devices of the rollout; those that are wanted to run it
// already are left alone.
Status want(Database& database, const Rollout& rollout, Wanted wanted, std::string_view condition,
            const Values& values, std::int64_t now_s);

// Of one device that is to run nothing of the model yet; another one stays as it is.
struct Release {
  std::string_view model, version;
  std::int64_t retry = 0;
};
Status want_first(Database& database, std::string_view device, const Release& release);

}  // namespace polder::hub
