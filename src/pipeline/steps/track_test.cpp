#include <algorithm>
#include <random>

#include "pipeline/steps/steps.h"
#include "pipeline/testing.h"
#include "pipeline/tracking/assignment.h"
#include "pipeline/tracking/kalman.h"

namespace polder::pipeline {
namespace {

float total(std::span<const float> costs, int columns, std::span<const int> column_of,
            float limit) {
  float sum = 0;
  for (std::size_t i = 0; i < column_of.size(); ++i)
    sum += column_of[i] < 0 ? limit : costs[i * std::size_t(columns) + std::size_t(column_of[i])];
  return sum;
}

// The least total over every way to pair, leaving rows alone at `limit`.
float best_total(std::span<const float> costs, int rows, int columns, float limit, int row,
                 unsigned used) {
  if (row == rows) return 0;
  float best = limit + best_total(costs, rows, columns, limit, row + 1, used);
  for (int column = 0; column < columns; ++column)
    if (!(used & (1u << column)))
      best = std::min(best,
                      costs[std::size_t(row * columns + column)] +
                          best_total(costs, rows, columns, limit, row + 1, used | (1u << column)));
  return best;
}

TEST(Assign, IsAsCheapAsTryingEverything) {
  std::mt19937 random(7);
  std::uniform_real_distribution<float> cost(0, 1);
  for (int round = 0; round < 200; ++round) {
    const int rows = int(random() % 6), columns = int(random() % 6);
    std::vector<float> costs(std::size_t(rows * columns));
    for (float& value : costs) value = cost(random);
    const auto pairs = assign(costs, rows, columns, 0.6F);
    ASSERT_EQ(pairs.size(), std::size_t(rows));
    for (std::size_t i = 0; i < pairs.size(); ++i)
      for (std::size_t k = 0; k < i; ++k) ASSERT_TRUE(pairs[i] < 0 || pairs[i] != pairs[k]);
    EXPECT_NEAR(total(costs, columns, pairs, 0.6F), best_total(costs, rows, columns, 0.6F, 0, 0),
                1e-4);
  }
}

TEST(BoxFilter, LearnsAConstantVelocity) {
  BoxFilter filter({0, 0, 20, 50});
  for (int i = 1; i <= 20; ++i) {
    filter.predict();
    filter.update({float(4 * i), float(2 * i), 20, 50});
  }
  for (int i = 21; i <= 25; ++i) filter.predict();
  EXPECT_NEAR(filter.box().x, 100, 3);
  EXPECT_NEAR(filter.box().y, 50, 3);
  EXPECT_NEAR(filter.box().h, 50, 1);
}

class TrackTest : public testing::Test {
 protected:
  // Runs one packet; boxes are 20 × 50.
  const Tracks& step(NodeRunner& track, const std::vector<std::pair<Rect, float>>& boxes,
                     bool measured = true) {
    auto& detections = maker_.make<Detections>(seq_, std::int64_t(seq_) * 100'000);
    ++seq_;
    detections.measured = measured;
    for (const auto& [box, score] : boxes) detections.items.push_back({box, score, 0});
    EXPECT_TRUE(track.run({maker_.packet()}).ok());
    return track.output<Tracks>();
  }
  static Rect at(float x, float y = 0) { return {x, y, 20, 50}; }
  PacketMaker maker_;
  std::uint64_t seq_ = 0;
};

constexpr const char* kToml = "high = 0.5\nmin_hits = 2\ncoast = 0\nmax_lost = 5";

TEST_F(TrackTest, NumbersStayWithTheirObjectsWhenTheyPass) {
  NodeRunner track(kTrack, kToml);
  for (int i = 0; i < 30; ++i) {
    const float x = float(4 * i);
    const Tracks& tracks = step(track, {{at(x), 0.9F}, {at(116 - x, 30), 0.9F}});
    if (i == 0) {
      EXPECT_TRUE(tracks.items.empty());
      continue;
    }
    ASSERT_EQ(tracks.items.size(), 2u) << i;
    const auto& first = tracks.items[0].id == 1 ? tracks.items[0] : tracks.items[1];
    EXPECT_NEAR(first.box.x, x, 6) << i;
  }
}

TEST_F(TrackTest, LowScoresKeepATrackButStartNone) {
  NodeRunner track(kTrack, kToml);
  step(track, {{at(0), 0.9F}});
  step(track, {{at(2), 0.9F}});
  for (int i = 2; i < 10; ++i) {
    const Tracks& tracks = step(track, {{at(float(2 * i)), 0.3F}, {at(300), 0.3F}});
    ASSERT_EQ(tracks.items.size(), 1u) << i;
    EXPECT_EQ(tracks.items[0].id, 1);
  }
}

TEST_F(TrackTest, ComesBackUnderItsNumberWithinTheLostBuffer) {
  NodeRunner track(kTrack, kToml);
  for (int i = 0; i < 10; ++i) step(track, {{at(float(3 * i)), 0.9F}});
  for (int i = 10; i < 14; ++i) EXPECT_TRUE(step(track, {}).items.empty());
  ASSERT_EQ(step(track, {{at(3 * 14), 0.9F}}).items.size(), 1u);
  EXPECT_EQ(track.output<Tracks>().items[0].id, 1);
  for (int i = 0; i < 7; ++i) step(track, {});
  step(track, {{at(60), 0.9F}});
  ASSERT_EQ(step(track, {{at(60), 0.9F}}).items.size(), 1u);
  EXPECT_EQ(track.output<Tracks>().items[0].id, 2);
}

TEST_F(TrackTest, PacketsThatWerePassedOverArePredicted) {
  NodeRunner track(kTrack, kToml);
  for (int i = 0; i < 20; ++i) {
    const bool measured = i % 2 == 0;
    const Tracks& tracks =
        measured ? step(track, {{at(float(4 * i)), 0.9F}}) : step(track, {}, false);
    if (i < 8) continue;
    ASSERT_EQ(tracks.items.size(), 1u) << i;
    EXPECT_EQ(tracks.items[0].measured, measured);
    EXPECT_NEAR(tracks.items[0].box.x, 4 * i, 3) << i;
  }
}

// Of the frames that are missing there are no packets: dropped by an edge, or not to be read.
TEST_F(TrackTest, FramesThatAreMissingArePredicted) {
  NodeRunner track(kTrack, kToml);
  for (int i = 0; i < 20; ++i) step(track, {{at(float(4 * i)), 0.9F}});
  for (const int gap : {8, 3, 20}) {  // 32, 12 and 80 pixels; the box is 20 wide
    seq_ += std::uint64_t(gap - 1);
    for (int i = 0; i < 5; ++i) {
      const float x = float(4 * seq_);
      const Tracks& tracks = step(track, {{at(x), 0.9F}});
      ASSERT_EQ(tracks.items.size(), 1u) << gap;
      EXPECT_EQ(tracks.items[0].id, 1) << gap;
      EXPECT_NEAR(tracks.items[0].box.x, x, 3) << gap;
    }
  }
}

class CrossTest : public TrackTest {
 protected:
  // Feeds tracks whose feet are at the given points; returns the events as "in 1 out 2".
  std::string feet(NodeRunner& node, const std::vector<std::pair<std::int64_t, Rect>>& places) {
    auto& tracks = maker_.make<Tracks>(seq_, std::int64_t(seq_) * 100'000);
    ++seq_;
    tracks.source_width = 320, tracks.source_height = 240;
    for (const auto& [id, box] : places) {
      Track track;
      track.id = id;
      track.box = box;
      tracks.items.push_back(track);
    }
    EXPECT_TRUE(node.run({maker_.packet()}).ok());
    std::string text;
    for (const Event& event : node.output<Events>().items)
      text += (text.empty() ? "" : " ") + (event.kind == "cross" ? event.direction : event.kind) +
              " " + std::to_string(event.track);
    return text;
  }
  static Rect foot(float x, float y) { return {x - 10, y - 50, 20, 50}; }
};

// The line goes down the screen at x = 100: its right hand is the smaller x.
constexpr const char* kLineToml = "from = [100, 0]\nto = [100, 200]\nhysteresis = 5";

TEST_F(CrossTest, CountsEachWay) {
  NodeRunner line(kLine, kLineToml);
  EXPECT_EQ(feet(line, {{1, foot(120, 50)}, {2, foot(80, 90)}}), "");
  EXPECT_EQ(feet(line, {{1, foot(90, 50)}, {2, foot(110, 90)}}), "in 1 out 2");
  EXPECT_EQ(feet(line, {{1, foot(70, 50)}, {2, foot(130, 90)}}), "");
  const auto counters = line.node().counters();
  EXPECT_EQ(counters[0].value, 1);
  EXPECT_EQ(counters[1].value, 1);
}

TEST_F(CrossTest, JitterOnTheLineCountsOnce) {
  NodeRunner line(kLine, kLineToml);
  feet(line, {{1, foot(110, 50)}});
  for (const float x : {101.F, 98.F, 103.F, 96.F, 104.F, 97.F})
    EXPECT_EQ(feet(line, {{1, foot(x, 50)}}), "") << x;
  EXPECT_EQ(feet(line, {{1, foot(90, 50)}}), "in 1");
  EXPECT_EQ(feet(line, {{1, foot(102, 50)}}), "");
  EXPECT_EQ(feet(line, {{1, foot(92, 50)}}), "");
}

TEST_F(CrossTest, BeyondTheEndsIsNoCrossing) {
  NodeRunner line(kLine, kLineToml);
  feet(line, {{1, foot(120, 260)}});
  EXPECT_EQ(feet(line, {{1, foot(80, 260)}}), "");
  EXPECT_EQ(feet(line, {{1, foot(80, 100)}}), "");
  EXPECT_EQ(feet(line, {{1, foot(120, 100)}}), "out 1");
}

TEST_F(CrossTest, LineRefusesAPoint) {
  EXPECT_FALSE(make_node(kLine, "from = [1, 1]\nto = [1, 1]").ok());
  EXPECT_FALSE(make_node(kLine, "from = [1]\nto = [1, 1]").ok());
}

TEST_F(CrossTest, WhatNothingCanCrossIsRefused) {
  const auto refused = [&](const NodeType& type, std::string_view toml) {
    NodeRunner node(type, toml);
    auto& tracks = maker_.make<Tracks>(0, 0);
    tracks.source_width = 320, tracks.source_height = 240;
    const Status status = node.run({maker_.packet()});
    return status.ok() ? "" : status.error().message;
  };
  const std::string beside = "lies outside the picture of 320x240 pixels";
  EXPECT_NE(refused(kLine, "from = [400, 0]\nto = [400, 200]").find(beside), std::string::npos);
  EXPECT_NE(refused(kZone, "polygon = [[0, -9], [9, -9], [9, -1]]").find(beside),
            std::string::npos);
  EXPECT_EQ(refused(kLine, "from = [300, 0]\nto = [400, 200]"), "");
  EXPECT_EQ(refused(kZone, "polygon = [[-9, -9], [900, -9], [9, 900]]"), "");
}

TEST_F(CrossTest, ZoneEntersDwellsLeavesAndLoses) {
  NodeRunner zone(kZone,
                  "polygon = [[0, 0], [100, 0], [100, 100], [0, 100]]\nmin_packets = 2\n"
                  "dwell_s = 0.3\nlost_s = 0.2");
  EXPECT_EQ(feet(zone, {{1, foot(50, 50)}}), "");  // one packet is not enough
  EXPECT_EQ(feet(zone, {{1, foot(50, 50)}}), "enter 1");
  EXPECT_EQ(feet(zone, {{1, foot(50, 50)}}), "");
  EXPECT_EQ(feet(zone, {{1, foot(150, 50)}}), "");  // out for one packet
  EXPECT_EQ(feet(zone, {{1, foot(50, 50)}}), "dwell 1");
  EXPECT_EQ(zone.output<Events>().counters[0].value, 1);
  feet(zone, {{1, foot(150, 50)}});
  EXPECT_EQ(feet(zone, {{1, foot(150, 50)}}), "leave 1");
  feet(zone, {{2, foot(50, 50)}});
  EXPECT_EQ(feet(zone, {{2, foot(50, 50)}}), "enter 2");
  feet(zone, {});
  feet(zone, {});
  EXPECT_EQ(feet(zone, {}), "leave 2");
  EXPECT_EQ(zone.output<Events>().counters[0].value, 0);
}

}  // namespace
}  // namespace polder::pipeline
