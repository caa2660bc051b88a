// Sin: the sine of x in radians.
#include "ops/tools.h"
#include "ops/unary.h"

namespace polder::ops::sin {
namespace {

struct Function {
  template <class T>
  static double apply(T x, const void*) {
    return std::sin(double(x));
  }
};

std::vector<Sample> samples() {
  return {{"odd count", {{.shape = {3, 7, 5}, .low = -9, .high = 9}}}};
}

constexpr OnnxRule kOnnx[] = {{"Sin"}};
constexpr TfliteRule kTflite[] = {{"SIN"}};

}  // namespace

extern const OpDef def = {
    .name = "Sin",
    .parse = parser<NoParams, no_attributes>,
    .infer = infer_float,
    .reference = reference_unary<Function>,
    .in_place = 0b1,
};
extern const OpTools tools = {
    .onnx = kOnnx, .tflite = kTflite, .samples = samples, .commute = Commute::kElementwise};

}  // namespace polder::ops::sin
