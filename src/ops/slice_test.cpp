// Slice against what ONNX's and NumPy's definitions say.
#include "ops/op_values_test.h"

namespace polder::ops {
namespace {

using Ints = std::vector<std::int64_t>;

constexpr std::int64_t kFarBack = std::numeric_limits<std::int64_t>::min();

Sample backwards(std::int64_t start, std::int64_t end, bool none_before_front) {
  return {"backwards",
          {{DataType::kF32, {4}, {10, 11, 12, 13}}},
          {{"starts", Ints{start}},
           {"ends", Ints{end}},
           {"steps", Ints{-1}},
           {"none_before_front", std::int64_t(none_before_front)}}};
}

// ONNX: "clamped into the range [0, dims[axes[i]]-1] for negative stepping", ends into [-1, ...].
TEST(Slice, AStartBeforeTheFrontGoingBack) {
  for (const std::int64_t start : {std::int64_t(-5), std::int64_t(-9), kFarBack}) {
    expect_output("Slice", backwards(start, kFarBack, false), {10});
    expect_output("Slice", backwards(start, -9, false), {10});
    expect_output("Slice", backwards(start, 0, false), {});
    expect_output("Slice", backwards(start, kFarBack, true), {});
  }
  expect_output("Slice", backwards(-4, kFarBack, true), {10});
  expect_output("Slice", backwards(1, kFarBack, false), {11, 10});
  expect_output("Slice", backwards(99, 1, true), {13, 12});
}

TEST(Slice, OfNothing) {
  for (const std::int64_t step : {-1, 1}) {
    expect_output("Slice",
                  {"empty",
                   {{DataType::kF32, {0}}},
                   {{"starts", Ints{-1}}, {"ends", Ints{9}}, {"steps", Ints{step}}}},
                  {});
  }
}

// Positions that infer could not read, and the kernel would.
TEST(Slice, PositionsAreOneList) {
  const SampleInput column = {DataType::kI64, {2, 1}, {1, 0}},
                    list = {DataType::kI64, {2}, {5, -1}};
  for (const bool starts : {true, false}) {
    Case test =
        make_case(*find_op("Slice"),
                  {"column", {{.shape = {6, 5}}, starts ? column : list, starts ? list : column}},
                  Known::kShapes);
    const Status status = infer_case(test);
    ASSERT_FALSE(status.ok());
    EXPECT_NE(status.error().message.find("has rank 2; 1 expected"), std::string::npos)
        << status.error().message;
  }
}

}  // namespace
}  // namespace polder::ops
