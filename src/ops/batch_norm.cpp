// BatchNorm at inference: (x - mean) / sqrt(variance + epsilon) * scale + bias, one of each for
// every place along attribute "axis". Inputs: x, scale, bias, mean, variance.
#include <algorithm>
#include <cmath>

#include "kernel/table.h"
#include "ops/axes.h"
#include "ops/tools.h"
#include "ops/types.h"

namespace polder::ops::batch_norm {
namespace {

struct Params {
  std::int64_t axis;
  double epsilon;
};

void parse(AttrReader& attrs, Params& p) {
  p.axis = attrs.integer("axis", 1, -kMaxRank, kMaxRank - 1);
  p.epsilon = attrs.real("epsilon", 1e-5, 0);
}

Status infer(InferContext& context) {
  TRY(context.expect_type(0, {DataType::kF32, DataType::kF64}));
  TRY(context.expect_rank(0, 1, kMaxRank));
  const Dims& x = context.dims(0);
  TRY_VALUE(const int axis, normal_axis(context.params<Params>().axis, x.rank()));
  for (int i = 1; i < 5; ++i) {
    TRY(context.expect_type(i, {context.type(0)}));
    TRY(context.expect_rank(i, 1, 1));
    const Dim &dim = context.dims(i)[0], &channels = x[axis];
    if (dim.known() && channels.known() && !(dim == channels)) {
      return fail(Code::kInvalid, "input {} has {} elements; {} channels expected", i, dim.bound,
                  channels.bound);
    }
  }
  context.output(0, context.type(0), x);
  return {};
}

// x * factor + shift does the same.
template <class T>
void factor_and_shift(const RunContext& run, std::int64_t c, T& factor, T& shift) {
  const double variance = double(run.in(4).as<T>()[c]) + run.as<Params>().epsilon;
  const double exact = double(run.in(1).as<T>()[c]) / std::sqrt(variance);
  factor = T(exact);
  shift = T(double(run.in(2).as<T>()[c]) - double(run.in(3).as<T>()[c]) * exact);
}

Status reference(const RunContext& run) {
  const Shape& shape = run.in(0).shape;
  const AxisSplit split = split_at(shape, *normal_axis(run.as<Params>().axis, shape.rank()));
  dispatch(run.in(0).type, [&]<class T>() {
    const T* x = run.in(0).as<T>();
    T* y = run.out(0).as<T>();
    for (std::int64_t o = 0; o < split.outer; ++o) {
      for (std::int64_t c = 0; c < split.n; ++c, x += split.inner, y += split.inner) {
        T factor, shift;
        factor_and_shift(run, c, factor, shift);
        for (std::int64_t i = 0; i < split.inner; ++i) y[i] = x[i] * factor + shift;
      }
    }
  });
  return {};
}

// Two broadcast steps; factors and shifts stand in the workspace.
Status vector(const RunContext& run) {
  const Shape& shape = run.in(0).shape;
  const AxisSplit split = split_at(shape, *normal_axis(run.as<Params>().axis, shape.rank()));
  float* factors = reinterpret_cast<float*>(run.workspace);
  float* shifts = factors + split.n;
  for (std::int64_t c = 0; c < split.n; ++c) factor_and_shift(run, c, factors[c], shifts[c]);
  const auto apply = [&](kernel::Binary op, const float* in, const float* by) {
    kernel::BinaryArgs args;
    args.op = op;
    args.a = in;
    args.b = by;
    args.out = run.out(0).as<float>();
    args.rank = 3;
    const std::int64_t dims[] = {split.outer, split.n, split.inner};
    const std::int64_t strides[] = {split.n * split.inner, split.inner, 1};
    const std::int64_t by_channel[] = {0, 1, 0};
    std::ranges::copy(dims, args.dims);
    std::ranges::copy(strides, args.a_strides);
    std::ranges::copy(by_channel, args.b_strides);
    kernel::merge_dims(args);
    kernel::run(run.parallel, run.kernels.binary, args);
  };
  apply(kernel::Binary::kMul, run.in(0).as<float>(), factors);
  apply(kernel::Binary::kAdd, run.out(0).as<float>(), shifts);
  return {};
}

Choice choose(const NodeInfo& node) {
  const Dims& x = node.in(0).dims;
  const Result<int> axis = normal_axis(node.as<Params>().axis, x.rank());
  if (node.in(0).type != DataType::kF32 || !axis) return {};
  return {.kernel = vector,
          .name = "vector",
          .workspace_bytes = std::size_t(x[*axis].bound) * 2 * sizeof(float)};
}

Status from_onnx(ImportContext& node) {
  const std::size_t used =
      std::size_t(std::ranges::count_if(node.outputs, [](ValueId id) { return id != kNoValue; }));
  if (node.attrs.integer("training_mode", 0) != 0 || used > 1) {
    return fail(Code::kUnsupported, "training mode; export the model for inference");
  }
  if (node.attrs.integer("spatial", 1) != 1) {
    return fail(Code::kUnsupported, "attribute 'spatial' 0: statistics of every element");
  }
  return node.finish("BatchNorm", node.inputs,
                     {{"axis", std::int64_t(1)}, {"epsilon", node.attrs.real("epsilon", 1e-5)}},
                     {node.outputs[0]});
}

std::vector<Sample> samples() {
  const auto channels = [](std::int64_t n, double low) {
    return SampleInput{.shape = {n}, .constant = true, .low = low, .high = 2};
  };
  const auto node = [&](Shape shape, std::int64_t n) {
    return std::vector<SampleInput>{
        {.shape = shape}, channels(n, -1), channels(n, -1), channels(n, -1), channels(n, 0.1)};
  };
  return {{"channels first", node({2, 5, 3, 7}, 5)},
          {"channels last", node({2, 3, 7, 17}, 17), {{"axis", std::int64_t(-1)}}},
          {"matrix", node({4, 6}, 6), {{"epsilon", 0.1}}}};
}

constexpr OnnxRule kOnnx[] = {{"BatchNormalization", from_onnx}};

}  // namespace

extern const OpDef def = {
    .name = "BatchNorm",
    .min_inputs = 5,
    .max_inputs = 5,
    .parse = parser<Params, parse>,
    .params_bytes = sizeof(Params),
    .infer = infer,
    .reference = reference,
    .choose = choose,
    .in_place = 0b1,
};
extern const OpTools tools = {.onnx = kOnnx, .samples = samples, .commute = Commute::kAxis};

}  // namespace polder::ops::batch_norm
