// Max: the larger of a and b with broadcasting; NaN if either is NaN. The format's Max of many
// inputs becomes a chain.
#include "ops/broadcast.h"
#include "ops/rules.h"

namespace polder::ops::max {
namespace {

struct Function {
  template <class T>
  static T apply(T a, T b) {
    return a < b || b != b ? b : a;
  }
};

Status reference(const RunContext& run) {
  if (run.in(0).type != DataType::kF16) return reference_binary<Function>(run);
  reference_halves<Function>(run);
  return {};
}

Status infer(InferContext& context) { return infer_binary(context, kNumericAndHalf); }

std::vector<Sample> samples() {
  return {
      {"f16", {{DataType::kF16, {3, 5}}, {DataType::kF16, {5}}}},
      {"same shape", {{.shape = {2, 3, 5}}, {.shape = {2, 3, 5}}}},
      {"scalar", {{.shape = {7, 9}}, {.shape = {}}}},
      {"last axis", {{.shape = {4, 17}}, {.shape = {17}}}},
      {"both broadcast", {{.shape = {3, 1, 5}}, {.shape = {1, 4, 1}}}},
      {"i64", {{DataType::kI64, {5}, {}, false, -9, 9}, {DataType::kI64, {5}, {}, false, -9, 9}}}};
}

Status from_onnx(ImportContext& node) { return finish_chain(node, "Max"); }
constexpr OnnxRule kOnnx[] = {{"Max", from_onnx}};
Status from_tflite(ImportContext& node) { return node.finish("Max", node.inputs); }
constexpr TfliteRule kTflite[] = {{"MAXIMUM", from_tflite}};

}  // namespace

extern const OpDef def = {
    .name = "Max",
    .min_inputs = 2,
    .max_inputs = 2,
    .parse = parser<NoParams, no_attributes>,
    .infer = infer,
    .reference = reference,
    .choose = choose_binary<kernel::Binary::kMax>,
    .in_place = 0b11,
};
extern const OpTools tools = {
    .onnx = kOnnx, .tflite = kTflite, .samples = samples, .commute = Commute::kElementwise};

}  // namespace polder::ops::max
