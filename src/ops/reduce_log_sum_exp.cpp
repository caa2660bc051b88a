// ReduceLogSumExp: the logarithm of the sum of the exponentials, taken relative to the largest
// element, so that nothing overflows.
#include "ops/cast.h"
#include "ops/reduce.h"

namespace polder::ops::reduce_log_sum_exp {
namespace {

Status reference(const RunContext& run) {
  const TensorView &in = run.in(0), &out = run.out(0);
  const ReduceWalk walk = reduce_walk(run.as<ReduceParams>(), in.shape);
  using At = std::array<std::int64_t, 1>;
  dispatch(in.type, [&]<class T>() {
    for_each_broadcast(walk.kept, walk.kept_strides, [&](std::int64_t i, const At& base) {
      const T* from = in.as<T>() + base[0];
      double most = -std::numeric_limits<double>::infinity(), sum = 0;
      for_each_broadcast(walk.reduced, walk.reduced_strides, [&](std::int64_t, const At& at) {
        most = std::max(most, double(from[at[0]]));
      });
      // Infinities would make inf - inf.
      const double shift = std::isfinite(most) ? most : 0;
      for_each_broadcast(walk.reduced, walk.reduced_strides, [&](std::int64_t, const At& at) {
        sum += std::exp(double(from[at[0]]) - shift);
      });
      out.as<T>()[i] = saturate<T>(std::log(sum) + shift);
    });
  });
  return {};
}

std::vector<Sample> samples() { return reduce_samples(-2, false); }

Status from_onnx(ImportContext& node) { return reduce_from_onnx(node, "ReduceLogSumExp"); }
constexpr OnnxRule kOnnx[] = {{"ReduceLogSumExp", from_onnx}};

}  // namespace

extern const OpDef def = {
    .name = "ReduceLogSumExp",
    .parse = parser<ReduceParams, parse_reduce>,
    .params_bytes = sizeof(ReduceParams),
    .infer = infer_reduce_float,
    .reference = reference,
};
extern const OpTools tools = {.onnx = kOnnx, .samples = samples, .commute = Commute::kAxes};

}  // namespace polder::ops::reduce_log_sum_exp
