// Mod: what is left of a / b, with b's sign, or with a's sign by attribute "fmod" as in C. An
// integer modulo 0 is 0.
#include <cmath>

#include "ops/broadcast.h"
#include "ops/tools.h"

namespace polder::ops::mod {
namespace {

struct Params {
  bool fmod;
};

void parse(AttrReader& attrs, Params& p) { p.fmod = attrs.flag("fmod", false); }

template <bool c_sign>
struct Function {
  template <class T>
  static T apply(T a, T b) {
    if constexpr (std::is_integral_v<T>) {
      if (b == 0) return 0;
      if constexpr (std::is_signed_v<T>) {
        if (b == -1) return 0;  // the smallest number by -1 would trap
        const T rest = T(a % b);
        return !c_sign && rest != 0 && (rest < 0) != (b < 0) ? T(rest + b) : rest;
      }
      return T(a % b);
    } else {
      const T rest = std::fmod(a, b);
      return !c_sign && rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
    }
  }
};

Status reference(const RunContext& run) {
  return run.as<Params>().fmod ? reference_with_halves<Function<true>>(run)
                               : reference_with_halves<Function<false>>(run);
}

Status infer(InferContext& context) { return infer_binary(context, kNumericAndHalf); }

std::vector<Sample> samples() {
  const SampleInput a = {DataType::kI32, {6}, {7, -7, 7, -7, 5, -8}};
  const SampleInput b = {DataType::kI32, {6}, {3, 3, -3, -3, 0, -1}};
  const SampleInput x = {.shape = {4, 5}, .low = -9, .high = 9};
  return {{"i32", {a, b}},
          {"i32 fmod", {a, b}, {{"fmod", std::int64_t(1)}}},
          {"f32", {x, {.shape = {5}, .low = 1, .high = 3}}},
          {"f32 fmod", {x, {.shape = {}, .values = {-2.5}}}, {{"fmod", std::int64_t(1)}}}};
}

constexpr OnnxRule kOnnx[] = {{"Mod"}};
constexpr TfliteRule kTflite[] = {{"FLOOR_MOD"}};

}  // namespace

extern const OpDef def = {
    .name = "Mod",
    .min_inputs = 2,
    .max_inputs = 2,
    .parse = parser<Params, parse>,
    .params_bytes = sizeof(Params),
    .infer = infer,
    .reference = reference,
    .in_place = 0b11,
};
extern const OpTools tools = {
    .onnx = kOnnx, .tflite = kTflite, .samples = samples, .commute = Commute::kElementwise};

}  // namespace polder::ops::mod
