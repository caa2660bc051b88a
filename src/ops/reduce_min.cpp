// ReduceMin: the smallest element; the highest value of the type of none.
#include "ops/reduce.h"

namespace polder::ops::reduce_min {
namespace {

struct Function {
  template <class A, class T>
  static A first() {
    return std::is_floating_point_v<T> ? A(std::numeric_limits<double>::infinity())
                                       : A(std::numeric_limits<T>::max());
  }
  template <class A>
  static A add(A sum, A x) {
    return x < sum || x != x ? x : sum;
  }
  template <class A>
  static A last(A sum, std::int64_t) {
    return sum;
  }
};

std::vector<Sample> samples() {
  std::vector<Sample> all = reduce_samples(-2, true);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  all.push_back({"nan",
                 {{.shape = {3, 19}, .values = {nan, 1, nan}}},
                 {{"axes", std::vector<std::int64_t>{0}}},
                 {{1, 19}}});
  return all;
}

Status from_onnx(ImportContext& node) { return reduce_from_onnx(node, "ReduceMin"); }
constexpr OnnxRule kOnnx[] = {{"ReduceMin", from_onnx}};
Status from_tflite(ImportContext& node) { return reduce_from_tflite(node, "ReduceMin"); }
constexpr TfliteRule kTflite[] = {{"REDUCE_MIN", from_tflite}};

}  // namespace

extern const OpDef def = {
    .name = "ReduceMin",
    .parse = parser<ReduceParams, parse_reduce>,
    .params_bytes = sizeof(ReduceParams),
    .infer = infer_reduce_numeric,
    .reference = reference_reduce<Function>,
    .choose = choose_reduce<kernel::Reduction::kMin>,
};
extern const OpTools tools = {
    .onnx = kOnnx, .tflite = kTflite, .samples = samples, .commute = Commute::kAxes};

}  // namespace polder::ops::reduce_min
