// HardSwish: x * min(max(x / 6 + 1/2, 0), 1).
#include "ops/tools.h"
#include "ops/unary.h"

namespace polder::ops::hard_swish {
namespace {

struct Function {
  template <class T>
  static double apply(T x, const void*) {
    const double gate = double(x) / 6 + 0.5;
    return double(x) * (gate < 0 ? 0 : gate > 1 ? 1 : gate);
  }
};

std::vector<Sample> samples() {
  return {{"odd count", {{.shape = {3, 7, 5}, .low = -5, .high = 5}}}};
}

constexpr OnnxRule kOnnx[] = {{"HardSwish"}};
constexpr TfliteRule kTflite[] = {{"HARD_SWISH"}};

}  // namespace

extern const OpDef def = {
    .name = "HardSwish",
    .parse = parser<NoParams, no_attributes>,
    .infer = infer_float,
    .reference = reference_unary<Function>,
    .choose = choose_unary<kernel::Unary::kHardSwish>,
    .in_place = 0b1,
};
extern const OpTools tools = {
    .onnx = kOnnx, .tflite = kTflite, .samples = samples, .commute = Commute::kElementwise};

}  // namespace polder::ops::hard_swish
