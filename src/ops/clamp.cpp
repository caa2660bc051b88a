// Clamp: min(max(x, min), max) with constant bounds: relu, relu6 and their kin.
#include "ops/cast.h"
#include "ops/tools.h"
#include "ops/unary.h"

namespace polder::ops::clamp {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

struct Params {
  double min, max;
};

void parse(AttrReader& attrs, Params& p) {
  p.min = attrs.real("min", -kInf);
  p.max = attrs.real("max", kInf);
}

Status reference(const RunContext& run) {
  const Params& p = run.as<Params>();
  const std::int64_t count = run.out(0).shape.elements();
  dispatch(run.in(0).type, [&]<class T>() {
    const T* in = run.in(0).as<T>();
    T* out = run.out(0).as<T>();
    // Integers between fractional bounds: the nearest ones inside.
    const bool real = std::is_floating_point_v<T>;
    const T low = saturate<T>(real ? p.min : std::ceil(p.min));
    const T high = saturate<T>(real ? p.max : std::floor(p.max));
    for (std::int64_t i = 0; i < count; ++i) {
      const T x = in[i] < low ? low : in[i];
      out[i] = x > high ? high : x;
    }
  });
  return {};
}

Status vector(const RunContext& run) {
  const Params& p = run.as<Params>();
  return run_vector_unary(run, {kernel::Unary::kClamp, float(p.min), float(p.max)});
}

template <int min, int max>
Status clamp_to(ImportContext& node) {
  return node.finish("Clamp", node.inputs, {{"min", double(min)}, {"max", double(max)}});
}
Status relu(ImportContext& node) { return node.finish("Clamp", node.inputs, {{"min", 0.0}}); }

std::vector<Sample> samples() {
  return {{"relu", {{.shape = {3, 7, 5}}}, {{"min", 0.0}}},
          {"relu6", {{.shape = {2, 33}, .low = -9, .high = 9}}, {{"min", 0.0}, {"max", 6.0}}},
          {"crossed", {{.shape = {5}}}, {{"min", 0.5}, {"max", -0.5}}},
          {"i8", {{DataType::kI8, {9}, {}, false, -128, 127}}, {{"min", -10.5}, {"max", 20.5}}},
          {"u64", {{DataType::kU64, {9}, {}, false, 0, 99}}, {{"max", 20.0}}}};
}

constexpr OnnxRule kOnnx[] = {{"Relu", relu}};
constexpr TfliteRule kTflite[] = {{"RELU", relu},
                                  {"RELU6", clamp_to<0, 6>},
                                  {"RELU_N1_TO_1", clamp_to<-1, 1>},
                                  {"RELU_0_TO_1", clamp_to<0, 1>}};

}  // namespace

extern const OpDef def = {
    .name = "Clamp",
    .parse = parser<Params, parse>,
    .params_bytes = sizeof(Params),
    .infer = infer_numeric,
    .reference = reference,
    .choose = choose_f32<vector>,
    .in_place = 0b1,
};
extern const OpTools tools = {
    .onnx = kOnnx, .tflite = kTflite, .samples = samples, .commute = Commute::kElementwise};

}  // namespace polder::ops::clamp
