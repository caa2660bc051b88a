// Quantize: round(x / scale) + zero point, held in the range of the zero point's type (u8 without
// one); halves round to even. One scale, or one for each place along attribute "axis".
#include "ops/axes.h"
#include "ops/cast.h"
#include "ops/import_integer.h"
#include "ops/rules.h"
#include "ops/types.h"

namespace polder::ops::quantize {
namespace {

struct Params {
  std::int64_t axis;
};

void parse(AttrReader& attrs, Params& p) {
  p.axis = attrs.integer("axis", 1, -kMaxRank, kMaxRank - 1);
}

Status infer(InferContext& context) {
  TRY(context.expect_type(0, {DataType::kF32, DataType::kI32}));
  TRY(context.expect_type(1, {DataType::kF32}));
  TRY(context.expect_rank(1, 0, 1));
  DataType type = DataType::kU8;
  if (context.has(2)) {
    TRY(context.expect_type(2, {DataType::kI8, DataType::kU8, DataType::kI16, DataType::kU16}));
    TRY(context.expect_rank(2, 0, 1));
    type = context.type(2);
  }
  const Dims &x = context.dims(0), &scale = context.dims(1);
  const Dims& zero = context.has(2) ? context.dims(2) : scale;
  if (!scale.known() || zero.max_elements() != scale.max_elements()) {
    return fail(Code::kInvalid, "scale {} and zero point {} differ", scale.text(), zero.text());
  }
  if (scale.max_elements() != 1) {
    TRY_VALUE(const int axis, normal_axis(context.params<Params>().axis, x.rank()));
    if (x.rank() == 0 || (x[axis].known() && !(x[axis] == scale[0]))) {
      return fail(Code::kInvalid, "{} scales along axis {} of {}", scale[0].bound, axis, x.text());
    }
  }
  context.output(0, type, x);
  return {};
}

Status reference(const RunContext& run) {
  const TensorView &in = run.in(0), &scales = run.in(1);
  const bool one = scales.shape.elements() == 1;
  const int axis = one ? -1 : *normal_axis(run.as<Params>().axis, in.shape.rank());
  const AxisSplit split = split_at(in.shape, axis);  // axis -1: all in `inner`
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
           {{"axis", std::int64_t(-1)}}}};
}

constexpr OnnxRule kOnnx[] = {{"QuantizeLinear"},
                              {"DynamicQuantizeLinear", import_dynamic_quantize}};
constexpr TfliteRule kTflite[] = {{"QUANTIZE", from_tflite}};

}  // namespace

extern const OpDef def = {
    .name = "Quantize",
    .min_inputs = 2,
    .max_inputs = 3,
    .parse = parser<Params, parse>,
    .params_bytes = sizeof(Params),
    .infer = infer,
    .reference = reference,
};
extern const OpTools tools = {
    .onnx = kOnnx, .tflite = kTflite, .samples = samples, .commute = Commute::kAxis};

}  // namespace polder::ops::quantize
