// Which time it is, as far as a device can tell: its clock may be wrong by decades, and is never
// believed to be before what was seen already. Pure.
//
// `time_seen_s` (AgentState) rises only when metadata were verified and had not expired, and never
// beyond the expiry of the newest of them, the timestamp's. So a clock that is years ahead finds
// all metadata expired and raises nothing, and once it is right updates go on; one that is days
// ahead holds updates up no longer than a timestamp is valid. One that is behind is believed to be
// at the floor, where metadata that expired before are refused for ever.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <utility>

#include "agent/state.h"
#include "platform/clock.h"

namespace polder::agent {

// All in seconds since 1970.
constexpr std::int64_t believed_time_s(std::int64_t clock_s, std::int64_t time_seen_s) {
  return std::clamp(std::max(clock_s, time_seen_s), std::int64_t(0), kMaxTimeS);
}

// What was seen once metadata have been verified at `now_s`, the time that was believed.
constexpr std::int64_t raised_time_seen_s(std::int64_t time_seen_s, std::int64_t now_s,
                                          std::int64_t timestamp_expires_s) {
  return std::max(time_seen_s, std::min({now_s, timestamp_expires_s, kMaxTimeS}));
}

// The clock that is believed, for who asks a clock: certificates of servers.
class BelievedClock final : public WallClock {
 public:
  BelievedClock(const WallClock& wall, std::function<std::int64_t()> time_seen_s)
      : wall_(wall), time_seen_s_(std::move(time_seen_s)) {}
  std::int64_t now_s() const override { return believed_time_s(wall_.now_s(), time_seen_s_()); }
  bool is_behind() const override { return wall_.now_s() < time_seen_s_(); }

 private:
  const WallClock& wall_;
  std::function<std::int64_t()> time_seen_s_;
};

}  // namespace polder::agent
