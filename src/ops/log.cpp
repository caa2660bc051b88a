// Log: the natural logarithm; -inf at 0, NaN below.
#include "ops/tools.h"
#include "ops/unary.h"

namespace polder::ops::log {
namespace {

struct Function {
  template <class T>
  static double apply(T x, const void*) {
    return std::log(double(x));
  }
};

std::vector<Sample> samples() {
  return {{"odd count", {{.shape = {3, 7, 5}, .low = 0.01, .high = 9}}}};
}

constexpr OnnxRule kOnnx[] = {{"Log"}};
constexpr TfliteRule kTflite[] = {{"LOG"}};

}  // namespace

extern const OpDef def = {
    .name = "Log",
    .parse = parser<NoParams, no_attributes>,
    .infer = infer_float,
    .reference = reference_unary<Function>,
    .choose = choose_unary<kernel::Unary::kLog>,
    .in_place = 0b1,
};
extern const OpTools tools = {
    .onnx = kOnnx, .tflite = kTflite, .samples = samples, .commute = Commute::kElementwise};

}  // namespace polder::ops::log
