// Sqrt: the square root; NaN below 0.
#include "ops/tools.h"
#include "ops/unary.h"

namespace polder::ops::sqrt {
namespace {

struct Function {
  template <class T>
  static double apply(T x, const void*) {
    return std::sqrt(double(x));
  }
};

std::vector<Sample> samples() {
  return {{"odd count", {{.shape = {3, 7, 5}, .low = 0, .high = 9}}}};
}

constexpr OnnxRule kOnnx[] = {{"Sqrt"}};
constexpr TfliteRule kTflite[] = {{"SQRT"}};

}  // namespace

extern const OpDef def = {
    .name = "Sqrt",
    .parse = parser<NoParams, no_attributes>,
    .infer = infer_float,
    .reference = reference_unary<Function>,
    .choose = choose_unary<kernel::Unary::kSqrt>,
    .in_place = 0b1,
};
extern const OpTools tools = {
    .onnx = kOnnx, .tflite = kTflite, .samples = samples, .commute = Commute::kElementwise};

}  // namespace polder::ops::sqrt
