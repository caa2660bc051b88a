// Identity: its input, of any type. Serves the formats' operators that do nothing at inference.
#include "ops/rules.h"
#include "ops/strided.h"

namespace polder::ops::identity {
namespace {

Status infer(InferContext& context) {
  context.output(0, context.type(0), context.dims(0));
  IntList ints;
  if (context.ints(0, ints)) context.output_ints(0, ints);
  return {};
}

// A mask of ones: bool, before opset 10 of the input's type.
Status dropout_mask(ImportContext& node, ValueId mask) {
  const DataType type = node.version < 10 ? node.value(node.in(0)).type : DataType::kBool;
  TRY_VALUE(const ValueId shape, node.emit("Shape", {node.in(0)}));
  return node.finish("Expand", {constant_scalar(node, type, 1), shape}, {}, {mask});
}

Status dropout(ImportContext& node) {
  if (node.has(2)) {
    TRY_VALUE(const double training, constant_real(node, 2));
    double ratio = 0.5;
    if (node.has(1)) {
      TRY_VALUE(ratio, constant_real(node, 1));
    }
    if (training != 0 && ratio != 0) {
      return fail(Code::kUnsupported, "dropout in training mode; export the model for inference");
    }
  }
  TRY(node.finish("Identity", {node.in(0)}, {}, {node.outputs[0]}));
  if (node.outputs.size() < 2 || node.outputs[1] == kNoValue) return {};
  return dropout_mask(node, node.outputs[1]);
}

Status pass(ImportContext& node) { return node.finish("Identity", {node.in(0)}); }

std::vector<Sample> samples() {
  return {{"f32", {{.shape = {2, 5}}}}, {"f16", {{DataType::kF16, {3, 3}}}}};
}

constexpr OnnxRule kOnnx[] = {{"Identity"}, {"Dropout", dropout}};
constexpr TfliteRule kTflite[] = {{"FAKE_QUANT", pass}};

}  // namespace

extern const OpDef def = {
    .name = "Identity",
    .parse = parser<NoParams, no_attributes>,
    .infer = infer,
    .reference = copy_whole,
    .in_place = 0b1,
};
extern const OpTools tools = {
    .onnx = kOnnx, .tflite = kTflite, .samples = samples, .commute = Commute::kElementwise};

}  // namespace polder::ops::identity
