// Clip: min(max(x, min), max) with bounds that only a run knows: inputs 1 and 2, each optional.
// Where they are constant the import makes a Clamp.
#include <limits>

#include "ops/rules.h"
#include "ops/unary.h"

namespace polder::ops::clip {
namespace {

Status infer(InferContext& context) {
  TRY(infer_numeric(context));
  for (int i = 1; i < 3; ++i) {
    if (!context.has(i)) continue;
    TRY(context.expect_type(i, {context.type(0)}));
    if (context.dims(i).known() && context.dims(i).max_elements() != 1) {
      return fail(Code::kInvalid, "input {} is {}; one number expected", i, context.dims(i).text());
    }
  }
  return {};
}

Status reference(const RunContext& run) {
  const std::int64_t count = run.out(0).shape.elements();
  dispatch(run.in(0).type, [&]<class T>() {
    const T* in = run.in(0).as<T>();
    T* out = run.out(0).as<T>();
    for (std::int64_t i = 0; i < count; ++i) {
      T x = in[i];
      if (run.has(1) && x < *run.in(1).as<T>()) x = *run.in(1).as<T>();
      if (run.has(2) && x > *run.in(2).as<T>()) x = *run.in(2).as<T>();
      out[i] = x;
    }
  });
  return {};
}

Status vector(const RunContext& run) {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  return run_vector_unary(run, {kernel::Unary::kClamp, run.has(1) ? *run.in(1).as<float>() : -kInf,
                                run.has(2) ? *run.in(2).as<float>() : kInf});
}

// Attributes before opset 11, then inputs.
Status from_onnx(ImportContext& node) {
  Attrs attrs;
  for (const auto& [i, name] : {std::pair(1, "min"), std::pair(2, "max")}) {
    if (node.attrs.has(name)) attrs.set(name, node.attrs.real(name, 0));
    if (!node.has(i)) continue;
    const Value& bound = node.value(node.in(i));
    // 64-bit integers do not fit an attribute.
    if (!bound.is_constant() || size_of(bound.type) == 8) return node.finish("Clip", node.inputs);
    TRY_VALUE(const double x, constant_real(node, i));
    attrs.set(name, x);
  }
  return node.finish("Clamp", {node.in(0)}, std::move(attrs));
}

std::vector<Sample> samples() {
  const SampleInput x = {.shape = {3, 17}};
  const auto bound = [](double value) { return SampleInput{.shape = {}, .values = {value}}; };
  return {{"both", {x, bound(-0.5), bound(0.25)}},
          {"max", {x, {DataType::kNone}, bound(0.25)}},
          {"none", {x}},
          {"i64", {{DataType::kI64, {5}, {}, false, -9, 9}, {DataType::kI64, {}, {-2}}}}};
}

constexpr OnnxRule kOnnx[] = {{"Clip", from_onnx}};

}  // namespace

extern const OpDef def = {
    .name = "Clip",
    .max_inputs = 3,
    .parse = parser<NoParams, no_attributes>,
    .infer = infer,
    .reference = reference,
    .choose = choose_f32<vector>,
    .in_place = 0b1,
};
extern const OpTools tools = {.onnx = kOnnx, .samples = samples};

}  // namespace polder::ops::clip
