// Sinh: the hyperbolic sine.
#include "ops/tools.h"
#include "ops/unary.h"

namespace polder::ops::sinh {
namespace {

struct Function {
  template <class T>
  static double apply(T x, const void*) {
    return std::sinh(double(x));
  }
};

std::vector<Sample> samples() {
  return {{"odd count", {{.shape = {3, 7, 5}, .low = -2, .high = 2}}}};
}

constexpr OnnxRule kOnnx[] = {{"Sinh"}};

}  // namespace

extern const OpDef def = {
    .name = "Sinh",
    .parse = parser<NoParams, no_attributes>,
    .infer = infer_float,
    .reference = reference_unary<Function>,
    .in_place = 0b1,
};
extern const OpTools tools = {.onnx = kOnnx, .samples = samples, .commute = Commute::kElementwise};

}  // namespace polder::ops::sinh
