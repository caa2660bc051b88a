// ReduceSum: the sum; integers wrap around.
#include "ops/reduce.h"

namespace polder::ops::reduce_sum {
namespace {

std::vector<Sample> samples() { return reduce_samples(-2, true); }

Status from_onnx(ImportContext& node) { return reduce_from_onnx(node, "ReduceSum"); }
constexpr OnnxRule kOnnx[] = {{"ReduceSum", from_onnx}};
Status from_tflite(ImportContext& node) { return reduce_from_tflite(node, "ReduceSum"); }
constexpr TfliteRule kTflite[] = {{"SUM", from_tflite}};

}  // namespace

extern const OpDef def = {
    .name = "ReduceSum",
    .parse = parser<ReduceParams, parse_reduce>,
    .params_bytes = sizeof(ReduceParams),
    .infer = infer_reduce_numeric,
    .reference = reference_reduce<Sum>,
    .choose = choose_reduce<kernel::Reduction::kSum>,
};
extern const OpTools tools = {
    .onnx = kOnnx, .tflite = kTflite, .samples = samples, .commute = Commute::kAxes};

}  // namespace polder::ops::reduce_sum
