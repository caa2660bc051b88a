// Softmax and its logarithm: see softmax.h.
#include <algorithm>
#include <cmath>

#include "kernel/table.h"
#include "ops/axes.h"
#include "ops/rules.h"
#include "ops/softmax.h"
#include "ops/types.h"

namespace polder::ops {

void parse_softmax(AttrReader& attrs, SoftmaxParams& p) {
  p.axis = attrs.integer("axis", -1, -kMaxRank, kMaxRank - 1);
  p.beta = attrs.real("beta", 1);
}

Status infer_softmax(InferContext& context) {
  TRY(context.expect_type(0, {DataType::kF32, DataType::kF64}));
  TRY_VALUE([[maybe_unused]] const int axis,
            normal_axis(context.params<SoftmaxParams>().axis, context.rank(0)));
  context.output(0, context.type(0), context.dims(0));
  return {};
}

namespace {
AxisSplit split_of(const RunContext& run) {
  const Shape& shape = run.in(0).shape;
  return split_at(shape, *normal_axis(run.as<SoftmaxParams>().axis, shape.rank()));
}

// One row of n elements, `step` apart.
template <class T>
void softmax_row(const T* in, T* out, std::int64_t n, std::int64_t step, double beta, bool log) {
  double most = -std::numeric_limits<double>::infinity(), sum = 0;
  for (std::int64_t j = 0; j < n; ++j) most = std::max(most, beta * double(in[j * step]));
  for (std::int64_t j = 0; j < n; ++j) sum += std::exp(beta * double(in[j * step]) - most);
  for (std::int64_t j = 0; j < n; ++j) {
    const double x = beta * double(in[j * step]) - most;
    out[j * step] = T(log ? x - std::log(sum) : std::exp(x) / sum);
  }
}
}  // namespace

Status run_softmax_reference(const RunContext& run, bool log) {
  const AxisSplit split = split_of(run);
  const double beta = run.as<SoftmaxParams>().beta;
  dispatch(run.in(0).type, [&]<class T>() {
    for_each_line(split, [&](std::int64_t at) {
      softmax_row(run.in(0).as<T>() + at, run.out(0).as<T>() + at, split.n, split.inner, beta, log);
    });
  });
  return {};
}

Status run_softmax_vector(const RunContext& run, bool log) {
  const AxisSplit split = split_of(run);
  if (run.in(0).shape.elements() == 0) return {};
  kernel::SoftmaxArgs args;
  args.in = run.in(0).as<float>();
  args.out = run.out(0).as<float>();
  args.outer = split.outer;
  args.n = split.n;
  args.inner = split.inner;
  args.scale = float(run.as<SoftmaxParams>().beta);
  args.log = log;
  kernel::run(run.parallel, run.kernels.softmax, args);
  return {};
}

std::vector<Sample> softmax_samples() {
  return {{"last", {{.shape = {3, 21}, .low = -9, .high = 9}}},
          {"middle", {{.shape = {2, 5, 7}, .low = -9, .high = 9}}, {{"axis", std::int64_t(1)}}},
          {"first", {{.shape = {6, 9}}}, {{"axis", std::int64_t(-2)}}},
          {"beta", {{.shape = {2, 9}}}, {{"beta", 2.5}}},
          {"large", {{.shape = {4}, .values = {1e4, 1e4 + 1, -1e4, 0}}}},
          {"f64", {{DataType::kF64, {3, 4}}}}};
}

Status softmax_from_onnx(ImportContext& node, std::string_view op) {
  const bool flat = node.version < 13;
  TRY_VALUE(const std::int64_t axis, front_axis(node, node.attrs.integer("axis", flat ? 1 : -1)));
  const ValueId x = node.in(0);
  const Dims dims = node.value(x).dims;
  bool last = true;  // behind the axis is nothing to be flattened
  for (int i = int(axis) + 1; i < dims.rank(); ++i) last = last && dims[i].is(1);
  if (!flat || last) return node.finish(op, {x}, {{"axis", axis}});
  TRY_VALUE(const ValueId shape, node.emit("Shape", {x}));
  TRY_VALUE(const ValueId matrix, node.emit("Flatten", {x}, {{"axis", axis}}));
  TRY_VALUE(const ValueId y, node.emit(op, {matrix}, {{"axis", std::int64_t(1)}}));
  return node.finish("Reshape", {y, shape}, {{"allowzero", std::int64_t(1)}});
}

}  // namespace polder::ops
