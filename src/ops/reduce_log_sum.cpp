// ReduceLogSum: the logarithm of the sum.
#include "ops/cast.h"
#include "ops/reduce.h"

namespace polder::ops::reduce_log_sum {
namespace {

struct Function : Sum {
  template <class A>
  static A last(A sum, std::int64_t) {
    return saturate<A>(std::log(double(sum)));
  }
};

std::vector<Sample> samples() { return reduce_samples(0.1, false); }

Status from_onnx(ImportContext& node) { return reduce_from_onnx(node, "ReduceLogSum"); }
constexpr OnnxRule kOnnx[] = {{"ReduceLogSum", from_onnx}};

}  // namespace

extern const OpDef def = {
    .name = "ReduceLogSum",
    .parse = parser<ReduceParams, parse_reduce>,
    .params_bytes = sizeof(ReduceParams),
    .infer = infer_reduce_float,
    .reference = reference_reduce<Function>,
};
extern const OpTools tools = {.onnx = kOnnx, .samples = samples, .commute = Commute::kAxes};

}  // namespace polder::ops::reduce_log_sum
