// SquaredDifference: (a - b)^2 with broadcasting; integers wrap around.
#include "ops/broadcast.h"
#include "ops/samples.h"

namespace polder::ops::squared_difference {
namespace {

struct Function {
  template <class T>
  static T apply(T a, T b) {
    if constexpr (std::is_integral_v<T>) {
      const std::uint64_t d = std::uint64_t(a) - std::uint64_t(b);
      return T(d * d);
    } else {
      return (a - b) * (a - b);
    }
  }
};

Status infer(InferContext& context) { return infer_binary(context, kNumeric); }

Status from_tflite(ImportContext& node) { return node.finish("SquaredDifference", node.inputs); }
constexpr TfliteRule kTflite[] = {{"SQUARED_DIFFERENCE", from_tflite}};

}  // namespace

extern const OpDef def = {
    .name = "SquaredDifference",
    .min_inputs = 2,
    .max_inputs = 2,
    .parse = parser<NoParams, no_attributes>,
    .infer = infer,
    .reference = reference_binary<Function>,
    .choose = choose_binary<kernel::Binary::kSquaredDifference>,
    .in_place = 0b11,
};
extern const OpTools tools = {
    .tflite = kTflite, .samples = arithmetic_samples, .commute = Commute::kElementwise};

}  // namespace polder::ops::squared_difference
