// Selu: gamma * x, or gamma * alpha * (e^x - 1) where x < 0.
#include "ops/tools.h"
#include "ops/unary.h"

namespace polder::ops::selu {
namespace {

struct Params {
  double alpha, gamma;
};

void parse(AttrReader& attrs, Params& p) {
  // The constants of self-normalising networks (Klambauer et al., 2017) in f32.
  p.alpha = attrs.real("alpha", 1.67326319217681884765625);
  p.gamma = attrs.real("gamma", 1.05070102214813232421875);
}

struct Function {
  template <class T>
  static double apply(T x, const void* params) {
    const Params& p = *static_cast<const Params*>(params);
    return p.gamma * (double(x) < 0 ? p.alpha * std::expm1(double(x)) : double(x));
  }
};

Status vector(const RunContext& run) {
  const Params& p = run.as<Params>();
  return run_vector_unary(run, {kernel::Unary::kSelu, float(p.alpha), float(p.gamma)});
}

std::vector<Sample> samples() {
  return {{"odd count", {{.shape = {3, 7, 5}, .low = -2, .high = 2}}}};
}

constexpr OnnxRule kOnnx[] = {{"Selu"}};

}  // namespace

extern const OpDef def = {
    .name = "Selu",
    .parse = parser<Params, parse>,
    .params_bytes = sizeof(Params),
    .infer = infer_float,
    .reference = reference_unary<Function>,
    .choose = choose_f32<vector>,
    .in_place = 0b1,
};
extern const OpTools tools = {.onnx = kOnnx, .samples = samples, .commute = Commute::kElementwise};

}  // namespace polder::ops::selu
