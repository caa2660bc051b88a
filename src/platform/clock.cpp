#include "platform/clock.h"

#include <time.h>

namespace polder {

std::int64_t monotonic_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return std::int64_t(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

std::int64_t SystemClock::now_us() const { return monotonic_ns() / 1000; }

void SystemClock::sleep_until_us(std::int64_t time_us) {
  const timespec until{time_t(time_us / 1'000'000), long(time_us % 1'000'000) * 1000};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr) != 0) {
  }
}

std::int64_t SystemWallClock::now_s() const {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return std::int64_t(now.tv_sec);
}

}  // namespace polder
