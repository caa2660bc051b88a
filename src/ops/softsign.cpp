// Softsign: x / (1 + |x|).
#include "ops/tools.h"
#include "ops/unary.h"

namespace polder::ops::softsign {
namespace {

struct Function {
  template <class T>
  static double apply(T x, const void*) {
    return double(x) / (1 + std::abs(double(x)));
  }
};

std::vector<Sample> samples() {
  return {{"odd count", {{.shape = {3, 7, 5}, .low = -9, .high = 9}}}};
}

constexpr OnnxRule kOnnx[] = {{"Softsign"}};

}  // namespace

extern const OpDef def = {
    .name = "Softsign",
    .parse = parser<NoParams, no_attributes>,
    .infer = infer_float,
    .reference = reference_unary<Function>,
    .choose = choose_unary<kernel::Unary::kSoftsign>,
    .in_place = 0b1,
};
extern const OpTools tools = {.onnx = kOnnx, .samples = samples, .commute = Commute::kElementwise};

}  // namespace polder::ops::softsign
