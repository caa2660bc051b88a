// Exp: e^x.
#include "ops/tools.h"
#include "ops/unary.h"

namespace polder::ops::exp {
namespace {

struct Function {
  template <class T>
  static double apply(T x, const void*) {
    return std::exp(double(x));
  }
};

std::vector<Sample> samples() {
  return {{"odd count", {{.shape = {3, 7, 5}, .low = -2, .high = 2}}}};
}

constexpr OnnxRule kOnnx[] = {{"Exp"}};
constexpr TfliteRule kTflite[] = {{"EXP"}};

}  // namespace

extern const OpDef def = {
    .name = "Exp",
    .parse = parser<NoParams, no_attributes>,
    .infer = infer_float,
    .reference = reference_unary<Function>,
    .choose = choose_unary<kernel::Unary::kExp>,
    .in_place = 0b1,
};
extern const OpTools tools = {
    .onnx = kOnnx, .tflite = kTflite, .samples = samples, .commute = Commute::kElementwise};

}  // namespace polder::ops::exp
