// GridSample against the numbers of ONNX's reference implementation.
#include "ops/op_values_test.h"

namespace polder::ops {
namespace {

Sample at_the_border(const char* mode) {
  std::vector<double> rows;
  for (int i = 0; i < 4; ++i) rows.insert(rows.end(), {.9, .1, .4, .7});
  return {mode,
          {input_of({1, 4, 4, 1}, rows), input_of({1, 1, 3, 2}, {.9, 0, -.9, .3, .2, .1})},
          {{"mode", mode}, {"padding_mode", "border"}}};
}

TEST(GridSample, ACubicReadsBeyondTheBorder) {
  expect_output("GridSample", at_the_border("bicubic"), {0.733075, 0.9882, 0.35177514});
}
TEST(GridSample, OtherModesAreHeldToIt) {
  expect_output("GridSample", at_the_border("bilinear"), {0.7, 0.9, 0.37});
}

}  // namespace
}  // namespace polder::ops
