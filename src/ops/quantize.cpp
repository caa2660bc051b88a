// Quantize: round(x / scale) + zero point, held in the range of the zero point's type (u8 without
// one); halves round to even. One scale, or one for each place along attribute "axis".
#include "ops/cast.h"
#include "ops/import_integer.h"
#include "ops/quantization.h"
#include "ops/rules.h"
#include "ops/types.h"

namespace polder::ops::quantize {
namespace {

Status infer(InferContext& context) {
  TRY(context.expect_type(0, {DataType::kF32, DataType::kI32}));
  TRY(check_scales(context));
  DataType type = DataType::kU8;
  if (context.has(2)) {
    TRY(context.expect_type(2, {DataType::kI8, DataType::kU8, DataType::kI16, DataType::kU16}));
    type = context.type(2);
  }
  context.output(0, type, context.dims(0));
  return {};
}

Status reference(const RunContext& run) {
  const TensorView &in = run.in(0), &scales = run.in(1);
  const AxisSplit split = split_by_scale(run);
  dispatch(run.out(0).type, [&]<class T>() {
    T* out = run.out(0).as<T>();
    std::int64_t at = 0;
    for (std::int64_t o = 0; o < split.outer; ++o) {
      for (std::int64_t j = 0; j < split.n; ++j) {
        const float scale = scales.as<float>()[j];
        const double zero = run.has(2) ? double(run.in(2).as<T>()[j]) : 0;
        for (std::int64_t i = 0; i < split.inner; ++i, ++at) {
          const float x =
              in.type == DataType::kF32 ? in.as<float>()[at] : float(in.as<std::int32_t>()[at]);
          out[at] = saturate<T>(double(std::nearbyint(x / scale)) + zero);
        }
      }
    }
  });
  return {};
}

// From f32, or from another quantised type by way of f32.
Status from_tflite(ImportContext& node) {
  const ValueId scale = node.tensor("scale");
  if (scale == kNoValue) return fail(Code::kInvalid, "the output has no quantisation");
  if (node.value(node.in(0)).type != DataType::kF32) {
    return fail(Code::kUnsupported, "requantisation from {}",
                type_name(node.value(node.in(0)).type));
  }
  return node.finish("Quantize", {node.in(0), scale, node.tensor("zero_point")},
                     {{"axis", node.attrs.integer("axis", 0)}});
}

std::vector<Sample> samples() {
  const SampleInput x = {.shape = {2, 3, 4}, .low = -20, .high = 20};
  return {{"per tensor", {x, {.shape = {}, .values = {0.5}}, {DataType::kI8, {}, {-3}}}},
          {"no zero point", {x, {.shape = {1}, .values = {0.1}}}},
          {"halves",
           {{.shape = {5}, .values = {-1.5, -0.5, 0.5, 1.5, 1000}},
            {.shape = {}, .values = {1}},
            {DataType::kU8, {}, {128}}}},
          {"per axis",
           {x, {.shape = {4}, .values = {0.5, 0.1, 2, 1}}, {DataType::kI16, {4}, {1, 0, -7, 0}}},
           {{"axis", std::int64_t(-1)}},
           {},
           Known::kShapes}};
}

constexpr OnnxRule kOnnx[] = {{"QuantizeLinear"},
                              {"DynamicQuantizeLinear", import_dynamic_quantize}};
constexpr TfliteRule kTflite[] = {{"QUANTIZE", from_tflite}};

}  // namespace

extern const OpDef def = {
    .name = "Quantize",
    .min_inputs = 2,
    .max_inputs = 3,
    .parse = parser<QuantizationParams, parse_quantization>,
    .params_bytes = sizeof(QuantizationParams),
    .infer = infer,
    .reference = reference,
};
extern const OpTools tools = {
    .onnx = kOnnx, .tflite = kTflite, .samples = samples, .commute = Commute::kAxis};

}  // namespace polder::ops::quantize
