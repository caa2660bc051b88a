// Round: to the nearest integer, halves to the even one.
#include "ops/tools.h"
#include "ops/unary.h"

namespace polder::ops::round {
namespace {

struct Function {
  template <class T>
  static double apply(T x, const void*) {
    return std::nearbyint(double(x));
  }
};

std::vector<Sample> samples() {
  return {{"odd count", {{.shape = {3, 7, 5}, .low = -5, .high = 5}}},
          {"halves", {{.shape = {6}, .values = {-2.5, -1.5, -0.5, 0.5, 1.5, 2.5}}}}};
}

constexpr OnnxRule kOnnx[] = {{"Round"}};
constexpr TfliteRule kTflite[] = {{"ROUND"}};

}  // namespace

extern const OpDef def = {
    .name = "Round",
    .parse = parser<NoParams, no_attributes>,
    .infer = infer_float,
    .reference = reference_unary<Function>,
    .choose = choose_unary<kernel::Unary::kRound>,
    .in_place = 0b1,
};
extern const OpTools tools = {
    .onnx = kOnnx, .tflite = kTflite, .samples = samples, .commute = Commute::kElementwise};

}  // namespace polder::ops::round
