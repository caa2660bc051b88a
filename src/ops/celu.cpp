// Celu: x, or alpha * (e^(x / alpha) - 1) where x < 0.
#include "ops/tools.h"
#include "ops/unary.h"

namespace polder::ops::celu {
namespace {

struct Params {
  double alpha;
};

void parse(AttrReader& attrs, Params& p) {
  p.alpha = attrs.real("alpha", 1);
  if (p.alpha == 0) attrs.reject("attribute 'alpha' is 0");
}

struct Function {
  template <class T>
  static double apply(T x, const void* params) {
    const double alpha = static_cast<const Params*>(params)->alpha;
    return double(x) < 0 ? alpha * std::expm1(double(x) / alpha) : double(x);
  }
};

Status vector(const RunContext& run) {
  const Params& p = run.as<Params>();
  return run_vector_unary(run, {kernel::Unary::kCelu, float(p.alpha), 0});
}

std::vector<Sample> samples() {
  return {{"odd count", {{.shape = {3, 7, 5}, .low = -2, .high = 2}}, {{"alpha", 2.0}}}};
}

constexpr OnnxRule kOnnx[] = {{"Celu"}};

}  // namespace

extern const OpDef def = {
    .name = "Celu",
    .parse = parser<Params, parse>,
    .params_bytes = sizeof(Params),
    .infer = infer_float,
    .reference = reference_unary<Function>,
    .choose = choose_f32<vector>,
    .in_place = 0b1,
};
extern const OpTools tools = {.onnx = kOnnx, .samples = samples, .commute = Commute::kElementwise};

}  // namespace polder::ops::celu
