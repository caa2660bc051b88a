// Tanh: the hyperbolic tangent.
#include "ops/tools.h"
#include "ops/unary.h"

namespace polder::ops::tanh {
namespace {

struct Function {
  template <class T>
  static double apply(T x, const void*) {
    return std::tanh(double(x));
  }
};

std::vector<Sample> samples() {
  return {{"odd count", {{.shape = {3, 7, 5}, .low = -9, .high = 9}}}};
}

constexpr OnnxRule kOnnx[] = {{"Tanh"}};
constexpr TfliteRule kTflite[] = {{"TANH"}};

}  // namespace

extern const OpDef def = {
    .name = "Tanh",
    .parse = parser<NoParams, no_attributes>,
    .infer = infer_float,
    .reference = reference_unary<Function>,
    .choose = choose_unary<kernel::Unary::kTanh>,
    .in_place = 0b1,
};
extern const OpTools tools = {
    .onnx = kOnnx, .tflite = kTflite, .samples = samples, .commute = Commute::kElementwise};

}  // namespace polder::ops::tanh
