// MaxPool and AveragePool against numbers worked out by hand.
#include <cmath>

#include "ops/op_values_test.h"

namespace polder::ops {
namespace {

using Ints = std::vector<std::int64_t>;

const std::vector<double> kGrid = {1, 5, 2, 8, 3, 9, 4, 7, 6};  // 3 x 3

Sample grid(Attrs attrs, std::vector<Shape> shapes = {{1, 2, 2, 1}}) {
  return {"grid", {input_of({1, 3, 3, 1}, kGrid)}, std::move(attrs), std::move(shapes)};
}

TEST(MaxPool, TakesTheLargest) {
  expect_output("MaxPool", grid({{"kernel_shape", Ints{2, 2}}}), {8, 9, 8, 9});
}

TEST(MaxPool, IndicesCountAsAsked) {
  const std::vector<Shape> both = {{1, 2, 2, 1}, {1, 2, 2, 1}};
  Attrs attrs = {{"kernel_shape", Ints{2, 2}}};
  expect_near(run_values("MaxPool", grid(attrs, both)).at(1), {3, 5, 3, 5});
  attrs.set("column_major", std::int64_t(1));
  expect_near(run_values("MaxPool", grid(attrs, both)).at(1), {1, 7, 1, 7});
}

TEST(MaxPool, IndicesCountChannelsAndImages) {
  const Sample sample = {"two images of two channels",
                         {input_of({2, 2, 2}, {1, 9, 2, 3, 5, 6, 7, 8})},
                         {{"kernel_shape", Ints{2}}},
                         {{2, 1, 2}, {2, 1, 2}}};
  const auto got = run_values("MaxPool", sample);
  expect_near(got.at(0), {2, 9, 7, 8});
  // As [image, channel, position]: 1 = (0, 0, 1), 2 = (0, 1, 0), 5 = (1, 0, 1), 7 = (1, 1, 1).
  expect_near(got.at(1), {1, 2, 5, 7});
}

// Wherever it stands, also for the kernel that takes several at a time.
TEST(MaxPool, HandsNanOn) {
  const double nan = std::nan("");
  for (std::size_t at = 0; at < 3; ++at) {
    std::vector<double> x = {1, 2, 3};
    x[at] = nan;
    for (const std::optional<kernel::Isa> isa :
         {std::optional<kernel::Isa>(), std::optional<kernel::Isa>(kernel::best_isa())}) {
      const auto got = run_values(
          "MaxPool", {"nan", {input_of({1, 3, 1}, x)}, {{"kernel_shape", Ints{3}}}}, isa);
      EXPECT_TRUE(std::isnan(got.at(0).at(0))) << at;
    }
  }
}

// ONNX: ceil((1 - 3) / 4) + 1 = 1 window.
TEST(MaxPool, CeilModeTakesAWindowLargerThanTheInput) {
  expect_output("MaxPool",
                {"one",
                 {input_of({1, 1, 1}, {7})},
                 {{"kernel_shape", Ints{3}}, {"strides", Ints{4}}, {"ceil_mode", std::int64_t(1)}}},
                {7});
}

// 5 and 6 are in the window that reaches over the end.
TEST(AveragePool, SumsWhatIsThere) {
  expect_output("AveragePool",
                {"sum",
                 {input_of({1, 6, 1}, {1, 2, 3, 4, 5, 6})},
                 {{"kernel_shape", Ints{3}},
                  {"strides", Ints{2}},
                  {"ceil_mode", std::int64_t(1)},
                  {"sum", std::int64_t(1)}}},
                {6, 12, 11});
}

TEST(AveragePool, CountsPadsWhenTold) {
  Attrs attrs = {{"kernel_shape", Ints{2, 2}}, {"pads", Ints{1, 1, 0, 0}}, {"strides", Ints{2, 2}}};
  expect_output("AveragePool", grid(attrs), {1, 3.5, 6, 6.25});
  attrs.set("count_include_pad", std::int64_t(1));
  expect_output("AveragePool", grid(attrs), {0.25, 1.75, 3, 6.25});
}

TEST(AveragePool, CeilModeAddsAWindowThatBeginsInside) {
  const Attrs attrs = {
      {"kernel_shape", Ints{2, 2}}, {"strides", Ints{2, 2}}, {"ceil_mode", std::int64_t(1)}};
  expect_output("AveragePool", grid(attrs), {4.25, 5.5, 5.5, 6});
  // Four elements, one pad behind: a third window would begin in the pad, so there are two.
  expect_output("MaxPool",
                {"row",
                 {input_of({1, 4, 1}, {1, 2, 3, 4})},
                 {{"kernel_shape", Ints{1}},
                  {"strides", Ints{2}},
                  {"pads", Ints{0, 1}},
                  {"ceil_mode", std::int64_t(1)}}},
                {1, 3});
}

}  // namespace
}  // namespace polder::ops
