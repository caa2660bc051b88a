// GreaterOrEqual: whether a >= b, with broadcasting; false where either is NaN.
#include "ops/broadcast.h"
#include "ops/tools.h"

namespace polder::ops::greater_or_equal {
namespace {

struct Function {
  template <class T>
  static bool apply(T a, T b) {
    return a >= b;
  }
};

Status infer(InferContext& context) { return infer_binary(context, kNumeric, DataType::kBool); }

std::vector<Sample> samples() {
  return {
      {"f32", {{.shape = {3, 4}}, {.shape = {3, 4}}}},
      {"broadcast",
       {{DataType::kI32, {3, 4, 5}, {}, false, -2, 3}, {DataType::kI32, {4, 1}, {}, false, -2, 3}}},
      {"scalar", {{DataType::kI64, {9}, {}, false, -2, 3}, {DataType::kI64, {}, {1}}}}};
}

constexpr OnnxRule kOnnx[] = {{"GreaterOrEqual"}};
constexpr TfliteRule kTflite[] = {{"GREATER_EQUAL"}};

}  // namespace

extern const OpDef def = {
    .name = "GreaterOrEqual",
    .min_inputs = 2,
    .max_inputs = 2,
    .parse = parser<NoParams, no_attributes>,
    .infer = infer,
    .reference = reference_binary<Function>,
};
extern const OpTools tools = {
    .onnx = kOnnx, .tflite = kTflite, .samples = samples, .commute = Commute::kElementwise};

}  // namespace polder::ops::greater_or_equal
