// Abs: |x|; the smallest integer of a type stays itself.
#include "ops/tools.h"
#include "ops/unary.h"

namespace polder::ops::abs {
namespace {

struct Function {
  template <class T>
  static T apply(T x, const void*) {
    if constexpr (std::is_unsigned_v<T>) return x;
    else if constexpr (std::is_integral_v<T>) return x < 0 ? T(-std::uint64_t(x)) : x;
    else return std::abs(x);
  }
};

std::vector<Sample> samples() {
  return {{"odd count", {{.shape = {3, 7, 5}, .low = -2, .high = 2}}},
          {"i64", {{DataType::kI64, {9}, {}, false, -9, 9}}}};
}

constexpr OnnxRule kOnnx[] = {{"Abs"}};
constexpr TfliteRule kTflite[] = {{"ABS"}};

}  // namespace

extern const OpDef def = {
    .name = "Abs",
    .parse = parser<NoParams, no_attributes>,
    .infer = infer_numeric,
    .reference = reference_unary<Function>,
    .choose = choose_unary<kernel::Unary::kAbs>,
    .in_place = 0b1,
};
extern const OpTools tools = {
    .onnx = kOnnx, .tflite = kTflite, .samples = samples, .commute = Commute::kElementwise};

}  // namespace polder::ops::abs
