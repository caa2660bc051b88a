// Asinh: the inverse hyperbolic sine.
#include "ops/tools.h"
#include "ops/unary.h"

namespace polder::ops::asinh {
namespace {

struct Function {
  template <class T>
  static double apply(T x, const void*) {
    return std::asinh(double(x));
  }
};

std::vector<Sample> samples() {
  return {{"odd count", {{.shape = {3, 7, 5}, .low = -9, .high = 9}}}};
}

constexpr OnnxRule kOnnx[] = {{"Asinh"}};

}  // namespace

extern const OpDef def = {
    .name = "Asinh",
    .parse = parser<NoParams, no_attributes>,
    .infer = infer_float,
    .reference = reference_unary<Function>,
    .in_place = 0b1,
};
extern const OpTools tools = {.onnx = kOnnx, .samples = samples, .commute = Commute::kElementwise};

}  // namespace polder::ops::asinh
