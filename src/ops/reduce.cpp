// Reductions: what the operators that make one number of the elements along some axes share.
#include "ops/reduce.h"

namespace polder::ops {

Result<unsigned> reduced_axes(const ReduceParams& p, int rank) {
  if (p.count == 0) return p.none_if_empty ? 0u : (1u << rank) - 1;
  // A scalar has no axis to name, but models name its axis 0.
  if (rank == 0) return 0u;
  return axis_set({p.axes, std::size_t(p.count)}, rank);
}

Status infer_reduce(InferContext& context, std::initializer_list<DataType> types) {
  TRY(context.expect_type(0, types));
  const ReduceParams& p = context.params<ReduceParams>();
  const Dims& in = context.dims(0);
  TRY_VALUE(const unsigned reduced, reduced_axes(p, in.rank()));
  Dims out;
  for (int axis = 0; axis < in.rank(); ++axis) {
    if (!(reduced >> axis & 1)) out.push_back(in[axis]);
    else if (p.keep_dims) out.push_back(1);
  }
  context.output(0, context.type(0), out);
  return {};
}

ReduceWalk reduce_walk(const ReduceParams& p, const Shape& in) {
  ReduceWalk walk;
  const auto strides = dense_strides(in);
  const unsigned reduced = *reduced_axes(p, in.rank());
  for (int axis = 0; axis < in.rank(); ++axis) {
    const bool gone = reduced >> axis & 1;
    Shape& shape = gone ? walk.reduced : walk.kept;
    auto& to = gone ? walk.reduced_strides : walk.kept_strides;
    to[0][std::size_t(shape.rank())] = strides[std::size_t(axis)];
    shape.push_back(in[axis]);
  }
  return walk;
}

bool one_block(const ReduceParams& p, const Dims& in) {
  const Result<unsigned> reduced = reduced_axes(p, in.rank());
  if (!reduced) return false;
  int blocks = 0;
  bool before = false;
  for (int axis = 0; axis < in.rank(); ++axis) {
    if (in[axis].is(1)) continue;
    const bool now = *reduced >> axis & 1;
    blocks += now && !before;
    before = now;
  }
  return blocks <= 1;
}

Status run_vector_reduce(const RunContext& run, kernel::Reduction op) {
  const Shape& in = run.in(0).shape;
  const unsigned reduced = *reduced_axes(run.as<ReduceParams>(), in.rank());
  kernel::ReduceArgs args;
  args.op = op;
  args.in = run.in(0).as<float>();
  args.out = run.out(0).as<float>();
  bool behind = false;
  for (int axis = 0; axis < in.rank(); ++axis) {
    if (in[axis] == 1) continue;
    if (reduced >> axis & 1) args.n *= in[axis], behind = true;
    else (behind ? args.inner : args.outer) *= in[axis];
  }
  if (args.outer > 0 && args.inner > 0) {
    kernel::run(run.parallel, run.kernels.reduce, args);
  }
  return {};
}

Status reduce_from_onnx(ImportContext& node, std::string_view op) {
  TRY(axes_from_input(node, 1));
  return node.finish(op, {node.in(0)}, node.attrs);
}

Status reduce_from_tflite(ImportContext& node, std::string_view op) {
  TRY_VALUE(std::vector<std::int64_t> axes, node.constant_ints(1));
  // No axes: nothing is reduced.
  return node.finish(op, {node.in(0)},
                     {{"axes", std::move(axes)},
                      {"keepdims", node.attrs.integer("keep_dims", 0)},
                      {"noop_with_empty_axes", std::int64_t(1)}});
}

std::vector<Sample> reduce_samples(double low, bool with_integers) {
  using Ints = std::vector<std::int64_t>;
  const SampleInput cube = {.shape = {3, 4, 5}, .low = low, .high = 2};
  const SampleInput image = {.shape = {2, 7, 6, 17}, .low = low, .high = 2};
  std::vector<Sample> samples = {
      {"all", {cube}, {}, {{1, 1, 1}}},
      {"last", {cube}, {{"axes", Ints{-1}}, {"keepdims", std::int64_t(0)}}, {{3, 4}}},
      {"first", {cube}, {{"axes", Ints{0}}}, {{1, 4, 5}}},
      {"outer and inner", {cube}, {{"axes", Ints{0, 2}}}, {{1, 4, 1}}},
      {"spatial", {image}, {{"axes", Ints{1, 2}}, {"keepdims", std::int64_t(0)}}, {{2, 17}}},
      {"none", {cube}, {{"noop_with_empty_axes", std::int64_t(1)}}}};
  if (with_integers) {
    samples.push_back(
        {"i32", {{DataType::kI32, {3, 4}, {}, false, -9, 9}}, {{"axes", Ints{1}}}, {{3, 1}}});
    samples.push_back(
        {"u8", {{DataType::kU8, {3, 4}, {}, false, 0, 9}}, {{"axes", Ints{0}}}, {{1, 4}}});
  }
  return samples;
}

}  // namespace polder::ops
