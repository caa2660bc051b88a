// Linear: x [..., K] times weights [O, K], transposed: [..., O]; optional bias [O] and residual;
// fused epilogue (ops/fused.h).
#include <algorithm>

#include "kernel/table.h"
#include "ops/fused.h"
#include "ops/pack.h"
#include "ops/tools.h"
#include "ops/window.h"

namespace polder::ops::linear {
namespace {

enum : int { kX, kWeights, kBias, kResidual };

void parse(AttrReader& attrs, Fused& p) { parse_fused(attrs, p); }

Status infer(InferContext& context) {
  TRY(context.expect_type(kX, {DataType::kF32, DataType::kF64}));
  TRY(context.expect_type(kWeights, {context.type(kX)}));
  TRY(context.expect_rank(kX, 1, kMaxRank));
  TRY(context.expect_rank(kWeights, 2, 2));
  const Dims& x = context.dims(kX);
  const Dims& w = context.dims(kWeights);
  const Dim& depth = x[x.rank() - 1];
  if (depth.known() && w[1].known() && depth.bound != w[1].bound) {
    return fail(Code::kInvalid, "input {} ends in {}; weights {} expect {}", x.text(), depth.bound,
                w.text(), w[1].bound);
  }
  Dims out = x;
  out[x.rank() - 1] = w[0];
  TRY(check_bias(context, kBias, w[0]));
  TRY(check_residual(context, kResidual, out));
  context.output(0, context.type(kX), out);
  return {};
}

template <class T>
void reference_of(const RunContext& run) {
  const Shape& weights = run.in(kWeights).shape;
  const std::int64_t n = weights[0], k = weights[1];
  const T* bias = run.has(kBias) ? run.in(kBias).as<T>() : nullptr;
  const T* residual = run.has(kResidual) ? run.in(kResidual).as<T>() : nullptr;
  T* out = run.out(0).as<T>();
  const std::int64_t count = run.out(0).shape.elements();
  for (std::int64_t i = 0; i < count; ++i) {
    const T* x = run.in(kX).as<T>() + i / n * k;
    const T* w = run.in(kWeights).as<T>() + i % n * k;
    double sum = bias ? double(bias[i % n]) : 0;
    for (std::int64_t p = 0; p < k; ++p) sum += double(x[p]) * double(w[p]);
    out[i] = T(finish_sum(run.as<Fused>(), sum, residual ? double(residual[i]) : 0));
  }
}

Status reference(const RunContext& run) {
  if (run.in(kX).type == DataType::kF64) reference_of<double>(run);
  else reference_of<float>(run);
  return {};
}

Status gemm(const RunContext& run) {
  const Shape& weights = run.in(kWeights).shape;
  const std::int64_t elements = run.out(0).shape.elements();
  if (elements == 0) return {};
  kernel::GemmArgs args;
  args.a = run.in(kX).as<float>();
  args.weights = run.in(kWeights).as<float>();
  args.c = run.out(0).as<float>();
  args.n = int(weights[0]);
  args.k = int(weights[1]);
  args.m = int(elements / weights[0]);
  args.a_stride = weights[1];
  args.c_stride = weights[0];
  args.epilogue = epilogue(run, run.as<Fused>(), kBias, kResidual, weights[0]);
  kernel::run(run.parallel, run.kernels.gemm, args);
  return {};
}

// For weights that only the run knows, read where they are.
Status matmul(const RunContext& run) {
  const Shape& weights = run.in(kWeights).shape;
  const std::int64_t elements = run.out(0).shape.elements();
  if (elements == 0) return {};
  kernel::MatMulArgs args;
  args.a = run.in(kX).as<float>();
  args.b = run.in(kWeights).as<float>();
  args.c = run.out(0).as<float>();
  args.n = int(weights[0]);
  args.k = int(weights[1]);
  args.m = int(elements / weights[0]);
  args.a_row_stride = weights[1];
  args.b_k_stride = 1;
  args.b_column_stride = weights[1];
  args.c_stride = weights[0];
  args.epilogue = epilogue(run, run.as<Fused>(), kBias, kResidual, weights[0]);
  kernel::run(run.parallel, run.kernels.matmul, args);
  return {};
}

Choice choose(const NodeInfo& node) {
  const Dims& w = node.in(kWeights).dims;
  // All rows are one matrix, whose height must be an int as well.
  Shape rows = node.in(kX).dims.bounds();
  rows[rows.rank() - 1] = 1;
  if (node.in(kX).type != DataType::kF32 || !fits_int(w) || !fits_int({rows.elements()})) return {};
  if (!node.in(kWeights).constant() || w.max_elements() == 0) {
    return {.kernel = matmul, .name = "matmul"};
  }
  Choice choice{.kernel = gemm, .name = "gemm"};
  choice.packing[kWeights] = {Layout::kPanels};
  return choice;
}

double macs(const NodeInfo& node) {
  return double(node.outputs[0].dims.max_elements()) * double(node.in(kWeights).dims[1].bound);
}

// --- Model formats ---

// The factor times the value; the value itself when the factor is 1.
Result<ValueId> scaled(ImportContext& node, ValueId v, double factor) {
  if (factor == 1 || v == kNoValue) return v;
  if (node.value(v).type != DataType::kF32) {
    return fail(Code::kUnsupported, "alpha or beta with {}; f32 expected",
                type_name(node.value(v).type));
  }
  return node.emit("Mul", {v, node.scalar_f32(float(factor))});
}

// Gemm: alpha op(A) op(B) + beta C.
Status from_onnx_gemm(ImportContext& node) {
  constexpr std::int64_t kSwap[] = {1, 0};
  ValueId a = node.in(0), b = node.in(1), c = node.in(2);
  for (const ValueId v : {a, b}) {
    if (v == kNoValue || node.value(v).dims.rank() != 2)
      return fail(Code::kInvalid, "inputs 0 and 1 of Gemm must have rank 2");
  }
  const Attrs& attrs = node.attrs;
  if (attrs.integer("transA", 0)) {
    TRY_VALUE(a, node.transpose(a, kSwap));
  }
  if (!attrs.integer("transB", 0)) {
    TRY_VALUE(b, node.weights_to_outputs_first(b));
  }
  TRY_VALUE(b, scaled(node, b, attrs.real("alpha", 1)));
  const double beta = attrs.real("beta", 1);
  if (beta == 0) c = kNoValue;
  TRY_VALUE(c, scaled(node, c, beta));
  if (c == kNoValue) return node.finish("Linear", {a, b});
  const Dims& bias = node.value(c).dims;
  if (bias.rank() == 1 && bias[0] == node.value(b).dims[0]) return node.finish("Linear", {a, b, c});
  TRY_VALUE(const ValueId product, node.emit("Linear", {a, b}));
  return node.finish("Add", {product, c});
}

// FULLY_CONNECTED: without keep_num_dims, all but the last axis of the weights' depth is one batch.
Status from_tflite(ImportContext& node) {
  if (node.attrs.text("weights_format", "DEFAULT") != "DEFAULT") {
    return fail(Code::kUnsupported, "weights_format {}", node.attrs.text("weights_format", ""));
  }
  if (!node.has(0) || !node.has(1) || node.rank(1) != 2) {
    return fail(Code::kInvalid, "an input and weights of rank 2 expected");
  }
  ValueId x = node.in(0);
  const Dim depth = node.value(node.in(1)).dims[1];
  const Dims& dims = node.value(x).dims;
  const bool matrix = dims.rank() == 2 && dims[1] == depth;
  if (!node.attrs.integer("keep_num_dims", 0) && !matrix) {
    TRY_VALUE(x, node.emit("Reshape", {x, node.ints({-1, depth.bound})}));
  }
  return node.finish_tflite_fused("Linear", {x, node.in(1), node.in(2)});
}

std::vector<Sample> samples() {
  const auto fixed = [](Shape shape) { return SampleInput{.shape = shape, .constant = true}; };
  const SampleInput absent{.type = DataType::kNone};
  return {{"one row", {{.shape = {1, 67}}, fixed({35, 67}), fixed({35})}, {}, {{1, 35}}},
          {"rows, relu",
           {{.shape = {13, 32}}, fixed({48, 32}), fixed({48})},
           {{"activation", "clamp"}},
           {{13, 48}}},
          {"leading axes, residual, gelu",
           {{.shape = {2, 3, 20}}, fixed({17, 20}), fixed({17}), {.shape = {2, 3, 17}}},
           {{"activation", "gelu"}},
           {{2, 3, 17}}},
          {"no bias, tanh, then residual",
           {{.shape = {5, 9}}, fixed({4, 9}), absent, {.shape = {5, 4}}},
           {{"activation", "tanh"}, {"residual_after", std::int64_t(1)}},
           {{5, 4}}},
          {"a vector", {{.shape = {24}}, fixed({3, 24})}, {}, {{3}}},
          {"weights of the run",
           {{.shape = {7, 19}}, {.shape = {21, 19}}, {.shape = {21}}},
           {},
           {{7, 21}}},
          {"f64", {{DataType::kF64, {3, 5}}, {DataType::kF64, {2, 5}}}, {}, {{3, 2}}}};
}

constexpr OnnxRule kOnnx[] = {{"Gemm", from_onnx_gemm}};
constexpr TfliteRule kTflite[] = {{"FULLY_CONNECTED", from_tflite}};

}  // namespace

extern const OpDef def = {
    .name = "Linear",
    .min_inputs = 2,
    .max_inputs = 4,
    .parse = parser<Fused, parse>,
    .params_bytes = sizeof(Fused),
    .infer = infer,
    .reference = reference,
    .choose = choose,
    .in_place = 1u << kResidual,
};
extern const OpTools tools = {
    .onnx = kOnnx, .tflite = kTflite, .samples = samples, .packed_input = kWeights, .macs = macs};

}  // namespace polder::ops::linear
