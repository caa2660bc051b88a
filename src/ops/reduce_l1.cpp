// ReduceL1: the sum of the absolute values.
#include "ops/reduce.h"

namespace polder::ops::reduce_l1 {
namespace {

struct Function : Sum {
  template <class A>
  static A add(A sum, A x) {
    if constexpr (std::is_integral_v<A>)
      return A(std::uint64_t(sum) + (x < A(0) ? -std::uint64_t(x) : std::uint64_t(x)));
    else return sum + std::abs(x);
  }
};

std::vector<Sample> samples() { return reduce_samples(-2, true); }

Status from_onnx(ImportContext& node) { return reduce_from_onnx(node, "ReduceL1"); }
constexpr OnnxRule kOnnx[] = {{"ReduceL1", from_onnx}};

}  // namespace

extern const OpDef def = {
    .name = "ReduceL1",
    .parse = parser<ReduceParams, parse_reduce>,
    .params_bytes = sizeof(ReduceParams),
    .infer = infer_reduce_numeric,
    .reference = reference_reduce<Function>,
    .choose = choose_reduce<kernel::Reduction::kSumAbs>,
};
extern const OpTools tools = {.onnx = kOnnx, .samples = samples, .commute = Commute::kAxes};

}  // namespace polder::ops::reduce_l1
