// Neg: -x; integers wrap around.
#include "ops/tools.h"
#include "ops/unary.h"

namespace polder::ops::neg {
namespace {

struct Function {
  template <class T>
  static T apply(T x, const void*) {
    if constexpr (std::is_integral_v<T>) return T(-std::uint64_t(x));
    else return -x;
  }
};

std::vector<Sample> samples() {
  return {{"odd count", {{.shape = {3, 7, 5}, .low = -2, .high = 2}}},
          {"i64", {{DataType::kI64, {9}, {}, false, -9, 9}}}};
}

constexpr OnnxRule kOnnx[] = {{"Neg"}};
constexpr TfliteRule kTflite[] = {{"NEG"}};

}  // namespace

extern const OpDef def = {
    .name = "Neg",
    .parse = parser<NoParams, no_attributes>,
    .infer = infer_numeric,
    .reference = reference_unary<Function>,
    .choose = choose_unary<kernel::Unary::kNegate>,
    .in_place = 0b1,
};
extern const OpTools tools = {
    .onnx = kOnnx, .tflite = kTflite, .samples = samples, .commute = Commute::kElementwise};

}  // namespace polder::ops::neg
