#include "measure/bench.h"

#include <gtest/gtest.h>

#include <thread>

#include "base/fail.h"

namespace polder {
namespace {

void wait_us(int us) { std::this_thread::sleep_for(std::chrono::microseconds(us)); }

// Opens in 2 ms (the first time 6), runs in 1 ms (the first time after an open 4), closes in 3 ms.
class SlowSubject : public Subject {
 public:
  Status open() override {
    if (is_open) return fail(Code::kInvalid, "opened twice without close");
    wait_us(opens++ == 0 ? 6000 : 2000);
    is_open = fresh = true;
    return {};
  }
  Status run() override {
    if (!is_open) return fail(Code::kInvalid, "run while closed");
    wait_us(fresh ? 4000 : 1000);
    fresh = false;
    ++runs;
    return {};
  }
  void close() override {
    wait_us(3000);
    is_open = false;
  }
  bool is_open = false, fresh = false;
  int opens = 0, runs = 0;
};

TEST(Bench, TellsFirstFromFastest) {
  SlowSubject subject;
  BenchOptions options;
  options.load = {.warmup_runs = 1, .min_duration_ms = 1, .min_runs = 5, .max_runs = 5};
  options.opens = {.warmup_runs = 0, .min_duration_ms = 1, .min_runs = 3, .max_runs = 3};
  auto result = bench(subject, options);
  ASSERT_TRUE(result.ok()) << result.error().message;
  EXPECT_GE(result->open.first_us, 6000);
  EXPECT_GE(result->open.min_us, 2000);
  EXPECT_LT(result->open.min_us, result->open.first_us);
  EXPECT_GE(result->first_run_us, 4000);
  EXPECT_GE(result->load.latency.min_us, 1000);
  EXPECT_LT(result->load.latency.min_us, result->first_run_us);
  EXPECT_EQ(result->load.latency.runs, 5);
  EXPECT_EQ(subject.runs, 7);
  EXPECT_EQ(subject.opens, 5);
  EXPECT_FALSE(subject.is_open);
}

TEST(Bench, ClosingIsNotOpening) {
  struct SlowClose final : SlowSubject {
    Status open() override { return {}; }
    Status run() override { return {}; }
  } subject;
  BenchOptions options;
  options.load = {.min_duration_ms = 0, .min_runs = 1};
  options.opens = {.warmup_runs = 0, .min_duration_ms = 0, .min_runs = 3, .max_runs = 3};
  auto result = bench(subject, options);
  ASSERT_TRUE(result.ok()) << result.error().message;
  EXPECT_LT(result->open.min_us, 2500);  // close() takes 3000
}

TEST(Bench, PassesErrorsOn) {
  struct Broken final : SlowSubject {
    Status open() override { return fail(Code::kNotFound, "no such model"); }
  } subject;
  auto result = bench(subject, {});
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().message, "no such model");
}

TEST(Footprint, IsTheDifferenceOfTwoChildren) {
  auto footprint = measure_footprint({"echo", "5000"}, {"echo", "1500"});
  ASSERT_TRUE(footprint.ok()) << footprint.error().message;
  EXPECT_EQ(footprint->peak_rss_bytes, 5000);
  EXPECT_EQ(footprint->rss_above_empty_bytes, 3500);
}

TEST(Footprint, AChildThatFailsIsAnError) {
  EXPECT_FALSE(measure_footprint({"false"}, {"echo", "1"}).ok());
  EXPECT_FALSE(measure_footprint({"echo", "1"}, {"echo", "none"}).ok());
}

TEST(Footprint, PrintsAfterTheRuns) {
  SlowSubject subject;
  testing::internal::CaptureStdout();
  const Status status = print_footprint(&subject);
  const std::string printed = testing::internal::GetCapturedStdout();
  ASSERT_TRUE(status.ok());
  EXPECT_EQ(subject.runs, kFootprintRuns);
  EXPECT_GT(std::stoll(printed), 1 << 20);
}

}  // namespace
}  // namespace polder
