// ReduceSumSquare: the sum of the squares; integers wrap around.
#include "ops/reduce.h"

namespace polder::ops::reduce_sum_square {
namespace {

std::vector<Sample> samples() { return reduce_samples(-2, true); }

Status from_onnx(ImportContext& node) { return reduce_from_onnx(node, "ReduceSumSquare"); }
constexpr OnnxRule kOnnx[] = {{"ReduceSumSquare", from_onnx}};

}  // namespace

extern const OpDef def = {
    .name = "ReduceSumSquare",
    .parse = parser<ReduceParams, parse_reduce>,
    .params_bytes = sizeof(ReduceParams),
    .infer = infer_reduce_numeric,
    .reference = reference_reduce<SumOfSquares>,
    .choose = choose_reduce<kernel::Reduction::kSumSquare>,
};
extern const OpTools tools = {.onnx = kOnnx, .samples = samples, .commute = Commute::kAxes};

}  // namespace polder::ops::reduce_sum_square
