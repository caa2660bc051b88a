// Atan: the inverse tangent.
#include "ops/tools.h"
#include "ops/unary.h"

namespace polder::ops::atan {
namespace {

struct Function {
  template <class T>
  static double apply(T x, const void*) {
    return std::atan(double(x));
  }
};

std::vector<Sample> samples() {
  return {{"odd count", {{.shape = {3, 7, 5}, .low = -9, .high = 9}}}};
}

constexpr OnnxRule kOnnx[] = {{"Atan"}};

}  // namespace

extern const OpDef def = {
    .name = "Atan",
    .parse = parser<NoParams, no_attributes>,
    .infer = infer_float,
    .reference = reference_unary<Function>,
    .in_place = 0b1,
};
extern const OpTools tools = {.onnx = kOnnx, .samples = samples, .commute = Commute::kElementwise};

}  // namespace polder::ops::atan
