// Sign: -1, 0 or 1 by the sign of x; NaN of NaN.
#include "ops/tools.h"
#include "ops/unary.h"

namespace polder::ops::sign {
namespace {

struct Function {
  template <class T>
  static T apply(T x, const void*) {
    if (x != x) return x;
    return T(T(x > T(0)) - T(x < T(0)));
  }
};

std::vector<Sample> samples() {
  return {{"odd count", {{.shape = {3, 7, 5}, .low = -2, .high = 2}}},
          {"i64", {{DataType::kI64, {9}, {}, false, -9, 9}}}};
}

constexpr OnnxRule kOnnx[] = {{"Sign"}};
constexpr TfliteRule kTflite[] = {{"SIGN"}};

}  // namespace

extern const OpDef def = {
    .name = "Sign",
    .parse = parser<NoParams, no_attributes>,
    .infer = infer_numeric,
    .reference = reference_unary<Function>,
    .choose = choose_unary<kernel::Unary::kSign>,
    .in_place = 0b1,
};
extern const OpTools tools = {
    .onnx = kOnnx, .tflite = kTflite, .samples = samples, .commute = Commute::kElementwise};

}  // namespace polder::ops::sign
