// Shrink: x moved by "bias" towards 0 where it lies beyond "lambd" on either side, 0 elsewhere.
#include "ops/cast.h"
#include "ops/tools.h"
#include "ops/unary.h"

namespace polder::ops::shrink {
namespace {

struct Params {
  double bias, lambd;
};

void parse(AttrReader& attrs, Params& p) {
  p.bias = attrs.real("bias", 0);
  p.lambd = attrs.real("lambd", 0.5);
}

struct Function {
  template <class T>
  static T apply(T x, const void* params) {
    const Params& p = *static_cast<const Params*>(params);
    const double value = double(x);
    return saturate<T>(value < -p.lambd ? value + p.bias : value > p.lambd ? value - p.bias : 0);
  }
};

std::vector<Sample> samples() {
  const SampleInput x = {.shape = {3, 7}, .low = -3, .high = 3};
  return {{"hard", {x}, {{"lambd", 1.5}}}, {"soft", {x}, {{"lambd", 1.5}, {"bias", 1.5}}}};
}

constexpr OnnxRule kOnnx[] = {{"Shrink"}};

}  // namespace

extern const OpDef def = {
    .name = "Shrink",
    .parse = parser<Params, parse>,
    .params_bytes = sizeof(Params),
    .infer = infer_numeric,
    .reference = reference_unary<Function>,
    .in_place = 0b1,
};
extern const OpTools tools = {.onnx = kOnnx, .samples = samples, .commute = Commute::kElementwise};

}  // namespace polder::ops::shrink
