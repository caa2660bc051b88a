// Mul: a * b with broadcasting; integers wrap around.
#include "ops/broadcast.h"
#include "ops/rules.h"
#include "ops/samples.h"

namespace polder::ops::mul {
namespace {

struct Function {
  template <class T>
  static T apply(T a, T b) {
    // By 64 bits: 16-bit factors would be promoted to int and could overflow it.
    if constexpr (std::is_integral_v<T>) return T(std::uint64_t(a) * std::uint64_t(b));
    else return a * b;
  }
};

bool mul_ints(std::int64_t a, std::int64_t b, std::int64_t& out) {
  return !__builtin_mul_overflow(a, b, &out);
}

Status infer(InferContext& context) {
  return infer_binary(context, kNumeric, DataType::kNone, mul_ints);
}

Status from_onnx(ImportContext& node) { return finish_binary(node, "Mul"); }
constexpr OnnxRule kOnnx[] = {{"Mul", from_onnx}};
Status from_tflite(ImportContext& node) { return node.finish_tflite_fused("Mul", node.inputs); }
constexpr TfliteRule kTflite[] = {{"MUL", from_tflite}};

}  // namespace

extern const OpDef def = {
    .name = "Mul",
    .min_inputs = 2,
    .max_inputs = 2,
    .parse = parser<NoParams, no_attributes>,
    .infer = infer,
    .reference = reference_binary<Function>,
    .choose = choose_binary<kernel::Binary::kMul>,
    .in_place = 0b11,
};
extern const OpTools tools = {.onnx = kOnnx,
                              .tflite = kTflite,
                              .samples = arithmetic_samples,
                              .commute = Commute::kElementwise};

}  // namespace polder::ops::mul
