// Floor: the largest integer that is not above x.
#include "ops/tools.h"
#include "ops/unary.h"

namespace polder::ops::floor {
namespace {

struct Function {
  template <class T>
  static double apply(T x, const void*) {
    return std::floor(double(x));
  }
};

std::vector<Sample> samples() {
  return {{"odd count", {{.shape = {3, 7, 5}, .low = -5, .high = 5}}}};
}

constexpr OnnxRule kOnnx[] = {{"Floor"}};
constexpr TfliteRule kTflite[] = {{"FLOOR"}};

}  // namespace

extern const OpDef def = {
    .name = "Floor",
    .parse = parser<NoParams, no_attributes>,
    .infer = infer_float,
    .reference = reference_unary<Function>,
    .choose = choose_unary<kernel::Unary::kFloor>,
    .in_place = 0b1,
};
extern const OpTools tools = {
    .onnx = kOnnx, .tflite = kTflite, .samples = samples, .commute = Commute::kElementwise};

}  // namespace polder::ops::floor
