// What carries rollouts on: a step is one transaction that judges the gate and writes what follows,
// state, history and what devices are to run. It is made when a look is over (run_due(), by
// rollouts/timer.h) and when something happens (rollouts/observe.h, people), and may be made at any
// time again: after a kill the next one goes on.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "hub/rollouts/row.h"
#include "hub/store/writer.h"

namespace polder::hub {

// All of these are parts of a Work. Errors: those of ask(), kCorrupt.

// Errors: kIncompatible where a device of it is part of another one, which is named.
Result<Rollout> create_rollout(Database& database, const RolloutOrder& order,
                               std::string_view actor, std::int64_t now_s);

// Of one that is over: nothing.
Status advance(Database& database, std::string_view id, std::int64_t now_s);
// Whoever reads, and whoever writes, each time as a transaction.
using Read = std::function<Result<Rows>(std::string_view sql, const Values& values)>;
using Write = std::function<Status(Work work)>;
struct Carried {
  std::size_t rollouts = 0;
  std::string trouble;  // of those that could not be, the last; empty: of none
};
// Carries on all that are due, those too that a clock that jumped back would leave for later, each
// in a write of its own: one that cannot be carried on, as nobody can read its plan, holds up no
// other. It says why (`trouble`), and is tried again when its next look is over. Errors:
// kUnavailable and kExhausted, of a database that is not there for any.
Result<Carried> run_due(const Read& read, const Write& write, std::int64_t now_s);
// Of those that have been over for kRolloutKeptS forgets devices, looks and history, of one each
// time.
Status sweep_rollouts(Database& database, std::int64_t now_s);
inline constexpr std::int64_t kRolloutKeptS = 90 * 86'400;

enum class Order : std::uint8_t { kPause, kResume, kAbort };
// Errors: kNotFound; kIncompatible where it is not in such a phase.
Status order_rollout(Database& database, std::string_view id, Order order, std::string_view reason,
                     std::string_view actor, std::int64_t now_s);

}  // namespace polder::hub
