// Acos: the inverse cosine; NaN outside -1..1.
#include "ops/tools.h"
#include "ops/unary.h"

namespace polder::ops::acos {
namespace {

struct Function {
  template <class T>
  static double apply(T x, const void*) {
    return std::acos(double(x));
  }
};

std::vector<Sample> samples() {
  return {{"odd count", {{.shape = {3, 7, 5}, .low = -1, .high = 1}}}};
}

constexpr OnnxRule kOnnx[] = {{"Acos"}};

}  // namespace

extern const OpDef def = {
    .name = "Acos",
    .parse = parser<NoParams, no_attributes>,
    .infer = infer_float,
    .reference = reference_unary<Function>,
    .in_place = 0b1,
};
extern const OpTools tools = {.onnx = kOnnx, .samples = samples, .commute = Commute::kElementwise};

}  // namespace polder::ops::acos
