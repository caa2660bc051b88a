// What carries rollouts on: a step is one transaction that judges the gate and writes what follows,
// state, history and what devices are to run. It is made when a look is over (run_due(), by
// rollouts/timer.h) and when something happens (rollouts/observe.h, people), and may be made at any
// time again: after a kill the next one goes on.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "hub/rollouts/row.h"
#include "hub/store/readers.h"

namespace polder::hub {

// All of these are parts of a Work. Errors: those of ask(), kCorrupt.

// Errors: kIncompatible where a device of it is part of another one, which is named.
Result<Rollout> create_rollout(Database& database, const RolloutOrder& order,
                               std::string_view actor, std::int64_t now_s);

// Of one that is over: nothing.
Status advance(Database& database, std::string_view id, std::int64_t now_s);
// Whether run_due() has anything to do.
Result<bool> is_any_due(Readers& readers, std::int64_t now_s);
// Of all that are due, those too that a clock that jumped back would leave for later. How many.
Result<std::size_t> run_due(Database& database, std::int64_t now_s);

enum class Order : std::uint8_t { kPause, kResume, kAbort };
// Errors: kNotFound; kIncompatible where it is not in such a phase.
Status order_rollout(Database& database, std::string_view id, Order order, std::string_view reason,
                     std::string_view actor, std::int64_t now_s);

}  // namespace polder::hub
