#include "measure/load.h"

#include <gtest/gtest.h>

#include "base/fail.h"

namespace polder {
namespace {

// Time passes only in the measured work.
struct FakeTime {
  std::int64_t now_ns = 5;
  void advance_us(std::int64_t us) { now_ns += us * 1000; }
  std::function<std::int64_t()> reader() {
    return [this] { return now_ns; };
  }
};

TEST(Load, RunsForTheDuration) {
  FakeTime time;
  int calls = 0;
  auto result = run_load(
      {.warmup_runs = 7, .min_duration_ms = 10, .min_runs = 2, .max_runs = 1000},
      [&] {
        time.advance_us(++calls <= 7 ? 5000 : 100);  // a slow warm-up must not show
        return Status();
      },
      time.reader());
  ASSERT_TRUE(result.ok()) << result.error().message;
  EXPECT_EQ(calls, 107);
  EXPECT_EQ(result->latency.runs, 100);
  EXPECT_DOUBLE_EQ(result->latency.max_us, 100);
  EXPECT_DOUBLE_EQ(result->throughput_per_s, 10'000);
}

TEST(Load, KeepsTheLeastAndTheMostRuns) {
  FakeTime time;
  const auto slow = [&] { return time.advance_us(1'000'000), Status(); };
  EXPECT_EQ(run_load({.warmup_runs = 0, .min_duration_ms = 1, .min_runs = 20}, slow, time.reader())
                ->latency.runs,
            20);
  const auto fast = [&] { return time.advance_us(1), Status(); };
  EXPECT_EQ(run_load({.min_duration_ms = 1000, .min_runs = 20, .max_runs = 50}, fast, time.reader())
                ->latency.runs,
            50);
}

TEST(Load, StopsAtTheFirstError) {
  int calls = 0;
  auto result = run_load({.warmup_runs = 1}, [&]() -> Status {
    if (++calls == 5) return fail(Code::kIo, "the fifth run broke");
    return {};
  });
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().message, "the fifth run broke");
  EXPECT_EQ(calls, 5);
}

TEST(Load, RefusesImpossibleOptions) {
  const auto nothing = [] { return Status(); };
  EXPECT_FALSE(run_load({.min_runs = 0}, nothing).ok());
  EXPECT_FALSE(run_load({.min_runs = 5, .max_runs = 4}, nothing).ok());
  EXPECT_FALSE(run_load({.max_runs = kMaxLoadRuns + 1}, nothing).ok());
}

}  // namespace
}  // namespace polder
