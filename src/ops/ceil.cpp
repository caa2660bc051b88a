// Ceil: the smallest integer that is not below x.
#include "ops/tools.h"
#include "ops/unary.h"

namespace polder::ops::ceil {
namespace {

struct Function {
  template <class T>
  static double apply(T x, const void*) {
    return std::ceil(double(x));
  }
};

std::vector<Sample> samples() {
  return {{"odd count", {{.shape = {3, 7, 5}, .low = -5, .high = 5}}}};
}

constexpr OnnxRule kOnnx[] = {{"Ceil"}};
constexpr TfliteRule kTflite[] = {{"CEIL"}};

}  // namespace

extern const OpDef def = {
    .name = "Ceil",
    .parse = parser<NoParams, no_attributes>,
    .infer = infer_float,
    .reference = reference_unary<Function>,
    .choose = choose_unary<kernel::Unary::kCeil>,
    .in_place = 0b1,
};
extern const OpTools tools = {
    .onnx = kOnnx, .tflite = kTflite, .samples = samples, .commute = Commute::kElementwise};

}  // namespace polder::ops::ceil
