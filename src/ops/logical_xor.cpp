// LogicalXor: whether just one of two bools is true, with broadcasting.
#include "ops/broadcast.h"
#include "ops/tools.h"

namespace polder::ops::logical_xor {
namespace {

struct Function {
  template <class T>
  static bool apply(T a, T b) {
    return (a != 0) != (b != 0);
  }
};

Status infer(InferContext& context) { return infer_binary(context, {DataType::kBool}); }

std::vector<Sample> samples() {
  return {{"same shape", {{DataType::kBool, {3, 4}}, {DataType::kBool, {3, 4}}}},
          {"broadcast", {{DataType::kBool, {3, 4, 5}}, {DataType::kBool, {4, 1}}}}};
}

constexpr OnnxRule kOnnx[] = {{"Xor"}};

}  // namespace

extern const OpDef def = {
    .name = "LogicalXor",
    .min_inputs = 2,
    .max_inputs = 2,
    .parse = parser<NoParams, no_attributes>,
    .infer = infer,
    .reference = reference_binary<Function>,
    .in_place = 0b11,
};
extern const OpTools tools = {.onnx = kOnnx, .samples = samples, .commute = Commute::kElementwise};

}  // namespace polder::ops::logical_xor
