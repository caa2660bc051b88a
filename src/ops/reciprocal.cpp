// Reciprocal: 1 / x.
#include "ops/tools.h"
#include "ops/unary.h"

namespace polder::ops::reciprocal {
namespace {

struct Function {
  template <class T>
  static double apply(T x, const void*) {
    return 1 / double(x);
  }
};

std::vector<Sample> samples() {
  return {{"odd count", {{.shape = {3, 7, 5}, .low = 0.1, .high = 4}}}};
}

constexpr OnnxRule kOnnx[] = {{"Reciprocal"}};

}  // namespace

extern const OpDef def = {
    .name = "Reciprocal",
    .parse = parser<NoParams, no_attributes>,
    .infer = infer_float,
    .reference = reference_unary<Function>,
    .choose = choose_unary<kernel::Unary::kReciprocal>,
    .in_place = 0b1,
};
extern const OpTools tools = {.onnx = kOnnx, .samples = samples, .commute = Commute::kElementwise};

}  // namespace polder::ops::reciprocal
