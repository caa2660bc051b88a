// Sigmoid: 1 / (1 + exp(-x)).
#include "ops/tools.h"
#include "ops/unary.h"

namespace polder::ops::sigmoid {
namespace {

struct Function {
  template <class T>
  static double apply(T x, const void*) {
    return 1.0 / (1.0 + std::exp(-double(x)));
  }
};

std::vector<Sample> samples() {
  return {{"odd count", {{.shape = {3, 7, 5}, .low = -9, .high = 9}}}};
}

constexpr OnnxRule kOnnx[] = {{"Sigmoid"}};
constexpr TfliteRule kTflite[] = {{"LOGISTIC"}};

}  // namespace

extern const OpDef def = {
    .name = "Sigmoid",
    .parse = parser<NoParams, no_attributes>,
    .infer = infer_float,
    .reference = reference_unary<Function>,
    .choose = choose_unary<kernel::Unary::kSigmoid>,
    .in_place = 0b1,
};
extern const OpTools tools = {
    .onnx = kOnnx, .tflite = kTflite, .samples = samples, .commute = Commute::kElementwise};

}  // namespace polder::ops::sigmoid
