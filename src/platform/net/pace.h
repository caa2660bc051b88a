// When a transfer has to be over, and how slow it may be meanwhile. Inside this room.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <functional>

#include "platform/clock.h"

namespace polder::net {

// Time comes from the clock alone: nothing here waits.
class Pace {
 public:
  // `min_rate_bytes_s` 0: any pace.
  Pace(const Clock& clock, std::int64_t deadline_ms, std::int64_t min_rate_bytes_s,
       std::int64_t window_ms)
      : clock_(&clock),
        deadline_ms_(deadline_ms),
        deadline_us_(clock.now_us() + deadline_ms * 1000),
        min_rate_bytes_s_(min_rate_bytes_s),
        window_us_(window_ms * 1000) {}

  // An earlier deadline for what comes first; until end_phase().
  void begin_phase(std::int64_t limit_ms) {
    phase_ms_ = limit_ms;
    phase_us_ = clock_->now_us() + limit_ms * 1000;
  }
  void end_phase() { phase_us_ = 0; }

  // Called about once a second from left_us(), whose error is its own. Borrowed.
  void set_meanwhile(const std::function<Status()>* meanwhile) { meanwhile_ = meanwhile; }

  // From now on the pace counts.
  void start_counting() {
    window_start_us_ = clock_->now_us();
    window_bytes_ = 0;
    counting_ = min_rate_bytes_s_ > 0;
  }
  void count(std::size_t bytes) { window_bytes_ += std::int64_t(bytes); }

  // How long the next wait may be before this must be asked again, in microseconds; more than 0.
  // Errors: kTimeout.
  Result<std::int64_t> left_us();

 private:
  const Clock* clock_;
  const std::function<Status()>* meanwhile_ = nullptr;
  std::int64_t next_meanwhile_us_ = 0;
  std::int64_t deadline_ms_, deadline_us_;
  std::int64_t phase_ms_ = 0, phase_us_ = 0;  // 0: no phase
  std::int64_t min_rate_bytes_s_, window_us_;
  std::int64_t window_start_us_ = 0, window_bytes_ = 0;
  bool counting_ = false;
};

}  // namespace polder::net
