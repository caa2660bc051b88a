// Dequantize: (x - zero point) * scale in f32, with one scale for the tensor or one for each place
// along attribute "axis". Inputs: x, scale, zero point of x's type (absent: 0).
#include "ops/quantization.h"
#include "ops/rules.h"
#include "ops/types.h"

namespace polder::ops::dequantize {
namespace {

Status infer(InferContext& context) {
  TRY(context.expect_type(
      0, {DataType::kI8, DataType::kU8, DataType::kI16, DataType::kU16, DataType::kI32}));
  TRY(check_scales(context));
  if (context.has(2)) TRY(context.expect_type(2, {context.type(0)}));
  context.output(0, DataType::kF32, context.dims(0));
  return {};
}

Status reference(const RunContext& run) {
  const TensorView &in = run.in(0), &scales = run.in(1);
  const AxisSplit split = split_by_scale(run);
  dispatch(in.type, [&]<class T>() {
    const T* x = in.as<T>();
    float* out = run.out(0).as<float>();
    for (std::int64_t o = 0; o < split.outer; ++o) {
      for (std::int64_t j = 0; j < split.n; ++j, x += split.inner, out += split.inner) {
        const float scale = scales.as<float>()[j];
        const std::int64_t zero = run.has(2) ? std::int64_t(run.in(2).as<T>()[j]) : 0;
        for (std::int64_t i = 0; i < split.inner; ++i) {
          out[i] = float(std::int64_t(x[i]) - zero) * scale;
        }
      }
    }
  });
  return {};
}

Status from_tflite(ImportContext& node) {
  if (node.value(node.in(0)).type == DataType::kF16) {
    return finish_cast(node, node.in(0), DataType::kF32);
  }
  const ValueId scale = node.tensor("scale");
  if (scale == kNoValue) return fail(Code::kInvalid, "the input has no quantisation");
  return node.finish("Dequantize", {node.in(0), scale, node.tensor("zero_point")},
                     {{"axis", node.attrs.integer("axis", 0)}});
}

std::vector<Sample> samples() {
  const SampleInput x = {DataType::kI8, {2, 3, 4}, {}, false, -128, 127};
  return {
      {"per tensor", {x, {.shape = {}, .values = {0.5}}, {DataType::kI8, {}, {-3}}}},
      {"no zero point", {{DataType::kU8, {5}, {}, false, 0, 255}, {.shape = {1}, .values = {0.1}}}},
      {"per axis",
       {x, {.shape = {3}, .values = {0.5, 0.1, 2}}, {DataType::kI8, {3}, {1, 0, -7}}},
       {{"axis", std::int64_t(1)}},
       {},
       Known::kShapes}};
}

constexpr OnnxRule kOnnx[] = {{"DequantizeLinear"}};
constexpr TfliteRule kTflite[] = {{"DEQUANTIZE", from_tflite}};

}  // namespace

extern const OpDef def = {
    .name = "Dequantize",
    .min_inputs = 2,
    .max_inputs = 3,
    .parse = parser<QuantizationParams, parse_quantization>,
    .params_bytes = sizeof(QuantizationParams),
    .infer = infer,
    .reference = reference,
};
extern const OpTools tools = {
    .onnx = kOnnx, .tflite = kTflite, .samples = samples, .commute = Commute::kAxis};

}  // namespace polder::ops::dequantize
