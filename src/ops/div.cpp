// Div: a / b with broadcasting. Integers truncate towards zero, or round down with attribute
// "floor"; their quotient by zero is 0, and the smallest by -1 wraps around.
#include <cmath>

#include "ops/broadcast.h"
#include "ops/rules.h"

namespace polder::ops::div {
namespace {

struct Params {
  bool floor;
};

void parse(AttrReader& attrs, Params& p) { p.floor = attrs.flag("floor", false); }

template <bool floor>
struct Function {
  template <class T>
  static T apply(T a, T b) {
    if constexpr (!std::is_integral_v<T>) {
      return floor ? std::floor(a / b) : a / b;
    } else {
      if (b == 0) return 0;
      if constexpr (std::is_signed_v<T>) {
        if (b == -1) return T(-std::uint64_t(a));
        if (floor && a % b != 0 && (a < 0) != (b < 0)) return T(a / b - 1);
      }
      return T(a / b);
    }
  }
};

Status reference(const RunContext& run) {
  if (run.as<Params>().floor) return reference_binary<Function<true>>(run);
  return reference_binary<Function<false>>(run);
}

Choice choose(const NodeInfo& node) {
  if (node.as<Params>().floor) return {};
  return choose_binary<kernel::Binary::kDiv>(node);
}

bool div_ints(std::int64_t a, std::int64_t b, std::int64_t& out) {
  if (b <= 0 || a < 0) return false;  // no extent; also where truncating and flooring differ
  out = a / b;
  return true;
}

Status infer(InferContext& context) {
  return infer_binary(context, kNumeric, DataType::kNone, div_ints, 1);
}

Status from_tflite(ImportContext& node) { return node.finish_tflite_fused("Div", node.inputs); }
Status floor_div(ImportContext& node) {
  return node.finish("Div", node.inputs, {{"floor", std::int64_t(1)}});
}

std::vector<Sample> samples() {
  const SampleInput divisor = {.shape = {2, 3, 5}, .low = 0.5, .high = 2};
  const SampleInput ints = {DataType::kI32, {8}, {7, -7, 7, -7, 6, 5, -128, 3}};
  const SampleInput int_divisors = {DataType::kI32, {8}, {2, 2, -2, -2, 3, 0, -1, 7}};
  return {{"same shape", {{.shape = {2, 3, 5}}, divisor}},
          {"last axis", {{.shape = {4, 17}}, {.shape = {17}, .low = 0.5, .high = 2}}},
          {"i32", {ints, int_divisors}},
          {"i32 floor", {ints, int_divisors}, {{"floor", std::int64_t(1)}}},
          {"f32 floor", {{.shape = {2, 3, 5}}, divisor}, {{"floor", std::int64_t(1)}}}};
}

Status from_onnx(ImportContext& node) { return finish_binary(node, "Div"); }
constexpr OnnxRule kOnnx[] = {{"Div", from_onnx}};
constexpr TfliteRule kTflite[] = {{"DIV", from_tflite}, {"FLOOR_DIV", floor_div}};

}  // namespace

extern const OpDef def = {
    .name = "Div",
    .min_inputs = 2,
    .max_inputs = 2,
    .parse = parser<Params, parse>,
    .params_bytes = sizeof(Params),
    .infer = infer,
    .reference = reference,
    .choose = choose,
    .in_place = 0b11,
};
extern const OpTools tools = {
    .onnx = kOnnx, .tflite = kTflite, .samples = samples, .commute = Commute::kElementwise};

}  // namespace polder::ops::div
