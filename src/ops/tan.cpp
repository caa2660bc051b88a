// Tan: the tangent of x in radians.
#include "ops/tools.h"
#include "ops/unary.h"

namespace polder::ops::tan {
namespace {

struct Function {
  template <class T>
  static double apply(T x, const void*) {
    return std::tan(double(x));
  }
};

std::vector<Sample> samples() {
  return {{"odd count", {{.shape = {3, 7, 5}, .low = -1, .high = 1}}}};
}

constexpr OnnxRule kOnnx[] = {{"Tan"}};

}  // namespace

extern const OpDef def = {
    .name = "Tan",
    .parse = parser<NoParams, no_attributes>,
    .infer = infer_float,
    .reference = reference_unary<Function>,
    .in_place = 0b1,
};
extern const OpTools tools = {.onnx = kOnnx, .samples = samples, .commute = Commute::kElementwise};

}  // namespace polder::ops::tan
