// PRelu: a, or a * slope where a < 0; the slope is broadcast.
#include "ops/broadcast.h"
#include "ops/rules.h"
#include "ops/samples.h"

namespace polder::ops::prelu {
namespace {

struct Function {
  template <class T>
  static T apply(T a, T b) {
    if constexpr (std::is_integral_v<T>) return a < 0 ? T(std::uint64_t(a) * std::uint64_t(b)) : a;
    else return a < 0 ? a * b : a;
  }
};

Status infer(InferContext& context) { return infer_binary(context, kNumeric); }

// Before opset 7 a vector of slopes was one for each channel.
Status from_onnx(ImportContext& node) {
  if (node.version < 7 && node.has(1) && node.rank(1) == 1) {
    node.attrs.set("axis", std::int64_t(node.rank(0) > 1));
  }
  return finish_binary(node, "PRelu");
}
constexpr OnnxRule kOnnx[] = {{"PRelu", from_onnx}};
constexpr TfliteRule kTflite[] = {{"PRELU"}};

}  // namespace

extern const OpDef def = {
    .name = "PRelu",
    .min_inputs = 2,
    .max_inputs = 2,
    .parse = parser<NoParams, no_attributes>,
    .infer = infer,
    .reference = reference_binary<Function>,
    .choose = choose_binary<kernel::Binary::kPrelu>,
    .in_place = 0b11,
};
extern const OpTools tools = {.onnx = kOnnx,
                              .tflite = kTflite,
                              .samples = arithmetic_samples,
                              .commute = Commute::kElementwise};

}  // namespace polder::ops::prelu
