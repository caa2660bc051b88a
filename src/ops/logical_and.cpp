// LogicalAnd: a and b of bools, with broadcasting.
#include "ops/broadcast.h"
#include "ops/tools.h"

namespace polder::ops::logical_and {
namespace {

struct Function {
  template <class T>
  static bool apply(T a, T b) {
    return a && b;
  }
};

Status infer(InferContext& context) { return infer_binary(context, {DataType::kBool}); }

std::vector<Sample> samples() {
  return {{"same shape", {{DataType::kBool, {3, 4}}, {DataType::kBool, {3, 4}}}},
          {"broadcast", {{DataType::kBool, {3, 4, 5}}, {DataType::kBool, {4, 1}}}}};
}

constexpr OnnxRule kOnnx[] = {{"And"}};
constexpr TfliteRule kTflite[] = {{"LOGICAL_AND"}};

}  // namespace

extern const OpDef def = {
    .name = "LogicalAnd",
    .min_inputs = 2,
    .max_inputs = 2,
    .parse = parser<NoParams, no_attributes>,
    .infer = infer,
    .reference = reference_binary<Function>,
    .in_place = 0b11,
};
extern const OpTools tools = {
    .onnx = kOnnx, .tflite = kTflite, .samples = samples, .commute = Commute::kElementwise};

}  // namespace polder::ops::logical_and
