#include "measure/profile.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

namespace polder {
namespace {

ProfileReport report_of_three() {
  ProfileReport report;
  report.model = "m<1>.plan";
  report.isa = "generic";
  report.machine = "machine";
  report.runs = 4;
  report.run_us = 200;
  report.between_us = 20;
  report.peak_gflops = 100;
  report.nodes = {{"a", "conv", "direct", "[1,2]", 1e6, 50, 40},
                  {"b", "add", "binary", "[1,2]", 0, 20, 10},
                  {"c", "conv", "direct", "[1,4]", 3e6, 110, 100}};
  return report;
}

TEST(Profiler, NotesEachNodeOfEachRun) {
  Profiler profiler(2, 2);
  for (int run = 0; run < 3; ++run) {  // the third is one too many
    for (int node = 0; node < 2; ++node) {
      profiler.before(node);
      std::this_thread::sleep_for(std::chrono::milliseconds(node == 0 ? 1 : 3));
      profiler.after(node);
    }
  }
  EXPECT_EQ(profiler.runs(), 2);
  EXPECT_GE(profiler.min_us(0), 1000);
  EXPECT_GE(profiler.min_us(1), 3000);
  EXPECT_GE(profiler.median_us(1), profiler.min_us(1));
  EXPECT_LE(profiler.end_ns(0, 0), profiler.start_ns(0, 1));
  EXPECT_LE(profiler.end_ns(0, 1), profiler.start_ns(1, 0));
}

TEST(Profiler, WithoutRunsThereIsNoTime) { EXPECT_EQ(Profiler(3, 1).median_us(2), 0); }

// A run that was interrupted makes the median of neither what is between nodes nor a node longer.
TEST(Profiler, WhatIsBetweenNodesIsTakenWithinEachRun) {
  const auto sleep_ms = [](int ms) { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); };
  Profiler profiler(3, 3);
  for (int run = 0; run < 3; ++run) {
    for (int node = 0; node < 3; ++node) {
      profiler.before(node);
      sleep_ms(node == run ? 50 : 1);  // another node in each run
      profiler.after(node);
      if (node == 0) sleep_ms(5);
    }
  }
  EXPECT_GE(profiler.run_us(), 50'000 + 2'000 + 5'000);
  EXPECT_GE(profiler.between_us(), 5'000);
  EXPECT_LT(profiler.between_us(), profiler.run_us() - 52'000 + 1);
  EXPECT_EQ(Profiler(3, 1).between_us(), 0);
}

TEST(Profile, NoShareOfThePeakIsAboveOne) {
  ProfileReport report = report_of_three();  // its fastest node: 60 GFLOP/s
  report.set_peak(100);
  EXPECT_EQ(report.peak_text(), "peak of one core 100.0 GFLOP/s, measured");
  report.set_peak(30);
  EXPECT_DOUBLE_EQ(report.peak_gflops, 60);
  EXPECT_DOUBLE_EQ(report.share_of_peak(report.nodes[2]), 1);
  EXPECT_NE(profile_table(report).find("60.0 GFLOP/s, which the fastest node reached"),
            std::string::npos);
  report.threads = 4;
  report.set_peak(30);
  EXPECT_DOUBLE_EQ(report.peak_gflops, 30);
}

TEST(Profile, RatesUseTheFastestRun) {
  const ProfileReport report = report_of_three();
  EXPECT_DOUBLE_EQ(report.nodes[0].gflops(), 50);  // 2e6 operations in 40 us
  EXPECT_DOUBLE_EQ(report.share_of_peak(report.nodes[0]), 0.5);
  EXPECT_DOUBLE_EQ(report.share_of_peak(report.nodes[1]), 0);
  EXPECT_DOUBLE_EQ(report.nodes_us(), 180);
}

TEST(Profile, MoreThreadsHaveMorePeak) {
  ProfileReport report = report_of_three();
  report.threads = 2;
  EXPECT_DOUBLE_EQ(report.share_of_peak(report.nodes[0]), 0.25);
}

TEST(Profile, OperatorsMostExpensiveFirst) {
  const auto shares = by_operator(report_of_three());
  ASSERT_EQ(shares.size(), 2u);
  EXPECT_EQ(shares[0].op, "conv");
  EXPECT_EQ(shares[0].nodes, 2);
  EXPECT_DOUBLE_EQ(shares[0].median_us, 160);
  EXPECT_DOUBLE_EQ(shares[0].macs, 4e6);
  EXPECT_EQ(shares[1].op, "add");
}

TEST(Profile, TableJsonAndPageHoldTheNumbers) {
  const ProfileReport report = report_of_three();
  const std::string table = profile_table(report);
  EXPECT_NE(table.find("88.9%"), std::string::npos) << table;  // conv: 160 of 180
  EXPECT_NE(table.find("10.0% between nodes"), std::string::npos) << table;
  const std::string json = profile_json(report);
  EXPECT_NE(json.find(R"("gflops":50.000,"share_of_peak":0.5000)"), std::string::npos) << json;
  const std::string page = profile_html(report);
  EXPECT_NE(page.find("m&lt;1&gt;.plan"), std::string::npos);
  EXPECT_EQ(page.find("src="), std::string::npos);
  EXPECT_EQ(page.find("http"), std::string::npos);
}

TEST(Profile, TraceIsTheLastRunFromZero) {
  Profiler profiler(3, 1);
  for (int node = 0; node < 3; ++node) profiler.before(node), profiler.after(node);
  const std::string trace = chrome_trace(report_of_three(), profiler);
  EXPECT_NE(trace.find(R"("name":"a","cat":"conv","ph":"X","pid":1,"tid":1,"ts":0.000)"),
            std::string::npos)
      << trace;
  EXPECT_NE(trace.find(R"("name":"c")"), std::string::npos);
}

}  // namespace
}  // namespace polder
