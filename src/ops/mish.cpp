// Mish: x * tanh(softplus(x)).
#include "ops/tools.h"
#include "ops/unary.h"

namespace polder::ops::mish {
namespace {

struct Function {
  template <class T>
  static double apply(T x, const void*) {
    const double softplus = std::max(double(x), 0.0) + std::log1p(std::exp(-std::abs(double(x))));
    return double(x) * std::tanh(softplus);
  }
};

std::vector<Sample> samples() {
  return {{"odd count", {{.shape = {3, 7, 5}, .low = -9, .high = 9}}}};
}

constexpr OnnxRule kOnnx[] = {{"Mish"}};

}  // namespace

extern const OpDef def = {
    .name = "Mish",
    .parse = parser<NoParams, no_attributes>,
    .infer = infer_float,
    .reference = reference_unary<Function>,
    .choose = choose_unary<kernel::Unary::kMish>,
    .in_place = 0b1,
};
extern const OpTools tools = {.onnx = kOnnx, .samples = samples, .commute = Commute::kElementwise};

}  // namespace polder::ops::mish
