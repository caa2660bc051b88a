// Silu: x * sigmoid(x), also called swish.
#include "ops/tools.h"
#include "ops/unary.h"

namespace polder::ops::silu {
namespace {

struct Function {
  template <class T>
  static double apply(T x, const void*) {
    return double(x) / (1 + std::exp(-double(x)));
  }
};

std::vector<Sample> samples() {
  return {{"odd count", {{.shape = {3, 7, 5}, .low = -9, .high = 9}}}};
}

}  // namespace

extern const OpDef def = {
    .name = "Silu",
    .parse = parser<NoParams, no_attributes>,
    .infer = infer_float,
    .reference = reference_unary<Function>,
    .choose = choose_unary<kernel::Unary::kSilu>,
    .in_place = 0b1,
};
extern const OpTools tools = {.samples = samples, .commute = Commute::kElementwise};

}  // namespace polder::ops::silu
