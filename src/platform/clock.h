// Time behind interfaces, monotonic and of day: the machine's, and manual for tests and replays.
#pragma once

#include <atomic>
#include <cstdint>

namespace polder {

inline constexpr std::int64_t kSecondUs = 1'000'000;

// Thread-safe. Microseconds from an arbitrary start; never goes back.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual std::int64_t now_us() const = 0;
  // Returns at `time_us` or later.
  virtual void sleep_until_us(std::int64_t time_us) = 0;
};

// CLOCK_MONOTONIC.
class SystemClock final : public Clock {
 public:
  std::int64_t now_us() const override;
  void sleep_until_us(std::int64_t time_us) override;
};

// The fake: stands still until somebody sleeps or advances it.
class ManualClock final : public Clock {
 public:
  std::int64_t now_us() const override { return now_us_.load(); }
  void sleep_until_us(std::int64_t time_us) override {
    std::int64_t now = now_us_.load();
    while (now < time_us && !now_us_.compare_exchange_weak(now, time_us)) {
    }
  }
  void advance_us(std::int64_t step_us) { now_us_ += step_us; }

 private:
  std::atomic<std::int64_t> now_us_{0};
};

// The time of day, in seconds since 1970, UTC. It may be wrong and may jump either way: for
// certificates and expiry dates, never for time-outs. Thread-safe.
class WallClock {
 public:
  virtual ~WallClock() = default;
  virtual std::int64_t now_s() const = 0;
  // It is known to be behind: now_s() is the least that the time can be.
  virtual bool is_behind() const { return false; }
};

// CLOCK_REALTIME.
class SystemWallClock final : public WallClock {
 public:
  std::int64_t now_s() const override;
};

// The fake: what it is set to.
class ManualWallClock final : public WallClock {
 public:
  explicit ManualWallClock(std::int64_t now_s = 0) : now_s_(now_s) {}
  std::int64_t now_s() const override { return now_s_.load(); }
  bool is_behind() const override { return is_behind_.load(); }
  void set_s(std::int64_t now_s) { now_s_ = now_s; }
  void set_behind(bool is_behind) { is_behind_ = is_behind; }

 private:
  std::atomic<std::int64_t> now_s_;
  std::atomic<bool> is_behind_ = false;
};

// CLOCK_MONOTONIC in nanoseconds, for measuring.
std::int64_t monotonic_ns();

}  // namespace polder
