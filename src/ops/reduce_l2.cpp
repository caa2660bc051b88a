// ReduceL2: the square root of the sum of the squares.
#include "ops/cast.h"
#include "ops/reduce.h"

namespace polder::ops::reduce_l2 {
namespace {

struct Function : SumOfSquares {
  template <class A>
  static A last(A sum, std::int64_t) {
    return saturate<A>(std::sqrt(double(sum)));
  }
};

Status vector(const RunContext& run) {
  TRY(run_vector_reduce(run, kernel::Reduction::kSumSquare));
  const TensorView& out = run.out(0);
  kernel::run(
      run.parallel, run.kernels.unary,
      kernel::UnaryArgs{
          {kernel::Unary::kSqrt, 0, 0}, out.as<float>(), out.as<float>(), out.shape.elements()});
  return {};
}

Choice choose(const NodeInfo& node) {
  Choice choice = choose_reduce<kernel::Reduction::kSumSquare>(node);
  if (choice.kernel) choice.kernel = vector;
  return choice;
}

std::vector<Sample> samples() { return reduce_samples(-2, true); }

Status from_onnx(ImportContext& node) { return reduce_from_onnx(node, "ReduceL2"); }
constexpr OnnxRule kOnnx[] = {{"ReduceL2", from_onnx}};

}  // namespace

extern const OpDef def = {
    .name = "ReduceL2",
    .parse = parser<ReduceParams, parse_reduce>,
    .params_bytes = sizeof(ReduceParams),
    .infer = infer_reduce_numeric,
    .reference = reference_reduce<Function>,
    .choose = choose,
};
extern const OpTools tools = {.onnx = kOnnx, .samples = samples, .commute = Commute::kAxes};

}  // namespace polder::ops::reduce_l2
