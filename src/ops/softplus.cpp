// Softplus: log(1 + e^x).
#include "ops/tools.h"
#include "ops/unary.h"

namespace polder::ops::softplus {
namespace {

struct Function {
  template <class T>
  static double apply(T x, const void*) {
    // Neither half overflows.
    return std::max(double(x), 0.0) + std::log1p(std::exp(-std::abs(double(x))));
  }
};

std::vector<Sample> samples() {
  return {{"odd count", {{.shape = {3, 7, 5}, .low = -9, .high = 9}}}};
}

constexpr OnnxRule kOnnx[] = {{"Softplus"}};

}  // namespace

extern const OpDef def = {
    .name = "Softplus",
    .parse = parser<NoParams, no_attributes>,
    .infer = infer_float,
    .reference = reference_unary<Function>,
    .choose = choose_unary<kernel::Unary::kSoftplus>,
    .in_place = 0b1,
};
extern const OpTools tools = {.onnx = kOnnx, .samples = samples, .commute = Commute::kElementwise};

}  // namespace polder::ops::softplus
