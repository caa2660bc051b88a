// MatMul and Linear against plain sums.
#include "ops/op_values_test.h"

namespace polder::ops {
namespace {

TEST(MatMul, BroadcastsBatches) {
  constexpr std::int64_t kM = 3, kK = 5, kN = 17;
  const auto a = pseudo_random(2 * kM * kK, 1), b = pseudo_random(3 * kK * kN, 2);
  std::vector<double> expected;
  for (std::int64_t i = 0; i < 2; ++i)
    for (std::int64_t j = 0; j < 3; ++j)
      for (std::int64_t m = 0; m < kM; ++m)
        for (std::int64_t n = 0; n < kN; ++n) {
          double sum = 0;
          for (std::int64_t k = 0; k < kK; ++k) {
            sum += a[std::size_t((i * kM + m) * kK + k)] * b[std::size_t((j * kK + k) * kN + n)];
          }
          expected.push_back(sum);
        }
  expect_output("MatMul", {"batches", {input_of({2, 1, kM, kK}, a), input_of({3, kK, kN}, b)}},
                expected);
}

TEST(MatMul, TransposedInputs) {
  // a^T = [1 2; 3 4; 5 6], b^T = [1 0; 2 1]
  expect_output("MatMul",
                {"both",
                 {input_of({2, 3}, {1, 3, 5, 2, 4, 6}), input_of({2, 2}, {1, 2, 0, 1})},
                 {{"transpose_a", std::int64_t(1)}, {"transpose_b", std::int64_t(1)}}},
                {5, 2, 11, 4, 17, 6});
}

TEST(MatMul, ErrorsNameBothShapes) {
  Case test = make_case(*find_op("MatMul"), {"bad", {{.shape = {2, 3}}, {.shape = {4, 5}}}},
                        Known::kShapes);
  const Status status = infer_case(test);
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.error().message.find("[2,3] times [4,5]"), std::string::npos);
}

TEST(Linear, MultipliesByTheTransposedWeights) {
  for (const bool constant : {true, false}) {
    expect_output("Linear",
                  {constant ? "packed" : "plain",
                   {input_of({2, 1, 3}, {1, 2, 3, -1, 0, 1}),
                    input_of({2, 3}, {1, 1, 1, 0, 2, -1}, constant), input_of({2}, {10, 20})}},
                  {16, 21, 10, 19});
  }
}

}  // namespace
}  // namespace polder::ops
