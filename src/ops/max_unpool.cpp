// MaxUnpool: puts each element where MaxPool's index says it came from, and zeros elsewhere. Works
// on [N, C, spatial...] as the indices count. Indices count in the extents that follow from the
// window; input 2 (output_shape) may ask for larger ones, of which those are the first.
#include <algorithm>

#include "ops/axes.h"
#include "ops/tools.h"
#include "ops/types.h"
#include "ops/window.h"

namespace polder::ops::max_unpool {
namespace {

enum : int { kX, kIndices, kShape };

struct Params {
  std::int64_t kernel[kMaxSpatial] = {};
  int kernel_count = 0;
  WindowParams window;
};

void parse(AttrReader& attrs, Params& p) {
  parse_window(attrs, p.window);
  p.kernel_count = attrs.integers("kernel_shape", p.kernel, 0, 1, 1 << 22);
}

// An extent before pooling.
std::int64_t unpooled(const Params& p, int spatial, int axis, std::int64_t in) {
  std::int64_t out = (std::min(in, kMaxElements) - 1) * p.window.strides[axis] + p.kernel[axis];
  if (p.window.pad_count) out -= p.window.pads[axis] + p.window.pads[spatial + axis];
  return out;
}

Status infer(InferContext& context) {
  const Params& p = context.params<Params>();
  TRY(context.expect_type(kX, {DataType::kF32, DataType::kF64}));
  TRY(context.expect_type(kIndices, {DataType::kI64}));
  TRY(context.expect_rank(kX, 3, 2 + kMaxSpatial));
  TRY(context.expect_rank(kIndices, context.rank(kX), context.rank(kX)));
  const Dims& x = context.dims(kX);
  const int spatial = x.rank() - 2;
  const auto fits = [](int given, int expected) { return !given || given == expected; };
  if (p.kernel_count != spatial || !fits(p.window.stride_count, spatial) ||
      !fits(p.window.pad_count, 2 * spatial)) {
    return fail(Code::kInvalid, "kernel_shape, strides or pads do not fit {} spatial axes",
                spatial);
  }
  for (int axis = 0; axis < x.rank(); ++axis) {
    const Dim& own = context.dims(kIndices)[axis];
    if (own.known() && x[axis].known() && own.bound != x[axis].bound) {
      return fail(Code::kInvalid, "indices {} for values {}", context.dims(kIndices).text(),
                  x.text());
    }
  }
  Dims out = {x[0], x[1]};
  IntList asked;
  if (context.has(kShape)) {
    TRY(context.known_ints(kShape, asked));
    if (asked.size() != x.rank()) {
      return fail(Code::kInvalid, "output_shape has {} extents for rank {}", asked.size(),
                  x.rank());
    }
  }
  for (int axis = 0; axis < spatial; ++axis) {
    const Dim& in = x[2 + axis];
    const std::int64_t size = unpooled(p, spatial, axis, in.bound);
    if (in.bound < 1 || size < 1)
      return fail(Code::kInvalid, "extent {} unpools to {}", in.bound, size);
    if (asked.size() == 0) {
      out.push_back(in.known() ? Dim(size) : free_extent(context, in, size));
    } else if (asked[2 + axis].bound < size && in.known()) {
      return fail(Code::kInvalid, "output_shape {} of axis {}; at least {} expected",
                  asked[2 + axis].bound, 2 + axis, size);
    } else {
      out.push_back(asked[2 + axis]);
    }
  }
  context.output(0, context.type(kX), out);
  return {};
}

template <class T>
Status unpool(const RunContext& run) {
  const Params& p = run.as<Params>();
  const TensorView &x = run.in(kX), &out = run.out(0);
  const int rank = x.shape.rank();
  Shape window = x.shape;
  for (int axis = 2; axis < rank; ++axis)
    window[axis] = unpooled(p, rank - 2, axis - 2, x.shape[axis]);
  const auto strides = dense_strides(out.shape);
  const std::int64_t count = x.shape.elements(), limit = window.elements();
  std::fill_n(out.as<T>(), out.shape.elements(), T(0));
  if (run.in(kIndices).shape.elements() != count) {
    return fail(Code::kInvalid, "{} indices for {} values", run.in(kIndices).shape.elements(),
                count);
  }
  for (std::int64_t i = 0; i < count; ++i) {
    std::int64_t index = run.in(kIndices).as<std::int64_t>()[i];
    if (index < 0 || index >= limit)
      return fail(Code::kInvalid, "index {} is outside 0..{}", index, limit - 1);
    std::int64_t at = 0;
    for (int axis = rank - 1; axis >= 0; --axis) {
      const std::int64_t place = index % window[axis];
      if (place >= out.shape[axis]) {
        return fail(Code::kInvalid, "position {} of axis {} is outside the output", place, axis);
      }
      at += place * strides[std::size_t(axis)];
      index /= window[axis];
    }
    out.as<T>()[at] = x.as<T>()[i];
  }
  return {};
}

Status reference(const RunContext& run) {
  return run.in(kX).type == DataType::kF64 ? unpool<double>(run) : unpool<float>(run);
}

std::vector<Sample> samples() {
  using Ints = std::vector<std::int64_t>;
  const Attrs attrs = {{"kernel_shape", Ints{2, 2}}, {"strides", Ints{2, 2}}};
  const SampleInput x = {.shape = {1, 1, 2, 2}},
                    indices = {DataType::kI64, {1, 1, 2, 2}, {5, 7, 13, 15}};
  return {{"as pooled", {x, indices}, attrs, {{1, 1, 4, 4}}},
          {"into a larger shape",
           {x, indices, {DataType::kI64, {4}, {1, 1, 5, 5}, true}},
           attrs,
           {{1, 1, 5, 5}}}};
}

constexpr OnnxRule kOnnx[] = {{"MaxUnpool"}};

}  // namespace

extern const OpDef def = {
    .name = "MaxUnpool",
    .min_inputs = 2,
    .max_inputs = 3,
    .parse = parser<Params, parse>,
    .params_bytes = sizeof(Params),
    .infer = infer,
    .reference = reference,
};
extern const OpTools tools = {.onnx = kOnnx, .samples = samples};

}  // namespace polder::ops::max_unpool
