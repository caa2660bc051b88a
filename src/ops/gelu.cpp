// Gelu: x * P(X <= x) for a standard normal X, exact or (attribute "approximate" = "tanh") by tanh.
#include "ops/tools.h"
#include "ops/unary.h"

namespace polder::ops::gelu {
namespace {

struct Params {
  bool by_tanh;
};

void parse(AttrReader& attrs, Params& p) {
  static constexpr std::string_view kNames[] = {"none", "tanh"};
  p.by_tanh = attrs.choice("approximate", kNames, 0) == 1;
}

struct Function {
  template <class T>
  static double apply(T in, const void* params) {
    const double x = double(in);
    if (!static_cast<const Params*>(params)->by_tanh) return x * (1 + std::erf(x * M_SQRT1_2)) / 2;
    return x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x))) / 2;
  }
};

Status vector(const RunContext& run) {
  const bool by_tanh = run.as<Params>().by_tanh;
  return run_vector_unary(run, {by_tanh ? kernel::Unary::kGeluTanh : kernel::Unary::kGelu, 0, 0});
}

std::vector<Sample> samples() {
  const SampleInput x = {.shape = {3, 7, 5}, .low = -4, .high = 4};
  return {{"exact", {x}}, {"tanh", {x}, {{"approximate", "tanh"}}}};
}

Status from_tflite(ImportContext& node) {
  const bool by_tanh = node.attrs.integer("approximate", 0) != 0;
  return node.finish("Gelu", node.inputs, {{"approximate", by_tanh ? "tanh" : "none"}});
}

constexpr OnnxRule kOnnx[] = {{"Gelu"}, {"Gelu", nullptr, "com.microsoft"}};
constexpr TfliteRule kTflite[] = {{"GELU", from_tflite}};

}  // namespace

extern const OpDef def = {
    .name = "Gelu",
    .parse = parser<Params, parse>,
    .params_bytes = sizeof(Params),
    .infer = infer_float,
    .reference = reference_unary<Function>,
    .choose = choose_f32<vector>,
    .in_place = 0b1,
};
extern const OpTools tools = {
    .onnx = kOnnx, .tflite = kTflite, .samples = samples, .commute = Commute::kElementwise};

}  // namespace polder::ops::gelu
