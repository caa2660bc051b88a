// Greater: whether a > b, with broadcasting; false where either is NaN.
#include "ops/broadcast.h"
#include "ops/samples.h"

namespace polder::ops::greater {
namespace {

struct Function {
  template <class T>
  static bool apply(T a, T b) {
    return a > b;
  }
};

Status infer(InferContext& context) { return infer_binary(context, kNumeric, DataType::kBool); }

constexpr OnnxRule kOnnx[] = {{"Greater"}};
constexpr TfliteRule kTflite[] = {{"GREATER"}};

}  // namespace

extern const OpDef def = {
    .name = "Greater",
    .min_inputs = 2,
    .max_inputs = 2,
    .parse = parser<NoParams, no_attributes>,
    .infer = infer,
    .reference = reference_binary<Function>,
};
extern const OpTools tools = {.onnx = kOnnx,
                              .tflite = kTflite,
                              .samples = comparison_samples,
                              .commute = Commute::kElementwise};

}  // namespace polder::ops::greater
