// HardSigmoid: alpha * x + beta, held in 0..1.
#include "ops/tools.h"
#include "ops/unary.h"

namespace polder::ops::hard_sigmoid {
namespace {

struct Params {
  double alpha, beta;
};

void parse(AttrReader& attrs, Params& p) {
  p.alpha = attrs.real("alpha", 0.2);
  p.beta = attrs.real("beta", 0.5);
}

struct Function {
  template <class T>
  static double apply(T x, const void* params) {
    const Params& p = *static_cast<const Params*>(params);
    const double y = p.alpha * double(x) + p.beta;
    return y < 0 ? 0 : y > 1 ? 1 : y;
  }
};

Status vector(const RunContext& run) {
  const Params& p = run.as<Params>();
  return run_vector_unary(run, {kernel::Unary::kHardSigmoid, float(p.alpha), float(p.beta)});
}

std::vector<Sample> samples() {
  return {{"odd count", {{.shape = {3, 7, 5}, .low = -5, .high = 5}}}};
}

constexpr OnnxRule kOnnx[] = {{"HardSigmoid"}};

}  // namespace

extern const OpDef def = {
    .name = "HardSigmoid",
    .parse = parser<Params, parse>,
    .params_bytes = sizeof(Params),
    .infer = infer_float,
    .reference = reference_unary<Function>,
    .choose = choose_f32<vector>,
    .in_place = 0b1,
};
extern const OpTools tools = {.onnx = kOnnx, .samples = samples, .commute = Commute::kElementwise};

}  // namespace polder::ops::hard_sigmoid
