// Max: the larger of a and b with broadcasting; NaN if either is NaN. The format's Max of many
// inputs becomes a chain.
#include "ops/broadcast.h"
#include "ops/rules.h"
#include "ops/samples.h"

namespace polder::ops::max {
namespace {

struct Function {
  template <class T>
  static T apply(T a, T b) {
    return a < b || b != b ? b : a;
  }
};

Status infer(InferContext& context) { return infer_binary(context, kNumericAndHalf); }

std::vector<Sample> samples() {
  std::vector<Sample> all = arithmetic_samples();
  all.push_back({"f16", {{DataType::kF16, {3, 5}}, {DataType::kF16, {5}}}});
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const SampleInput a = {.shape = {19}, .values = {nan, 1, nan}},
                    b = {.shape = {19}, .values = {1, nan, nan}};
  all.push_back({"nan", {a, b}});
  return all;
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
    .reference = reference_with_halves<Function>,
    .choose = choose_binary<kernel::Binary::kMax>,
    .in_place = 0b11,
};
extern const OpTools tools = {
    .onnx = kOnnx, .tflite = kTflite, .samples = samples, .commute = Commute::kElementwise};

}  // namespace polder::ops::max
