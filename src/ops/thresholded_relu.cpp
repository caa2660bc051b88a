// ThresholdedRelu: x where it is above alpha, 0 elsewhere.
#include "ops/tools.h"
#include "ops/unary.h"

namespace polder::ops::thresholded_relu {
namespace {

struct Params {
  double alpha;
};

void parse(AttrReader& attrs, Params& p) { p.alpha = attrs.real("alpha", 1); }

struct Function {
  template <class T>
  static double apply(T x, const void* params) {
    const double alpha = static_cast<const Params*>(params)->alpha;
    return double(x) > alpha ? double(x) : 0;
  }
};

Status vector(const RunContext& run) {
  const Params& p = run.as<Params>();
  return run_vector_unary(run, {kernel::Unary::kThresholded, float(p.alpha), 0});
}

std::vector<Sample> samples() {
  return {{"odd count", {{.shape = {3, 7, 5}, .low = -2, .high = 2}}, {{"alpha", 0.5}}}};
}

constexpr OnnxRule kOnnx[] = {{"ThresholdedRelu"}};

}  // namespace

extern const OpDef def = {
    .name = "ThresholdedRelu",
    .parse = parser<Params, parse>,
    .params_bytes = sizeof(Params),
    .infer = infer_float,
    .reference = reference_unary<Function>,
    .choose = choose_f32<vector>,
    .in_place = 0b1,
};
extern const OpTools tools = {.onnx = kOnnx, .samples = samples, .commute = Commute::kElementwise};

}  // namespace polder::ops::thresholded_relu
