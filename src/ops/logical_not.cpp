// LogicalNot: whether a bool is false.
#include "ops/tools.h"
#include "ops/unary.h"

namespace polder::ops::logical_not {
namespace {

struct Function {
  template <class T>
  static bool apply(T x, const void*) {
    return x == T(0);
  }
};

Status infer(InferContext& context) { return infer_unary(context, {DataType::kBool}); }

std::vector<Sample> samples() { return {{"bools", {{DataType::kBool, {3, 5}}}}}; }

constexpr OnnxRule kOnnx[] = {{"Not"}};
constexpr TfliteRule kTflite[] = {{"LOGICAL_NOT"}};

}  // namespace

extern const OpDef def = {
    .name = "LogicalNot",
    .parse = parser<NoParams, no_attributes>,
    .infer = infer,
    .reference = reference_unary<Function>,
    .in_place = 0b1,
};
extern const OpTools tools = {
    .onnx = kOnnx, .tflite = kTflite, .samples = samples, .commute = Commute::kElementwise};

}  // namespace polder::ops::logical_not
