// ReduceMean: the arithmetic mean; of integers truncated towards zero. ONNX leaves the mean of
// nothing open: here it is NaN, as in NumPy, PyTorch and ONNX's own reference, so that a missing
// value is seen (ONNX Runtime gives 0). Integers have no NaN: 0.
#include "ops/reduce.h"

namespace polder::ops::reduce_mean {
namespace {

struct Function : Sum {
  template <class A>
  static A last(A sum, std::int64_t n) {
    return n == 0 && std::is_integral_v<A> ? A(0) : sum / A(n);
  }
};

// (x - mean) / (standard deviation + 1e-9), as ONNX defines it in these operators.
Status mean_variance_normalization(ImportContext& node) {
  using Ints = std::vector<std::int64_t>;
  const Ints axes = node.attrs.has("axes") ? node.attrs.integers("axes") : Ints{0, 2, 3};
  const Attrs attrs = {{"axes", axes}};
  const ValueId x = node.in(0);
  const DataType type = node.value(x).type;
  TRY_VALUE(const ValueId mean, node.emit("ReduceMean", {x}, attrs));
  TRY_VALUE(const ValueId centred, node.emit("Sub", {x, mean}));
  TRY_VALUE(const ValueId square, node.emit("Mul", {centred, centred}));
  TRY_VALUE(const ValueId variance, node.emit("ReduceMean", {square}, attrs));
  TRY_VALUE(const ValueId deviation, node.emit("Sqrt", {variance}));
  TRY_VALUE(const ValueId divisor,
            node.emit("Add", {deviation, constant_scalar(node, type, 1e-9)}));
  return node.finish("Div", {centred, divisor});
}

std::vector<Sample> samples() { return reduce_samples(-2, true); }

Status from_onnx(ImportContext& node) { return reduce_from_onnx(node, "ReduceMean"); }
constexpr OnnxRule kOnnx[] = {{"ReduceMean", from_onnx},
                              {"MeanVarianceNormalization", mean_variance_normalization}};
Status from_tflite(ImportContext& node) { return reduce_from_tflite(node, "ReduceMean"); }
constexpr TfliteRule kTflite[] = {{"MEAN", from_tflite}};

}  // namespace

extern const OpDef def = {
    .name = "ReduceMean",
    .parse = parser<ReduceParams, parse_reduce>,
    .params_bytes = sizeof(ReduceParams),
    .infer = infer_reduce_numeric,
    .reference = reference_reduce<Function>,
    .choose = choose_reduce<kernel::Reduction::kMean>,
};
extern const OpTools tools = {
    .onnx = kOnnx, .tflite = kTflite, .samples = samples, .commute = Commute::kAxes};

}  // namespace polder::ops::reduce_mean
