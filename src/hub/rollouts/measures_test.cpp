#include "hub/rollouts/measures.h"

#include <gtest/gtest.h>

#include <map>

namespace polder::hub {
namespace {

proto::ReportStage stage(const std::string& name, double ms, int packets) {
  proto::ReportStage made{.name = name, .packets = std::uint64_t(packets)};
  for (int i = 0; i < packets; ++i) made.latency_ms.add(ms * (1 + 0.002 * (i % 100)));
  return made;
}

std::map<std::string, Counts> by_name(const std::vector<MeasureCounts>& all) {
  std::map<std::string, Counts> named;
  for (const auto& [measure, counts] : all) named.emplace(measure, counts);
  return named;
}

TEST(Measures, LimitsAreOfStagesThatTakeTime) {
  proto::ReportUnit unit{.name = "people"};
  unit.stages = {stage("camera", 30, 200), stage("detect", 20, 200), stage("mqtt", 0.1, 200),
                 stage("seldom", 90, 19)};
  const auto limits = limits_of(unit);
  ASSERT_EQ(limits.size(), 2u);
  EXPECT_EQ(limits[0].stage, "camera");
  EXPECT_EQ(limits[1].stage, "detect");
  // Its 95th percentile is 23.8 ms.
  EXPECT_NEAR(limits[1].ms, 23.8 * 1.25, 23.8 * 1.25 * 0.03);
}

// A step beside a shadow takes as long as both models: that is neither one's latency.
TEST(Measures, WhatTakesLongBesideAShadowIsNotSlow) {
  proto::ReportUnit unit{.name = "people"};
  unit.frames = 200;
  unit.stages = {stage("detect", 40, 200)};
  const StageLimit limits[] = {{"detect", 30}};
  EXPECT_TRUE(by_name(count_window(unit, limits)).contains("slow frames"));
  unit.stages.push_back(stage("shadow.m.new", 20, 200));
  EXPECT_FALSE(by_name(count_window(unit, limits)).contains("slow frames"));
  EXPECT_TRUE(by_name(count_window(unit, limits)).contains("errors"));
  EXPECT_TRUE(limits_of(unit).empty());
}

TEST(Measures, SlowIsWhatIsAboveTheLimitOfAStageOfThatName) {
  proto::ReportUnit unit{.name = "people"};
  unit.frames = 200;
  unit.stages = {stage("detect", 40, 200), stage("new", 900, 200)};
  const StageLimit limits[] = {{"detect", 30}, {"gone", 1}};
  EXPECT_EQ(by_name(count_window(unit, limits)).at("slow frames"), (Counts{200, 200}));
  unit.stages = {stage("detect", 22, 200)};
  EXPECT_EQ(by_name(count_window(unit, limits)).at("slow frames"), (Counts{200, 0}));
  // None of its stages is known: nothing is said of it.
  unit.stages = {stage("new", 900, 200)};
  EXPECT_FALSE(by_name(count_window(unit, limits)).contains("slow frames"));
}

// However many detections others have.
TEST(Measures, EmptyFramesAreThoseWithoutADetection) {
  proto::ReportUnit unit{.name = "people"};
  unit.frames = 200;
  unit.signals.push_back({.name = "detect.score"});
  unit.signals[0].values.add(0.9, 500);
  unit.signals.push_back({.name = "detect.found"});
  unit.signals[1].values.add(1, 60);
  unit.signals[1].values.add(0, 40);
  EXPECT_EQ(by_name(count_window(unit, {})).at("empty frames"), (Counts{100, 40}));
  unit.signals[1].values.add(7, 10);  // a worker may say anything
  EXPECT_EQ(by_name(count_window(unit, {})).at("empty frames"), (Counts{110, 0}));
}

TEST(Measures, OfAnAgentThatCountsDetectionsEmptyFramesAreThoseBeyondThem) {
  proto::ReportUnit unit{.name = "people"};
  unit.frames = 200;
  EXPECT_FALSE(by_name(count_window(unit, {})).contains("empty frames"));  // it detects nothing
  unit.signals.push_back({.name = "detect.score"});
  EXPECT_EQ(by_name(count_window(unit, {})).at("empty frames"), (Counts{200, 200}));
  unit.signals[0].values.add(0.9, 150);
  EXPECT_EQ(by_name(count_window(unit, {})).at("empty frames"), (Counts{200, 50}));
  unit.signals[0].values.add(0.9, 150);
  EXPECT_EQ(by_name(count_window(unit, {})).at("empty frames"), (Counts{200, 0}));
}

TEST(Measures, ErrorsAreEndsOfWorkersOfFrames) {
  proto::ReportUnit unit{.name = "people"};
  EXPECT_TRUE(count_window(unit, {}).empty());
  unit.crashes = 3;
  // Without a frame there is no share of frames: a crash loop is seen by its alarm.
  EXPECT_TRUE(count_window(unit, {}).empty());
  unit.frames = 200;
  EXPECT_EQ(by_name(count_window(unit, {})).at("errors"), (Counts{200, 3}));
}

TEST(Measures, WhatTheDeviceLacksIsNoErrorOfItsRelease) {
  proto::ReportUnit unit{.name = "people"};
  unit.frames = 200;
  unit.crashes = 5;
  const auto ended = [&](Code code, std::uint64_t times) {
    unit.errors[std::size_t(code)] = times;
    return by_name(count_window(unit, {})).at("errors");
  };
  EXPECT_EQ(ended(Code::kInvalid, 1), (Counts{200, 5}));
  EXPECT_EQ(ended(Code::kUnavailable, 1), (Counts{200, 4}));
  EXPECT_EQ(ended(Code::kIo, 1), (Counts{200, 3}));
  EXPECT_EQ(ended(Code::kNotFound, 1), (Counts{200, 2}));
  // Whatever a worker says.
  EXPECT_EQ(ended(Code::kIo, UINT64_MAX), (Counts{200, 0}));
}

// Numbers are the worker's, which may say any.
TEST(Measures, WhatNobodyHasCountedIsCapped) {
  proto::ReportUnit unit{.name = "people"};
  unit.frames = UINT64_MAX;
  unit.crashes = UINT64_MAX / 2;
  const Counts errors = by_name(count_window(unit, {})).at("errors");
  EXPECT_EQ(errors.trials, kMaxTrials);
  EXPECT_NEAR(double(errors.failures), double(kMaxTrials) / 2, 2);
}

TEST(Measures, AShadowIsHeldToWhatRunsBesideIt) {
  proto::ReportUnit unit{.name = "people"};
  EXPECT_TRUE(count_shadow(unit).empty());
  unit.stages = {stage("shadow.m.old", 20, 200), stage("shadow.m.new", 40, 200)};
  unit.signals.push_back({.name = "shadow.m.agreement"});
  unit.signals[0].values.add(1, 180);
  unit.signals[0].values.add(0, 20);
  auto counts = by_name(count_shadow(unit));
  EXPECT_EQ(counts.at("frames that differ"), (Counts{200, 20}));
  EXPECT_EQ(counts.at("slower frames"), (Counts{200, 200}));
  unit.stages[1] = stage("shadow.m.new", 21, 200);
  EXPECT_EQ(by_name(count_shadow(unit)).at("slower frames"), (Counts{200, 0}));
}

}  // namespace
}  // namespace polder::hub
