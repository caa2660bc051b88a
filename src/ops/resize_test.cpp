// Resize against numbers worked out from its definition.
#include "ops/op_values_test.h"

namespace polder::ops {
namespace {

using Ints = std::vector<std::int64_t>;
using Reals = std::vector<double>;

Sample row(const char* name, std::vector<double> values, Attrs attrs) {
  const auto count = std::int64_t(values.size());
  return {name, {input_of({1, count, 1}, std::move(values))}, std::move(attrs)};
}

TEST(Resize, LinearHalfPixelTakesQuarters) {
  expect_output("Resize",
                row("2x", {1, 2, 4}, {{"axes", Ints{1}}, {"scales", Reals{2}}, {"mode", "linear"}}),
                {1, 1.25, 1.75, 2.5, 3.5, 4});
}

TEST(Resize, LinearAlignCornersKeepsTheEnds) {
  expect_output("Resize",
                row("3 to 5", {1, 2, 4},
                    {{"axes", Ints{1}},
                     {"sizes", Ints{5}},
                     {"mode", "linear"},
                     {"coordinates", "align_corners"}}),
                {1, 1.5, 2, 3, 4});
}

TEST(Resize, NearestRoundsAsAsked) {
  // Positions of the output in the input: -0.25, 0.25, 0.75, 1.25, 1.75, 2.25 (half pixel), and
  // with asymmetric 0, 0.5, 1, 1.5, 2, 2.5.
  struct Expectation {
    const char *coordinates, *rounding;
    std::vector<double> values;
  };
  const Expectation all[] = {{"half_pixel", "round_prefer_floor", {1, 1, 2, 2, 4, 4}},
                             {"asymmetric", "round_prefer_floor", {1, 1, 2, 2, 4, 4}},
                             {"asymmetric", "round_prefer_ceil", {1, 2, 2, 4, 4, 4}},
                             {"asymmetric", "floor", {1, 1, 2, 2, 4, 4}},
                             {"asymmetric", "ceil", {1, 2, 2, 4, 4, 4}},
                             {"tf_half_pixel_for_nn", "floor", {1, 1, 2, 2, 4, 4}}};
  for (const Expectation& e : all) {
    expect_output("Resize",
                  row(e.rounding, {1, 2, 4},
                      {{"axes", Ints{1}},
                       {"scales", Reals{2}},
                       {"coordinates", e.coordinates},
                       {"rounding", e.rounding}}),
                  e.values);
  }
}

TEST(Resize, CubicOfALineIsTheLine) {
  // Inside, where no tap is clamped, cubic convolution reproduces linear functions for a = -0.5.
  const auto got = run_values(
      "Resize",
      row("2x", {0, 1, 2, 3, 4, 5, 6, 7},
          {{"axes", Ints{1}}, {"scales", Reals{2}}, {"mode", "cubic"}, {"cubic_a", -0.5}}));
  ASSERT_EQ(got.at(0).size(), 16u);
  for (int i = 4; i < 12; ++i) EXPECT_NEAR(got[0][std::size_t(i)], (i + 0.5) / 2 - 0.5, 1e-5);
}

TEST(Resize, CropReadsItsRegionAndNothingOutside) {
  expect_output("Resize",
                row("from the middle to beyond the end", {0, 10, 20},
                    {{"axes", Ints{1}},
                     {"sizes", Ints{3}},
                     {"mode", "linear"},
                     {"coordinates", "crop"},
                     {"roi", Reals{0.5, 1.5}},
                     {"extrapolation_value", -1.0}}),
                {10, 20, -1});
}

TEST(Resize, SizesOfTheRunDecideTheShape) {
  const Sample sample = {
      "sizes as input",
      {input_of({1, 2, 1}, {3, 5}), {.type = DataType::kNone}, {DataType::kI64, {1}, {4}}},
      {{"axes", Ints{1}}}};
  expect_output("Resize", sample, {3, 3, 5, 5});
}

TEST(Resize, OfNothingNeedsNoWorkspace) {
  const OpDef& resize = *find_op("Resize");
  const Sample sample = {"empty",
                         {{.shape = {0, 4}}},
                         {{"sizes", Ints{0, std::int64_t(1) << 30}}, {"mode", "linear"}},
                         {{0, std::int64_t(1) << 30}}};
  Case test = make_case(resize, sample, Known::kShapes);
  ASSERT_TRUE(infer_case(test).ok());
  const ValueInfo in = info_of(test.graph[0]), out = info_of(test.graph[1]);
  alignas(std::max_align_t) std::byte params[kMaxParamsBytes] = {};
  ASSERT_TRUE(resize.parse(sample.attrs, params).ok());
  const NodeInfo node{{&in, 1}, {&out, 1}, params};
  EXPECT_EQ(choose_kernel(resize, node).workspace_bytes, 0u);
  EXPECT_EQ(resize.reference_workspace(node), 0u);
  expect_output("Resize", sample, {});
}

}  // namespace
}  // namespace polder::ops
