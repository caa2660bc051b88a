// Rsqrt: 1 / sqrt(x).
#include "ops/tools.h"
#include "ops/unary.h"

namespace polder::ops::rsqrt {
namespace {

struct Function {
  template <class T>
  static double apply(T x, const void*) {
    return 1 / std::sqrt(double(x));
  }
};

std::vector<Sample> samples() {
  return {{"odd count", {{.shape = {3, 7, 5}, .low = 0.01, .high = 9}}}};
}

constexpr TfliteRule kTflite[] = {{"RSQRT"}};

}  // namespace

extern const OpDef def = {
    .name = "Rsqrt",
    .parse = parser<NoParams, no_attributes>,
    .infer = infer_float,
    .reference = reference_unary<Function>,
    .choose = choose_unary<kernel::Unary::kRsqrt>,
    .in_place = 0b1,
};
extern const OpTools tools = {
    .tflite = kTflite, .samples = samples, .commute = Commute::kElementwise};

}  // namespace polder::ops::rsqrt
