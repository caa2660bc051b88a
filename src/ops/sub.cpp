// Sub: a - b with broadcasting; integers wrap around.
#include "ops/broadcast.h"
#include "ops/rules.h"
#include "ops/samples.h"

namespace polder::ops::sub {
namespace {

struct Function {
  template <class T>
  static T apply(T a, T b) {
    if constexpr (std::is_integral_v<T>)
      return T(std::make_unsigned_t<T>(a) - std::make_unsigned_t<T>(b));
    else return a - b;
  }
};

bool sub_ints(std::int64_t a, std::int64_t b, std::int64_t& out) {
  return !__builtin_sub_overflow(a, b, &out);
}

Status infer(InferContext& context) {
  return infer_binary(context, kNumeric, DataType::kNone, sub_ints, 0);
}

Status from_onnx(ImportContext& node) { return finish_binary(node, "Sub"); }
constexpr OnnxRule kOnnx[] = {{"Sub", from_onnx}};
Status from_tflite(ImportContext& node) { return node.finish_tflite_fused("Sub", node.inputs); }
constexpr TfliteRule kTflite[] = {{"SUB", from_tflite}};

}  // namespace

extern const OpDef def = {
    .name = "Sub",
    .min_inputs = 2,
    .max_inputs = 2,
    .parse = parser<NoParams, no_attributes>,
    .infer = infer,
    .reference = reference_binary<Function>,
    .choose = choose_binary<kernel::Binary::kSub>,
    .in_place = 0b11,
};
extern const OpTools tools = {.onnx = kOnnx,
                              .tflite = kTflite,
                              .samples = arithmetic_samples,
                              .commute = Commute::kElementwise};

}  // namespace polder::ops::sub
