// Add: a + b with broadcasting; integers wrap around.
#include "ops/broadcast.h"
#include "ops/rules.h"
#include "ops/samples.h"

namespace polder::ops::add {
namespace {

struct Function {
  template <class T>
  static T apply(T a, T b) {
    if constexpr (std::is_integral_v<T>)
      return T(std::make_unsigned_t<T>(a) + std::make_unsigned_t<T>(b));
    else return a + b;
  }
};

bool add_ints(std::int64_t a, std::int64_t b, std::int64_t& out) {
  return !__builtin_add_overflow(a, b, &out);
}

Status infer(InferContext& context) {
  return infer_binary(context, kNumeric, DataType::kNone, add_ints);
}

// Sum and Mean of any number of inputs.
Status sum(ImportContext& node) { return finish_chain(node, "Add"); }
Status mean(ImportContext& node) {
  if (!node.has(0)) return fail(Code::kInvalid, "no inputs; at least 1 expected");
  const std::vector<ValueId> outputs = node.outputs;
  const ValueId total = node.graph.add_value(node.node_name + "/sum");
  node.outputs = {total};
  TRY(finish_chain(node, "Add"));
  const DataType type = node.value(total).type;
  return node.finish("Div", {total, constant_scalar(node, type, double(node.inputs.size()))}, {},
                     outputs);
}
Status from_onnx(ImportContext& node) { return finish_binary(node, "Add"); }
constexpr OnnxRule kOnnx[] = {{"Add", from_onnx}, {"Sum", sum}, {"Mean", mean}};
Status from_tflite(ImportContext& node) { return node.finish_tflite_fused("Add", node.inputs); }
constexpr TfliteRule kTflite[] = {{"ADD", from_tflite}, {"ADD_N", sum}};

}  // namespace

extern const OpDef def = {
    .name = "Add",
    .min_inputs = 2,
    .max_inputs = 2,
    .parse = parser<NoParams, no_attributes>,
    .infer = infer,
    .reference = reference_binary<Function>,
    .choose = choose_binary<kernel::Binary::kAdd>,
    .in_place = 0b11,
};
extern const OpTools tools = {.onnx = kOnnx,
                              .tflite = kTflite,
                              .samples = arithmetic_samples,
                              .commute = Commute::kElementwise};

}  // namespace polder::ops::add
