#include "platform/net/pace.h"

#include <algorithm>

#include "base/fail.h"

namespace polder::net {

namespace {
constexpr std::int64_t kMeanwhileUs = 1'000'000;
}  // namespace

Result<std::int64_t> Pace::left_us() {
  std::int64_t now = clock_->now_us();
  if (meanwhile_ && *meanwhile_ && now >= next_meanwhile_us_) {
    TRY((*meanwhile_)());
    now = clock_->now_us();
    next_meanwhile_us_ = now + kMeanwhileUs;
  }
  if (now >= deadline_us_)
    return fail(Code::kTimeout, "not done within {} ms, the deadline of a request", deadline_ms_);
  std::int64_t left = deadline_us_ - now;
  if (phase_us_ != 0) {
    if (now >= phase_us_) return fail(Code::kTimeout, "no connection within {} ms", phase_ms_);
    left = std::min(left, phase_us_ - now);
  }
  if (counting_) {
    const std::int64_t elapsed = now - window_start_us_;
    if (elapsed >= window_us_) {
      // In double: a clock that stood still for long must not overflow.
      const double expected = double(min_rate_bytes_s_) * double(elapsed) / 1e6;
      if (double(window_bytes_) < expected) {
        return fail(Code::kTimeout,
                    "{} bytes in {} ms; at least {} bytes a second are expected over {} ms",
                    window_bytes_, elapsed / 1000, min_rate_bytes_s_, window_us_ / 1000);
      }
      start_counting();
    }
    left = std::min(left, window_start_us_ + window_us_ - now);
  }
  if (meanwhile_ && *meanwhile_) left = std::min(left, next_meanwhile_us_ - now);
  return std::max<std::int64_t>(left, 1);
}

}  // namespace polder::net
