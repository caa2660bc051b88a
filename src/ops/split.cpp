// Split: parts along attribute "axis": of extents "sizes", or "count" equal ones.
#include <cstring>

#include "ops/axes.h"
#include "ops/rules.h"
#include "ops/strided.h"

namespace polder::ops::split {
namespace {

constexpr int kMaxSizes = 48;

struct Params {
  std::int64_t axis;
  std::int64_t count;  // of equal parts; 0: as many as outputs
  int size_count;      // -1: equal parts
  std::int64_t sizes[kMaxSizes];
};
static_assert(sizeof(Params) <= kMaxParamsBytes);

void parse(AttrReader& attrs, Params& p) {
  p.axis = attrs.integer("axis", 0, -kMaxRank, kMaxRank - 1);
  p.count = attrs.integer("count", 0, 0, kMany);
  p.size_count = attrs.integers("sizes", p.sizes, -1, 0, kMaxElements);
}

Status infer_sizes(InferContext& context, int axis) {
  const Params& p = context.params<Params>();
  Dims dims = context.dims(0);
  if (p.size_count < context.output_count()) {
    return fail(Code::kInvalid, "{} sizes for {} outputs", p.size_count, context.output_count());
  }
  std::int64_t sum = 0;
  for (int i = 0; i < p.size_count; ++i) sum += p.sizes[i];
  if (dims[axis].known() && dims[axis].bound != sum) {
    return fail(Code::kInvalid, "the sizes add up to {}; the axis has {}", sum, dims[axis].bound);
  }
  for (int i = 0; i < context.output_count(); ++i) {
    dims[axis] = p.sizes[i];
    context.output(i, context.type(0), dims);
  }
  return {};
}

Status infer(InferContext& context) {
  const Params& p = context.params<Params>();
  TRY(context.expect_rank(0, 1, kMaxRank));
  TRY_VALUE(const int axis, normal_axis(p.axis, context.rank(0)));
  if (p.size_count >= 0) return infer_sizes(context, axis);
  const std::int64_t count = p.count ? p.count : context.output_count();
  if (count < context.output_count()) {
    return fail(Code::kInvalid, "{} parts for {} outputs", count, context.output_count());
  }
  Dims dims = context.dims(0);
  const Dim whole = dims[axis];
  if (whole.known() && whole.bound % count != 0) {
    return fail(Code::kInvalid, "{} does not divide into {} equal parts", whole.bound, count);
  }
  dims[axis] = whole.known() ? Dim(whole.bound / count) : context.new_dim(whole.bound / count);
  for (int i = 0; i < context.output_count(); ++i) context.output(i, context.type(0), dims);
  return {};
}

Status reference(const RunContext& run) {
  const TensorView& in = run.in(0);
  const int axis = *normal_axis(run.as<Params>().axis, in.shape.rank());
  const AxisSplit whole = split_at(in.shape, axis);
  const std::size_t size = size_of(in.type);
  const std::size_t row = std::size_t(whole.n * whole.inner) * size;
  const Params& p = run.as<Params>();
  const std::byte* column = in.as<const std::byte>();
  for (std::size_t i = 0; i < run.outputs.size(); ++i) {
    const TensorView& out = run.outputs[i];
    // An output that nobody reads has no memory, but takes its place.
    const std::int64_t extent = p.size_count >= 0 ? p.sizes[i] : run.out(0).shape[axis];
    const std::size_t part = std::size_t(extent * whole.inner) * size;
    for (std::int64_t o = 0; o < whole.outer && out.data && part > 0; ++o) {
      std::memcpy(out.as<std::byte>() + std::size_t(o) * part, column + std::size_t(o) * row, part);
    }
    column += part;
  }
  return {};
}

// ONNX: sizes as an input since 13, as an attribute before; since 18 also "num_outputs", of which
// the last may be smaller.
Status from_onnx(ImportContext& node) {
  TRY_VALUE(const std::int64_t axis, front_axis(node, node.attrs.integer("axis", 0)));
  std::vector<std::int64_t> sizes = node.attrs.integers("split");
  const bool given = node.has(1) || node.attrs.has("split");
  if (node.has(1)) {
    TRY_VALUE(sizes, node.constant_ints(1));
  }
  const std::int64_t count = std::int64_t(node.outputs.size());
  const Dims& dims = node.value(node.in(0)).dims;
  if (!given && dims.rank() > 0 && dims[int(axis)].known() && dims[int(axis)].bound % count != 0) {
    const std::int64_t extent = dims[int(axis)].bound, part = (extent + count - 1) / count;
    for (std::int64_t i = 0; i < count; ++i) {
      sizes.push_back(std::max<std::int64_t>(0, std::min(part, extent - i * part)));
    }
  } else if (!given) {
    return node.finish("Split", {node.in(0)}, {{"axis", axis}, {"count", count}});
  }
  return node.finish("Split", {node.in(0)}, {{"axis", axis}, {"sizes", sizes}});
}

// SPLIT(axis, data)
Status from_tflite(ImportContext& node) {
  TRY_VALUE(const std::vector<std::int64_t> axis, node.constant_ints(0));
  if (axis.size() != 1) return fail(Code::kInvalid, "{} axes; 1 expected", axis.size());
  const std::int64_t count = node.attrs.integer("num_splits", std::int64_t(node.outputs.size()));
  return node.finish("Split", {node.in(1)}, {{"axis", axis[0]}, {"count", count}});
}

// SPLIT_V(data, sizes, axis); one size may be -1.
Status from_tflite_sizes(ImportContext& node) {
  TRY_VALUE(std::vector<std::int64_t> sizes, node.constant_ints(1));
  TRY_VALUE(const std::vector<std::int64_t> axes, node.constant_ints(2));
  if (axes.size() != 1) return fail(Code::kInvalid, "{} axes; 1 expected", axes.size());
  TRY_VALUE(const std::int64_t axis, front_axis(node, axes[0]));
  const Dims& dims = node.value(node.in(0)).dims;
  std::int64_t rest = dims.rank() > 0 ? dims[int(axis)].bound : 0;
  for (const std::int64_t size : sizes) {
    if (size > kMaxElements) return fail(Code::kInvalid, "a part of {} elements", size);
    rest -= size >= 0 ? size : 0;
  }
  for (std::int64_t& size : sizes) {
    if (size == -1) size = rest;
  }
  return node.finish("Split", {node.in(0)}, {{"axis", axis}, {"sizes", sizes}});
}

// UNPACK: parts of extent 1, whose dimension is dropped.
Status unpack(ImportContext& node) {
  const std::int64_t axis = node.attrs.integer("axis", 0);
  std::vector<ValueId> parts;
  for (std::size_t i = 0; i < node.outputs.size(); ++i) {
    parts.push_back(node.graph.add_value(fmt::format("{}/part{}", node.node_name, i)));
  }
  const std::int64_t count = node.attrs.integer("num", std::int64_t(parts.size()));
  TRY(node.finish("Split", {node.in(0)}, {{"axis", axis}, {"count", count}}, parts));
  for (std::size_t i = 0; i < parts.size(); ++i) {
    TRY(node.finish("Squeeze", {parts[i]}, {{"axes", std::vector<std::int64_t>{axis}}},
                    {node.outputs[i]}));
  }
  return {};
}

std::vector<Sample> samples() {
  return {
      {"equal",
       {{.shape = {2, 6, 5}}},
       {{"axis", std::int64_t(1)}},
       {{2, 2, 5}, {2, 2, 5}, {2, 2, 5}}},
      {"channels", {{.shape = {2, 3, 8}}}, {{"axis", std::int64_t(-1)}}, {{2, 3, 4}, {2, 3, 4}}},
      {"sizes",
       {{.shape = {7, 3}}},
       {{"axis", std::int64_t(0)}, {"sizes", std::vector<std::int64_t>{2, 0, 5}}},
       {{2, 3}, {0, 3}, {5, 3}}}};
}

constexpr OnnxRule kOnnx[] = {{"Split", from_onnx}};
constexpr TfliteRule kTflite[] = {
    {"SPLIT", from_tflite}, {"SPLIT_V", from_tflite_sizes}, {"UNPACK", unpack}};

}  // namespace

extern const OpDef def = {
    .name = "Split",
    .max_outputs = kMany,
    .parse = parser<Params, parse>,
    .params_bytes = sizeof(Params),
    .infer = infer,
    .reference = reference,
};
extern const OpTools tools = {
    .onnx = kOnnx, .tflite = kTflite, .samples = samples, .commute = Commute::kAxis};

}  // namespace polder::ops::split
