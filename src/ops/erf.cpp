// Erf: the error function.
#include "ops/tools.h"
#include "ops/unary.h"

namespace polder::ops::erf {
namespace {

struct Function {
  template <class T>
  static double apply(T x, const void*) {
    return std::erf(double(x));
  }
};

std::vector<Sample> samples() {
  return {{"odd count", {{.shape = {3, 7, 5}, .low = -2, .high = 2}}}};
}

constexpr OnnxRule kOnnx[] = {{"Erf"}};

}  // namespace

extern const OpDef def = {
    .name = "Erf",
    .parse = parser<NoParams, no_attributes>,
    .infer = infer_float,
    .reference = reference_unary<Function>,
    .choose = choose_unary<kernel::Unary::kErf>,
    .in_place = 0b1,
};
extern const OpTools tools = {.onnx = kOnnx, .samples = samples, .commute = Commute::kElementwise};

}  // namespace polder::ops::erf
