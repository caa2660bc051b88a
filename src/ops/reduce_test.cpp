// Reductions against numbers worked out by hand.
#include <cmath>

#include "ops/op_values_test.h"

namespace polder::ops {
namespace {

using Ints = std::vector<std::int64_t>;

TEST(ReduceMean, OfNothingIsNoNumber) {
  const Attrs attrs = {{"axes", Ints{1}}, {"keepdims", std::int64_t(0)}};
  const Sample sample = {"nothing", {input_of({2, 0}, {})}, attrs, {{2}}};
  for (const std::optional<kernel::Isa> isa :
       {std::optional<kernel::Isa>(), std::optional<kernel::Isa>(kernel::best_isa())}) {
    const auto got = run_values("ReduceMean", sample, isa);
    ASSERT_EQ(got.at(0).size(), 2u);
    for (const double mean : got[0]) EXPECT_TRUE(std::isnan(mean)) << mean;
  }
  Sample whole = sample;
  whole.inputs[0].type = DataType::kI32;
  expect_output("ReduceMean", whole, {0, 0});
}

}  // namespace
}  // namespace polder::ops
