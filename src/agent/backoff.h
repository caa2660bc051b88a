// How long a release that could not be installed is left alone: a time that doubles with each
// failure, measured by a clock that only runs forward while the agent runs, and by the clock of the
// day from one start of it to the next.
//
//   Backoff backoff(policy);
//   backoff.start(state, wall.now_s(), clock.now_us());
//   ...after each step of the life cycle:
//   backoff.follow(before, after, wall.now_s(), clock.now_us());
//   if (backoff.left_s(attempts, clock.now_us()) > 0) ...
//
// The clock of the day may be wrong by decades and may jump. While the agent runs that changes
// nothing; once it is started again a release waits at most as long as it would have had to after
// its last failure, and not at all where the clock shows a time before that. The clock is taken as
// it is: the time that is believed (agent/clock_floor.h) may stand still for days. Pure.
#pragma once

#include <cstdint>
#include <map>

#include "agent/lifecycle.h"

namespace polder::agent {

// The longest time after so many failures.
std::int64_t longest_backoff_s(std::int64_t failures, const Policy& policy);

// Half of it at least; the rest is by chance, so that devices do not come back all at once.
std::int64_t backoff_s(std::int64_t failures, std::uint64_t random, const Policy& policy);

class Backoff {
 public:
  explicit Backoff(const Policy& policy) : policy_(policy) {}
  // With the state that was loaded. `clock_s`: the clock of the day, since 1970; `now_us`: of the
  // clock that only runs forward.
  void start(const AgentState& state, std::int64_t clock_s, std::int64_t now_us);
  // Takes over what has failed between the two states.
  void follow(const AgentState& before, const AgentState& after, std::int64_t clock_s,
              std::int64_t now_us);
  // Nothing waits any more.
  void end() { due_us_.clear(); }
  // 0: it may be tried.
  std::int64_t left_s(const Attempts& attempts, std::int64_t now_us) const;

 private:
  Policy policy_;
  std::map<trust::Sha256, std::int64_t> due_us_;  // by manifest
};

}  // namespace polder::agent
