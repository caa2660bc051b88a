// Elu: x, or alpha * (e^x - 1) where x < 0.
#include "ops/tools.h"
#include "ops/unary.h"

namespace polder::ops::elu {
namespace {

struct Params {
  double alpha;
};

void parse(AttrReader& attrs, Params& p) { p.alpha = attrs.real("alpha", 1); }

struct Function {
  template <class T>
  static double apply(T x, const void* params) {
    const double alpha = static_cast<const Params*>(params)->alpha;
    return double(x) < 0 ? alpha * std::expm1(double(x)) : double(x);
  }
};

Status vector(const RunContext& run) {
  const Params& p = run.as<Params>();
  return run_vector_unary(run, {kernel::Unary::kElu, float(p.alpha), 0});
}

std::vector<Sample> samples() {
  return {{"odd count", {{.shape = {3, 7, 5}, .low = -2, .high = 2}}, {{"alpha", 2.0}}}};
}

constexpr OnnxRule kOnnx[] = {{"Elu"}};
constexpr TfliteRule kTflite[] = {{"ELU"}};

}  // namespace

extern const OpDef def = {
    .name = "Elu",
    .parse = parser<Params, parse>,
    .params_bytes = sizeof(Params),
    .infer = infer_float,
    .reference = reference_unary<Function>,
    .choose = choose_f32<vector>,
    .in_place = 0b1,
};
extern const OpTools tools = {
    .onnx = kOnnx, .tflite = kTflite, .samples = samples, .commute = Commute::kElementwise};

}  // namespace polder::ops::elu
