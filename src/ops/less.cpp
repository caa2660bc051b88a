// Less: whether a < b, with broadcasting; false where either is NaN.
#include "ops/broadcast.h"
#include "ops/samples.h"

namespace polder::ops::less {
namespace {

struct Function {
  template <class T>
  static bool apply(T a, T b) {
    return a < b;
  }
};

Status infer(InferContext& context) { return infer_binary(context, kNumeric, DataType::kBool); }

constexpr OnnxRule kOnnx[] = {{"Less"}};
constexpr TfliteRule kTflite[] = {{"LESS"}};

}  // namespace

extern const OpDef def = {
    .name = "Less",
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

}  // namespace polder::ops::less
