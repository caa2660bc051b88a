// ReduceProd: the product; integers wrap around.
#include "ops/reduce.h"

namespace polder::ops::reduce_prod {
namespace {

struct Function {
  template <class A, class T>
  static A first() {
    return 1;
  }
  template <class A>
  static A add(A sum, A x) {
    if constexpr (std::is_integral_v<A>) return A(std::uint64_t(sum) * std::uint64_t(x));
    else return sum * x;
  }
  template <class A>
  static A last(A sum, std::int64_t) {
    return sum;
  }
};

// The number of elements of a shape.
Status infer(InferContext& context) {
  TRY(infer_reduce_numeric(context));
  IntList list, product;
  Dims dims;
  if (context.rank(0) != 1 || context.params<ReduceParams>().none_if_empty ||
      !context.ints(0, list) || list.size() > kMaxRank) {
    return {};
  }
  for (int i = 0; i < list.size(); ++i) {
    if (list[i].bound < 0) return {};
    dims.push_back(list[i]);
  }
  product.push_back(product_dim(context, dims, 0, dims.rank()));
  context.output_ints(0, product);
  return {};
}

std::vector<Sample> samples() { return reduce_samples(-2, true); }

Status from_onnx(ImportContext& node) { return reduce_from_onnx(node, "ReduceProd"); }
constexpr OnnxRule kOnnx[] = {{"ReduceProd", from_onnx}};
Status from_tflite(ImportContext& node) { return reduce_from_tflite(node, "ReduceProd"); }
constexpr TfliteRule kTflite[] = {{"REDUCE_PROD", from_tflite}};

}  // namespace

extern const OpDef def = {
    .name = "ReduceProd",
    .parse = parser<ReduceParams, parse_reduce>,
    .params_bytes = sizeof(ReduceParams),
    .infer = infer,
    .reference = reference_reduce<Function>,
    .choose = choose_reduce<kernel::Reduction::kProduct>,
};
extern const OpTools tools = {
    .onnx = kOnnx, .tflite = kTflite, .samples = samples, .commute = Commute::kAxes};

}  // namespace polder::ops::reduce_prod
