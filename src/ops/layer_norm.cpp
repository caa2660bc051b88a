// LayerNorm: (x - mean) / sqrt(variance + epsilon) * scale + bias over all dimensions from
// attribute "axis" on. Further outputs: the mean and 1 / sqrt(variance + epsilon). ONNX's
// GroupNormalization is one of these, too.
#include <cmath>

#include "kernel/table.h"
#include "ops/axes.h"
#include "ops/tools.h"
#include "ops/types.h"

namespace polder::ops::layer_norm {
namespace {

struct Params {
  std::int64_t axis;
  double epsilon;
};

void parse(AttrReader& attrs, Params& p) {
  p.axis = attrs.integer("axis", -1, -kMaxRank, kMaxRank - 1);
  p.epsilon = attrs.real("epsilon", 1e-5, 0);
  attrs.integer("stash_type", 1, 1, 1);
}

Status infer(InferContext& context) {
  TRY(context.expect_type(0, {DataType::kF32, DataType::kF64}));
  TRY(context.expect_rank(0, 1, kMaxRank));
  const Dims& x = context.dims(0);
  TRY_VALUE(const int axis, normal_axis(context.params<Params>().axis, x.rank()));
  Dims statistics = x;
  for (int i = axis; i < x.rank(); ++i) statistics[i] = 1;
  for (int input = 1; input < context.input_count(); ++input) {
    if (!context.has(input)) continue;
    TRY(context.expect_type(input, {context.type(0)}));
    TRY(context.expect_rank(input, x.rank() - axis, x.rank() - axis));
    for (int i = axis; i < x.rank(); ++i) {
      const Dim& dim = context.dims(input)[i - axis];
      if (x[i].known() && dim.known() && !(x[i] == dim)) {
        return fail(Code::kInvalid, "input {} is {}; the last dimensions of {} expected", input,
                    context.dims(input).text(), x.text());
      }
    }
  }
  context.output(0, context.type(0), x);
  context.output(1, DataType::kF32, statistics);
  context.output(2, DataType::kF32, statistics);
  return {};
}

// An output that the node does not have, or nobody reads, has no memory.
float* optional_output(const RunContext& run, std::size_t i) {
  return i < run.outputs.size() ? run.outputs[i].as<float>() : nullptr;
}

// Rows to normalise, and their length.
AxisSplit rows_of(const RunContext& run) {
  const Shape& shape = run.in(0).shape;
  AxisSplit split;
  const int axis = *normal_axis(run.as<Params>().axis, shape.rank());
  for (int i = 0; i < shape.rank(); ++i) (i < axis ? split.outer : split.n) *= shape[i];
  return split;
}

template <class T>
void normalise(const RunContext& run, const AxisSplit& rows) {
  const double epsilon = run.as<Params>().epsilon;
  const T* scale = run.has(1) ? run.in(1).as<T>() : nullptr;
  const T* bias = run.has(2) ? run.in(2).as<T>() : nullptr;
  for (std::int64_t r = 0; r < rows.outer; ++r) {
    const T* x = run.in(0).as<T>() + r * rows.n;
    T* y = run.out(0).as<T>() + r * rows.n;
    double mean = 0, variance = 0;
    for (std::int64_t i = 0; i < rows.n; ++i) mean += double(x[i]);
    mean /= double(rows.n);
    for (std::int64_t i = 0; i < rows.n; ++i) {
      variance += (double(x[i]) - mean) * (double(x[i]) - mean);
    }
    const double inverse = 1 / std::sqrt(variance / double(rows.n) + epsilon);
    for (std::int64_t i = 0; i < rows.n; ++i) {
      const double z = (double(x[i]) - mean) * inverse;
      y[i] = T(z * (scale ? double(scale[i]) : 1) + (bias ? double(bias[i]) : 0));
    }
    if (float* means = optional_output(run, 1)) means[r] = float(mean);
    if (float* inverses = optional_output(run, 2)) inverses[r] = float(inverse);
  }
}

Status reference(const RunContext& run) {
  const AxisSplit rows = rows_of(run);
  if (run.in(0).type == DataType::kF32) normalise<float>(run, rows);
  else normalise<double>(run, rows);
  return {};
}

Status vector(const RunContext& run) {
  const AxisSplit rows = rows_of(run);
  if (rows.outer == 0 || rows.n == 0) return {};
  kernel::LayerNormArgs args;
  args.in = run.in(0).as<float>();
  args.out = run.out(0).as<float>();
  args.gamma = run.has(1) ? run.in(1).as<float>() : nullptr;
  args.beta = run.has(2) ? run.in(2).as<float>() : nullptr;
  args.mean = optional_output(run, 1);
  args.inverse_deviation = optional_output(run, 2);
  args.rows = rows.outer;
  args.n = rows.n;
  args.epsilon = float(run.as<Params>().epsilon);
  kernel::run(run.parallel, run.kernels.layer_norm, args);
  return {};
}

Choice choose(const NodeInfo& node) {
  if (node.in(0).type != DataType::kF32) return {};
  return {.kernel = vector, .name = "vector"};
}

std::vector<Sample> samples() {
  return {{"all outputs",
           {{.shape = {3, 4, 17}}, {.shape = {17}}, {.shape = {17}}},
           {},
           {{3, 4, 17}, {3, 4, 1}, {3, 4, 1}}},
          {"two axes",
           {{.shape = {3, 4, 5}}, {.shape = {4, 5}}},
           {{"axis", std::int64_t(1)}, {"epsilon", 0.1}}},
          {"f64", {{DataType::kF64, {2, 9}}, {DataType::kF64, {9}}}}};
}

// Whether input `i` has the very dimensions that are normalised; ONNX lets it broadcast to x.
bool is_full(const ImportContext& node, int i, int axis) {
  if (!node.has(i)) return true;
  const Dims &x = node.value(node.in(0)).dims, &own = node.value(node.in(i)).dims;
  if (own.rank() != x.rank() - axis) return false;
  for (int k = 0; k < own.rank(); ++k) {
    if (own[k].is(1) && !x[axis + k].is(1)) return false;
  }
  return true;
}

// Makes output 0: y * scale + bias, of which either may be absent. Both broadcast to y, never y to
// them.
Status finish_scaled(ImportContext& node, ValueId y, ValueId scale, ValueId bias) {
  const Dims dims = node.value(y).dims;
  for (const ValueId id : {scale, bias}) {
    if (id == kNoValue) continue;
    const Dims& own = node.value(id).dims;
    bool fits = own.rank() <= dims.rank();
    for (int k = 1; fits && k <= own.rank(); ++k)
      fits = !own[own.rank() - k].known() || own[own.rank() - k].bound <= 1 ||
             !dims[dims.rank() - k].is(1);
    if (!fits)
      return fail(Code::kInvalid, "a scale or bias {} does not broadcast to {}", own.text(),
                  dims.text());
  }
  node.outputs.resize(1);
  if (bias == kNoValue) return node.finish("Mul", {y, scale});
  if (scale != kNoValue) {
    TRY_VALUE(y, node.emit("Mul", {y, scale}));
  }
  return node.finish("Add", {y, bias});
}

Status from_onnx(ImportContext& node) {
  TRY_VALUE(const int axis, normal_axis(node.attrs.integer("axis", -1), node.rank(0)));
  if (is_full(node, 1, axis) && is_full(node, 2, axis))
    return node.finish("LayerNorm", node.inputs, node.attrs);
  std::vector<ValueId> outputs = node.outputs;
  const ValueId y = node.graph.add_value(node.node_name + "/normalised");
  outputs[0] = y;
  TRY(node.finish("LayerNorm", {node.in(0)}, node.attrs, outputs));
  return finish_scaled(node, y, node.in(1), node.in(2));
}

// Input `i` as [channels, 1, ...]. It has an element for each channel; before operator set 21 one
// for each group.
Result<ValueId> for_each_channel(ImportContext& node, int i, std::int64_t groups) {
  const std::int64_t channels = node.value(node.in(0)).dims[1].bound;
  const std::int64_t expected = node.version < 21 ? groups : channels;
  const Dims& dims = node.value(node.in(i)).dims;
  if (dims.rank() != 1 || !dims[0].is(expected))
    return fail(Code::kInvalid, "input {} is {}; [{}] expected", i, dims.text(), expected);
  TRY_VALUE(ValueId v, node.emit("Reshape", {node.in(i), node.ints({expected, 1})}));
  TRY_VALUE(v, node.emit("Expand", {v, node.ints({expected, channels / expected})}));
  std::vector<std::int64_t> shape(std::size_t(node.rank(0) - 1), 1);
  shape[0] = channels;
  return node.emit("Reshape", {v, node.ints(shape)});
}

// GroupNormalization of [N, C, ...]: LayerNorm of [N, groups, the rest].
Status from_onnx_group(ImportContext& node) {
  if (!node.has(1) || !node.has(2)) return fail(Code::kInvalid, "a scale and a bias expected");
  if (node.rank(0) < 2)
    return fail(Code::kInvalid, "input 0 has rank {}; at least 2 expected", node.rank(0));
  const Dim channels = node.value(node.in(0)).dims[1];
  const std::int64_t groups = node.attrs.integer("num_groups", 0);
  if (!channels.known() || groups < 1 || channels.bound < 1 || channels.bound % groups != 0)
    return fail(Code::kInvalid,
                "attribute 'num_groups' is {}; a divisor of the channels of {} expected", groups,
                node.value(node.in(0)).dims.text());
  TRY_VALUE(const ValueId scale, for_each_channel(node, 1, groups));
  TRY_VALUE(const ValueId bias, for_each_channel(node, 2, groups));
  TRY_VALUE(const ValueId shape, node.emit("Shape", {node.in(0)}));
  TRY_VALUE(ValueId y, node.emit("Reshape", {node.in(0), node.ints({0, groups, -1})}));
  Attrs attrs = {{"epsilon", node.attrs.real("epsilon", 1e-5)},
                 {"stash_type", node.attrs.integer("stash_type", 1)}};
  TRY_VALUE(y, node.emit("LayerNorm", {y}, std::move(attrs)));
  TRY_VALUE(y, node.emit("Reshape", {y, shape}));
  return finish_scaled(node, y, scale, bias);
}

constexpr OnnxRule kOnnx[] = {{"LayerNormalization", from_onnx},
                              {"GroupNormalization", from_onnx_group}};

}  // namespace

extern const OpDef def = {
    .name = "LayerNorm",
    .min_inputs = 1,
    .max_inputs = 3,
    .max_outputs = 3,
    .parse = parser<Params, parse>,
    .params_bytes = sizeof(Params),
    .infer = infer,
    .reference = reference,
    .choose = choose,
    .in_place = 0b1,
    .optional_outputs = 0b110,
};
extern const OpTools tools = {.onnx = kOnnx, .samples = samples};

}  // namespace polder::ops::layer_norm
