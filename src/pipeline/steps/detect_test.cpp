#include "pipeline/steps/detect.h"

#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/fail.h"
#include "pipeline/steps/steps.h"
#include "pipeline/testing.h"

namespace polder::pipeline {
namespace {

Candidate candidate(Rect box, float score, int label = 1, int tile = 0) {
  return {{box, score, label}, tile, false};
}

TEST(Suppress, KeepsTheBestOfEachClass) {
  const auto kept = suppress({candidate({0, 0, 10, 10}, 0.6F), candidate({1, 0, 10, 10}, 0.9F),
                              candidate({1, 0, 10, 10}, 0.5F, 2), candidate({30, 0, 10, 10}, 0.4F)},
                             0.5F, 10);
  ASSERT_EQ(kept.size(), 3u);
  EXPECT_FLOAT_EQ(kept[0].detection.score, 0.9F);
  EXPECT_EQ(kept[1].detection.label, 2);
  EXPECT_FLOAT_EQ(kept[2].detection.score, 0.4F);
  EXPECT_EQ(suppress({candidate({0, 0, 1, 1}, 1), candidate({5, 5, 1, 1}, 1)}, 0.5F, 1).size(), 1u);
}

TEST(Suppress, AcrossTilesTheWholeViewStays) {
  // A person at x 50…70: tile 0 ends at 60 and sees half of it, with the better score.
  const Crop crops[] = {{1, 1, 0, 0, {0, 0, 60, 100}}, {1, 1, 40, 0, {40, 0, 60, 100}}};
  std::vector<Candidate> candidates = {candidate({50, 10, 10, 40}, 0.9F, 1, 0),
                                       candidate({50, 10, 20, 40}, 0.7F, 1, 1)};
  mark_cut(crops, candidates);
  EXPECT_TRUE(candidates[0].cut);
  EXPECT_FALSE(candidates[1].cut);
  const auto kept = suppress(candidates, 0.6F, 10);
  ASSERT_EQ(kept.size(), 1u);
  EXPECT_EQ(kept[0].detection.box.w, 20);
}

TEST(Suppress, TheBorderOfTheFrameCutsNothing) {
  const Crop crops[] = {{1, 1, 0, 0, {0, 0, 60, 100}}, {1, 1, 40, 0, {40, 0, 60, 100}}};
  std::vector<Candidate> candidates = {candidate({0, 0, 10, 40}, 0.9F, 1, 0),
                                       candidate({95, 60, 5, 40}, 0.9F, 1, 1)};
  mark_cut(crops, candidates);
  EXPECT_FALSE(candidates[0].cut);
  EXPECT_FALSE(candidates[1].cut);
}

// A 32×32 input and strides 16, 32: 2·2·3 + 1·6 = 18 anchors.
class SsdTest : public testing::Test {
 protected:
  Packet outputs(int anchor, float logit, int label) {
    auto& tensors = maker_.make<Tensors>(0, 0);
    tensors.tile_width = tensors.tile_height = 32;
    tensors.source_width = tensors.source_height = 64;
    tensors.crops = {{2, 2, 0, 0, {0, 0, 64, 64}}};
    tensors.resize(1, 2);
    tensors.runs[0][0].reset(DataType::kF32, Shape{1, 18, 4});
    tensors.runs[0][1].reset(DataType::kF32, Shape{1, 18, 3});
    std::fill_n(tensors.runs[0][0].f32(), 18 * 4, 0.0F);
    std::fill_n(tensors.runs[0][1].f32(), 18 * 3, -9.0F);
    tensors.runs[0][1].f32()[0] = 9;  // the background is sure of itself
    tensors.runs[0][1].f32()[anchor * 3 + label] = logit;
    return maker_.packet();
  }
  PacketMaker maker_;
  static constexpr const char* kToml = "strides = [16, 32]\nthreshold = 0.6\n";
};

TEST_F(SsdTest, DecodesTheAnchorAndMapsToTheSource) {
  NodeRunner decode(kSsdDecode, kToml);
  // Anchor 4: cell x = 1, y = 0, second form: aspect 2 at scale 0.2.
  ASSERT_TRUE(decode.run({outputs(4, 1, 2)}).ok());
  const auto& detections = decode.output<Detections>();
  ASSERT_EQ(detections.items.size(), 1u);
  const Detection& found = detections.items[0];
  EXPECT_EQ(found.label, 2);
  EXPECT_NEAR(found.score, 1 / (1 + std::exp(-1.0)), 1e-6);
  EXPECT_NEAR(found.box.w, 0.2 * std::sqrt(2.0) * 64, 1e-3);
  EXPECT_NEAR(found.box.h, 0.2 / std::sqrt(2.0) * 64, 1e-3);
  EXPECT_NEAR(found.box.x + found.box.w / 2, 0.75 * 64, 1e-3);
  EXPECT_NEAR(found.box.y + found.box.h / 2, 0.25 * 64, 1e-3);
}

TEST_F(SsdTest, ThresholdIsOnTheProbability) {
  NodeRunner decode(kSsdDecode, kToml);
  ASSERT_TRUE(decode.run({outputs(4, 0.4F, 1)}).ok());  // sigmoid(0.4) = 0.5987
  EXPECT_TRUE(decode.output<Detections>().items.empty());
  EXPECT_TRUE(decode.output<Detections>().measured);
}

TEST_F(SsdTest, WrongShapesSayWhatIsExpected) {
  NodeRunner decode(kSsdDecode, "strides = [16]");
  const Status status = decode.run({outputs(0, 1, 1)});
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.error().message.find("[1,12,4]"), std::string::npos) << status.error().message;
}

TEST(YoloDecode, BothLayoutsGiveTheSameBoxes) {
  PacketMaker maker;
  const float rows[2][7] = {{10, 20, 4, 8, 0.9F, 0.8F, 0.1F}, {40, 40, 6, 6, 0.1F, 0.9F, 0.9F}};
  auto& v5 = maker.make<Tensors>(0, 0);
  v5.source_width = v5.source_height = 100;
  v5.crops = {{2, 2, 1, 0, {}}};
  v5.resize(1, 1);
  v5.runs[0][0].reset(DataType::kF32, Shape{1, 2, 7});
  std::copy_n(&rows[0][0], 14, v5.runs[0][0].f32());
  NodeRunner decode5(kYoloDecode, "layout = 'v5'\nthreshold = 0.5");
  ASSERT_TRUE(decode5.run({maker.packet()}).ok());
  ASSERT_EQ(decode5.output<Detections>().items.size(), 1u);
  const Detection a = decode5.output<Detections>().items[0];
  EXPECT_FLOAT_EQ(a.box.x, 1 + 2 * 8);
  EXPECT_FLOAT_EQ(a.box.h, 16);
  EXPECT_FLOAT_EQ(a.score, 0.72F);

  auto& v8 = maker.make<Tensors>(0, 0);
  v8.source_width = v8.source_height = 100;
  v8.crops = {{2, 2, 1, 0, {}}};
  v8.resize(1, 1);
  v8.runs[0][0].reset(DataType::kF32, Shape{1, 6, 2});
  for (int i = 0; i < 2; ++i)
    for (int k = 0; k < 6; ++k)
      v8.runs[0][0].f32()[k * 2 + i] = k < 4 ? rows[i][k] : rows[i][4] * rows[i][k + 1];
  NodeRunner decode8(kYoloDecode, "layout = 'v8'\nthreshold = 0.5");
  ASSERT_TRUE(decode8.run({maker.packet()}).ok());
  ASSERT_EQ(decode8.output<Detections>().items.size(), 1u);
  const Detection b = decode8.output<Detections>().items[0];
  EXPECT_FLOAT_EQ(b.box.y, a.box.y);
  EXPECT_FLOAT_EQ(b.score, a.score);
}

TEST_F(SsdTest, WhatIsNotFiniteGoes) {
  NodeRunner decode(kSsdDecode, std::string(kToml) + "sigmoid = false");
  ASSERT_TRUE(decode.run({outputs(4, std::numeric_limits<float>::infinity(), 2)}).ok());
  EXPECT_TRUE(decode.output<Detections>().items.empty());
}

TEST(YoloDecode, AChoiceOfClassesAddsNothing) {
  char name[] = "/tmp/polder_labels_XXXXXX";
  const int file = mkstemp(name);
  ASSERT_GE(file, 0);
  ASSERT_EQ(write(file, "a\nb\n", 4), 4);
  close(file);
  PacketMaker maker;
  const float row[7] = {10, 20, 4, 8, 1, 0.6F, 0.9F};  // a cat that is more of a dog
  auto& tensors = maker.make<Tensors>(0, 0);
  tensors.source_width = tensors.source_height = 100;
  tensors.crops = {{}};
  tensors.resize(1, 1);
  tensors.runs[0][0].reset(DataType::kF32, Shape{1, 1, 7});
  std::ranges::copy(row, tensors.runs[0][0].f32());
  for (const char* wanted : {"a", "b"}) {
    NodeRunner decode(kYoloDecode,
                      fmt::format("layout = 'v5'\nlabels = '{}'\nclasses = '{}'", name, wanted));
    ASSERT_TRUE(decode.run({maker.packet()}).ok());
    EXPECT_EQ(decode.output<Detections>().items.size(), *wanted == 'b' ? 1u : 0u);
  }
  unlink(name);
}

TEST(YoloDecode, WrongShapeIsAnError) {
  PacketMaker maker;
  auto& tensors = maker.make<Tensors>(0, 0);
  tensors.crops = {{}};
  tensors.resize(1, 1);
  tensors.runs[0][0].reset(DataType::kF32, Shape{1, 2});
  NodeRunner decode(kYoloDecode, "layout = 'v8'");
  EXPECT_FALSE(decode.run({maker.packet()}).ok());
}

}  // namespace
}  // namespace polder::pipeline
