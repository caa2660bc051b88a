// Atanh: the inverse hyperbolic tangent; NaN outside -1..1.
#include "ops/tools.h"
#include "ops/unary.h"

namespace polder::ops::atanh {
namespace {

struct Function {
  template <class T>
  static double apply(T x, const void*) {
    return std::atanh(double(x));
  }
};

std::vector<Sample> samples() {
  return {{"odd count", {{.shape = {3, 7, 5}, .low = -0.9, .high = 0.9}}}};
}

constexpr OnnxRule kOnnx[] = {{"Atanh"}};

}  // namespace

extern const OpDef def = {
    .name = "Atanh",
    .parse = parser<NoParams, no_attributes>,
    .infer = infer_float,
    .reference = reference_unary<Function>,
    .in_place = 0b1,
};
extern const OpTools tools = {.onnx = kOnnx, .samples = samples, .commute = Commute::kElementwise};

}  // namespace polder::ops::atanh
