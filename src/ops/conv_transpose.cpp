// ConvTranspose: transposed convolution over 1 to 3 spatial axes of [N, spatial..., C] with weights
// [kernel..., O, C / groups]: input element i adds to outputs i * stride + tap * dilation - pad.
// Optional bias [O] and residual; fused epilogue (ops/fused.h). Extents of the output follow from
// the pads and output_padding, or the pads from output_shape (its spatial extents).
#include <algorithm>

#include "kernel/table.h"
#include "ops/fused.h"
#include "ops/import_window.h"
#include "ops/pack.h"
#include "ops/tools.h"
#include "ops/window.h"

namespace polder::ops::conv_transpose {
namespace {

enum : int { kX, kWeights, kBias, kResidual };

struct Params {
  WindowParams window;
  std::int64_t groups = 1;
  std::int64_t output_padding[kMaxSpatial] = {};
  std::int64_t output_shape[kMaxSpatial] = {};
  int padding_count = 0, shape_count = 0;
  Fused fused;
};

void parse(AttrReader& attrs, Params& p) {
  parse_window(attrs, p.window);
  p.groups = attrs.integer("groups", 1, 1, 1 << 24);
  p.padding_count = attrs.integers("output_padding", p.output_padding, 0, 0, 1 << 24);
  p.shape_count = attrs.integers("output_shape", p.output_shape, 0, 1, kMaxElements);
  parse_fused(attrs, p.fused);
}

// One axis: the output's extent, and the pad before it.
struct Extent {
  std::int64_t out, pad_begin;
};
Extent extent_of(const Params& p, int spatial, int axis, std::int64_t in, std::int64_t kernel) {
  using AutoPad = WindowParams::AutoPad;
  const WindowParams& w = p.window;
  in = std::min(in, kMaxElements);  // an unknown extent must not overflow
  const std::int64_t reach = (kernel - 1) * w.dilations[axis] + 1;
  const std::int64_t full = w.strides[axis] * (in - 1) + reach + p.output_padding[axis];
  if (!p.shape_count && !w.same()) {
    const bool padded = w.auto_pad == AutoPad::kNotSet && w.pad_count;
    const std::int64_t begin = padded ? w.pads[axis] : 0;
    return {full - begin - (padded ? w.pads[spatial + axis] : 0), begin};
  }
  const std::int64_t out = p.shape_count ? p.output_shape[axis] : in * w.strides[axis];
  if (w.auto_pad == AutoPad::kValid) return {out, 0};
  const std::int64_t total = std::max<std::int64_t>(full - out, 0);
  return {out, w.auto_pad == AutoPad::kSameUpper ? total / 2 : total - total / 2};
}

Status check_weights(const InferContext& context, std::int64_t groups) {
  TRY(context.expect_type(kWeights, {context.type(kX)}));
  TRY(context.expect_rank(kWeights, context.rank(kX), context.rank(kX)));
  const Dims& w = context.dims(kWeights);
  if (!w.known() || w.max_elements() == 0) {
    return fail(Code::kUnsupported, "weights {}: known dimensions above 0 expected", w.text());
  }
  const int rank = w.rank();
  const Dim& channels = context.dims(kX)[rank - 1];
  if (channels.known() && channels.bound != w[rank - 1].bound * groups) {
    return fail(Code::kInvalid, "input {} has {} channels; weights {} in {} groups expect {}",
                context.dims(kX).text(), channels.bound, w.text(), groups,
                w[rank - 1].bound * groups);
  }
  if (w[rank - 2].bound % groups) {
    return fail(Code::kInvalid, "{} output channels in {} groups; a multiple expected",
                w[rank - 2].bound, groups);
  }
  return {};
}

Status check_counts(const Params& p, int spatial) {
  const auto fits = [](int given, int expected) { return !given || given == expected; };
  if (fits(p.window.stride_count, spatial) && fits(p.window.dilation_count, spatial) &&
      fits(p.window.pad_count, 2 * spatial) && fits(p.padding_count, spatial) &&
      fits(p.shape_count, spatial)) {
    return {};
  }
  return fail(Code::kInvalid,
              "strides, dilations, pads, output_padding or output_shape do not fit {} spatial axes",
              spatial);
}

Status infer(InferContext& context) {
  const Params& p = context.params<Params>();
  TRY(context.expect_type(kX, {DataType::kF32, DataType::kF64}));
  TRY(context.expect_rank(kX, 3, 2 + kMaxSpatial));
  TRY(check_weights(context, p.groups));
  const Dims& x = context.dims(kX);
  const Dims& w = context.dims(kWeights);
  const int spatial = x.rank() - 2;
  TRY(check_counts(p, spatial));
  Dims out = {x[0]};
  for (int axis = 0; axis < spatial; ++axis) {
    const Dim& in = x[1 + axis];
    const std::int64_t size = extent_of(p, spatial, axis, in.bound, w[axis].bound).out;
    if (size < 1 || in.bound < 1) {
      return fail(Code::kInvalid, "extent {} of axis {} leaves an output of {}", in.bound, 1 + axis,
                  size);
    }
    if (in.known() || p.shape_count) out.push_back(size);
    else out.push_back(free_extent(context, in, size));
  }
  out.push_back(w[spatial]);
  TRY(check_bias(context, kBias, w[spatial]));
  TRY(check_residual(context, kResidual, out));
  context.output(0, context.type(kX), out);
  return {};
}

// The window of the convolution that this one transposes: its input is our output.
Window geometry(const RunContext& run) {
  const Params& p = run.as<Params>();
  const Shape& in = run.in(kX).shape;
  const Shape& out = run.out(0).shape;
  const Shape& weights = run.in(kWeights).shape;
  Window win;
  win.spatial = in.rank() - 2;
  for (int axis = 0; axis < win.spatial; ++axis) {
    const int to = 3 - win.spatial + axis;
    win.in[to] = out[1 + axis];
    win.out[to] = in[1 + axis];
    win.kernel[to] = weights[axis];
    win.stride[to] = p.window.strides[axis];
    win.dilation[to] = p.window.dilations[axis];
    win.pad_begin[to] = extent_of(p, win.spatial, axis, in[1 + axis], weights[axis]).pad_begin;
  }
  return win;
}

// The input element that tap `tap` adds to output element `to`, or -1.
std::int64_t source(const Window& win, int axis, std::int64_t to, std::int64_t tap) {
  const std::int64_t at = to + win.pad_begin[axis] - tap * win.dilation[axis];
  if (at < 0 || at % win.stride[axis] || at / win.stride[axis] >= win.out[axis]) return -1;
  return at / win.stride[axis];
}

// The sum of output element `o` of the pixel `at`. `image` begins at the group's first channel.
template <class T>
double sum_at(const Window& win, const T* image, std::int64_t channels, const T* weights,
              std::int64_t tap_stride, std::int64_t depth, const std::int64_t (&at)[3]) {
  double sum = 0;
  for (std::int64_t kz = 0; kz < win.kernel[0]; ++kz) {
    for (std::int64_t ky = 0; ky < win.kernel[1]; ++ky) {
      for (std::int64_t kx = 0; kx < win.kernel[2]; ++kx, weights += tap_stride) {
        const std::int64_t z = source(win, 0, at[0], kz), y = source(win, 1, at[1], ky);
        const std::int64_t x = source(win, 2, at[2], kx);
        if (z < 0 || y < 0 || x < 0) continue;
        const T* pixel = image + ((z * win.out[1] + y) * win.out[2] + x) * channels;
        for (std::int64_t c = 0; c < depth; ++c) sum += double(pixel[c]) * double(weights[c]);
      }
    }
  }
  return sum;
}

template <class T>
void reference_of(const RunContext& run) {
  const Params& p = run.as<Params>();
  const Window win = geometry(run);
  const Shape& weights = run.in(kWeights).shape;
  const std::int64_t depth = weights[weights.rank() - 1], outputs = weights[weights.rank() - 2];
  const std::int64_t channels = depth * p.groups, per_group = outputs / p.groups;
  const T* bias = run.has(kBias) ? run.in(kBias).as<T>() : nullptr;
  const T* residual = run.has(kResidual) ? run.in(kResidual).as<T>() : nullptr;
  T* out = run.out(0).as<T>();
  const std::int64_t pixels = run.out(0).shape[0] * win.in_pixels();
  for (std::int64_t i = 0; i < pixels; ++i) {
    const std::int64_t pixel = i % win.in_pixels();
    const std::int64_t at[3] = {pixel / (win.in[1] * win.in[2]), pixel / win.in[2] % win.in[1],
                                pixel % win.in[2]};
    const T* image = run.in(kX).as<T>() + i / win.in_pixels() * win.out_pixels() * channels;
    for (std::int64_t o = 0; o < outputs; ++o) {
      const T* w = run.in(kWeights).as<T>() + o * depth;
      const double sum =
          sum_at(win, image + o / per_group * depth, channels, w, outputs * depth, depth, at) +
          (bias ? double(bias[o]) : 0);
      const std::int64_t k = i * outputs + o;
      out[k] = T(finish_sum(p.fused, sum, residual ? double(residual[k]) : 0));
    }
  }
}

Status reference(const RunContext& run) {
  if (run.in(kX).type == DataType::kF64) reference_of<double>(run);
  else reference_of<float>(run);
  return {};
}

// --- Rows by matrix products ---
//
// Output row y gets input row (y + pad - ky * dilation) / stride through the taps of kernel row ky:
// one product [in_w, C] x [C, kernel_w * O] into a scratch row, whose pieces are then added where
// they belong. No product is made twice. Rows are split into a fixed number of tasks, each with a
// scratch row of its own.

constexpr std::int64_t kTasks = 16;

struct Rows {
  const RunContext& run;
  const float* weights;
  Window win;
  std::int64_t depth, outputs;

  std::int64_t columns() const { return win.kernel[2] * outputs; }
  void product(std::int64_t image, std::int64_t y, std::int64_t ky, float* columns_out) const;
  void scatter(const float* from, float* row) const;
  void finish(float* row, std::int64_t offset) const;
  void make(std::int64_t index, float* columns_out) const;
};

void Rows::product(std::int64_t image, std::int64_t y, std::int64_t ky, float* to) const {
  kernel::GemmArgs args;
  args.a = run.in(kX).as<float>() + (image * win.out[1] + y) * win.out[2] * depth;
  args.weights = weights + ky * kernel::panel_elements(columns(), depth);
  args.c = to;
  args.m = int(win.out[2]);
  args.n = int(columns());
  args.k = int(depth);
  args.a_stride = depth;
  args.c_stride = columns();
  run.kernels.gemm(args, 0, kernel::tasks(args));
}

void Rows::scatter(const float* from, float* row) const {
  for (std::int64_t x = 0; x < win.out[2]; ++x) {
    for (std::int64_t kx = 0; kx < win.kernel[2]; ++kx, from += outputs) {
      const std::int64_t at = win.source(2, x, kx);
      if (at < 0 || at >= win.in[2]) continue;
      float* to = row + at * outputs;
      for (std::int64_t o = 0; o < outputs; ++o) to[o] += from[o];
    }
  }
}

// `offset` of the row in the output, which is that in the residual.
void Rows::finish(float* row, std::int64_t offset) const {
  const Fused& fused = run.as<Params>().fused;
  const std::int64_t count = win.in[2] * outputs;
  const float* residual = run.has(kResidual) ? run.in(kResidual).as<float>() + offset : nullptr;
  const auto add_residual = [&] {
    for (std::int64_t i = 0; i < count; ++i) row[i] += residual[i];
  };
  if (residual && !fused.residual_after) add_residual();
  if (fused.activation.op != kernel::Unary::kNone) {
    const kernel::UnaryArgs args{fused.activation, row, row, count};
    run.kernels.unary(args, 0, kernel::tasks(args));
  }
  if (residual && fused.residual_after) add_residual();
}

void Rows::make(std::int64_t index, float* columns_out) const {
  const std::int64_t image = index / win.in[1], y = index % win.in[1];
  const std::int64_t offset = index * win.in[2] * outputs;
  float* row = run.out(0).as<float>() + offset;
  const float* bias = run.has(kBias) ? run.in(kBias).as<float>() : nullptr;
  for (std::int64_t x = 0; x < win.in[2]; ++x) {
    for (std::int64_t o = 0; o < outputs; ++o) row[x * outputs + o] = bias ? bias[o] : 0;
  }
  for (std::int64_t ky = 0; ky < win.kernel[1]; ++ky) {
    const std::int64_t from = source(win, 1, y, ky);
    if (from < 0) continue;
    product(image, from, ky, columns_out);
    scatter(columns_out, row);
  }
  finish(row, offset);
}

void run_rows(const RunContext& run, const float* weights, float* scratch) {
  const Shape& shape = run.in(kWeights).shape;
  const Rows rows{run, weights, geometry(run), shape[shape.rank() - 1], shape[shape.rank() - 2]};
  const std::int64_t count = run.out(0).shape[0] * rows.win.in[1];
  const std::int64_t scratch_row = rows.win.out[2] * rows.columns();
  run.parallel.for_each(int(std::min(count, kTasks)), [&](int task) {
    const std::int64_t tasks = std::min(count, kTasks);
    for (std::int64_t i = count * task / tasks; i < count * (task + 1) / tasks; ++i) {
      rows.make(i, scratch + task * scratch_row);
    }
  });
}

Packing packing_of(const Shape& weights) {
  const std::int64_t kernel_rows = weights.rank() == 4 ? weights[0] : 1;
  return {Layout::kPanels, std::int32_t(kernel_rows), weights[weights.rank() - 1]};
}

Status packed(const RunContext& run) {
  run_rows(run, run.in(kWeights).as<float>(), reinterpret_cast<float*>(run.workspace));
  return {};
}

// For weights that only the run knows: packed into the workspace first.
Status packing(const RunContext& run) {
  const TensorView& weights = run.in(kWeights);
  const Packing form = packing_of(weights.shape);
  auto* panels = reinterpret_cast<float*>(run.workspace);
  pack(form, weights.shape, weights.as<float>(), panels);
  run_rows(run, panels, panels + packed_bytes(form, weights.shape) / sizeof(float));
  return {};
}

Choice choose(const NodeInfo& node) {
  const Params& p = node.as<Params>();
  const Dims& x = node.in(kX).dims;
  const Shape weights = node.in(kWeights).dims.bounds();
  if (node.in(kX).type != DataType::kF32 || x.rank() > 4 || p.groups > 1) return {};
  if (!fits_int(p.window, x, node.outputs[0].dims, weights.dims().data())) return {};
  const int rank = weights.rank();
  const std::int64_t columns = weights[rank - 3] * weights[rank - 2];
  if (!fits_int({columns})) return {};
  const std::int64_t scratch = x[x.rank() - 2].bound * columns * kTasks;
  Choice choice{
      .kernel = packed, .name = "rows", .workspace_bytes = std::size_t(scratch) * sizeof(float)};
  if (node.in(kWeights).constant()) {
    choice.packing[kWeights] = packing_of(weights);
  } else {
    choice.kernel = packing;
    choice.workspace_bytes += packed_bytes(packing_of(weights), weights);
  }
  return choice;
}

double macs(const NodeInfo& node) {
  const Dims& x = node.in(kX).dims;
  double pixels = 1;
  for (int axis = 0; axis < x.rank() - 1; ++axis) pixels *= double(x[axis].bound);
  return pixels * double(node.in(kWeights).dims.max_elements());
}

// --- Model formats ---

// [C, O / groups, kernel...] -> [kernel..., O, C / groups]
Result<ValueId> weights_from_onnx(ImportContext& node, std::int64_t groups) {
  ValueId w = node.in(1);
  const Dims dims = node.value(w).dims;
  const int rank = dims.rank();
  if (rank < 3 || rank > 2 + kMaxSpatial || !dims.known() || dims[0].bound % groups) {
    return fail(Code::kInvalid, "weights {} in {} groups: [inputs, outputs, kernel...] expected",
                dims.text(), groups);
  }
  std::vector<std::int64_t> perm;
  if (groups == 1) {
    for (int axis = 2; axis < rank; ++axis) perm.push_back(axis);
    perm.insert(perm.end(), {1, 0});
    return node.transpose(w, perm);
  }
  std::vector<std::int64_t> split = {groups, dims[0].bound / groups}, joined;
  for (int axis = 1; axis < rank; ++axis) split.push_back(dims[axis].bound);
  TRY_VALUE(w, node.emit("Reshape", {w, node.ints(split)}));
  for (int axis = 2; axis < rank; ++axis) {
    perm.push_back(axis + 1);
    joined.push_back(dims[axis].bound);
  }
  perm.insert(perm.end(), {0, 2, 1});
  joined.insert(joined.end(), {groups * dims[1].bound, dims[0].bound / groups});
  TRY_VALUE(w, node.transpose(w, perm));
  return node.emit("Reshape", {w, node.ints(joined)});
}

Status from_onnx(ImportContext& node) {
  if (!node.has(0) || !node.has(1)) return fail(Code::kInvalid, "an input and weights expected");
  const std::int64_t groups = node.attrs.integer("group", 1);
  if (groups < 1) return fail(Code::kInvalid, "group {}; at least 1 expected", groups);
  TRY_VALUE(const ValueId x, node.to_channels_last(node.in(0)));
  TRY_VALUE(const ValueId w, weights_from_onnx(node, groups));
  TRY_VALUE(Attrs attrs, window_from_onnx(node));
  attrs.set("groups", groups);
  for (const std::string_view name : {"output_padding", "output_shape"}) {
    if (const AttrValue* value = node.attrs.find(name)) attrs.set(name, *value);
  }
  // Some exporters write the whole shape; the spatial extents are its last.
  if (std::vector<std::int64_t> shape = attrs.integers("output_shape");
      int(shape.size()) == node.rank(0)) {
    attrs.set("output_shape", std::vector<std::int64_t>(shape.begin() + 2, shape.end()));
  }
  TRY_VALUE(const ValueId y, node.emit("ConvTranspose", {x, w, node.in(2)}, std::move(attrs)));
  return node.finish_channels_first(y);
}

// TRANSPOSE_CONV(output shape, weights [O, H, W, C], x, bias)
Status from_tflite(ImportContext& node) {
  TRY_VALUE(const auto shape, node.constant_ints(0));
  if (shape.size() != 4) return fail(Code::kInvalid, "an output shape of rank 4 expected");
  TRY_VALUE(Attrs attrs, window_from_tflite(node));
  attrs.set("output_shape", std::vector<std::int64_t>{shape[1], shape[2]});
  constexpr std::int64_t kPerm[] = {1, 2, 0, 3};
  TRY_VALUE(const ValueId w, node.transpose(node.in(1), kPerm));
  return node.finish_tflite_fused("ConvTranspose", {node.in(2), w, node.in(3)}, std::move(attrs));
}

std::vector<Sample> samples() {
  using Ints = std::vector<std::int64_t>;
  const auto fixed = [](Shape shape) { return SampleInput{.shape = shape, .constant = true}; };
  return {{"2x2, stride 2, relu",
           {{.shape = {1, 5, 7, 24}}, fixed({2, 2, 9, 24}), fixed({9})},
           {{"strides", Ints{2, 2}}, {"activation", "clamp"}},
           {{1, 10, 14, 9}}},
          {"3x3, stride 2, pads and output padding",
           {{.shape = {2, 6, 5, 7}}, fixed({3, 3, 4, 7})},
           {{"strides", Ints{2, 2}}, {"pads", Ints{1, 1, 1, 1}}, {"output_padding", Ints{1, 0}}},
           {{2, 12, 9, 4}}},
          {"same upper",
           {{.shape = {1, 4, 4, 3}}, fixed({3, 4, 17, 3}), fixed({17})},
           {{"strides", Ints{2, 3}}, {"auto_pad", "same_upper"}},
           {{1, 8, 12, 17}}},
          {"output shape, dilation",
           {{.shape = {1, 4, 5, 3}}, fixed({3, 2, 5, 3})},
           {{"strides", Ints{3, 1}}, {"dilations", Ints{2, 3}}, {"output_shape", Ints{13, 7}}},
           {{1, 13, 7, 5}}},
          {"residual, then silu",
           {{.shape = {1, 3, 3, 4}}, fixed({2, 2, 4, 4}), fixed({4}), {.shape = {1, 6, 6, 4}}},
           {{"strides", Ints{2, 2}}, {"activation", "silu"}},
           {{1, 6, 6, 4}}},
          {"1-D", {{.shape = {2, 11, 6}}, fixed({4, 5, 6})}, {{"strides", Ints{3}}}, {{2, 34, 5}}},
          {"groups",
           {{.shape = {1, 4, 5, 6}}, fixed({3, 3, 4, 3})},
           {{"groups", std::int64_t(2)}, {"strides", Ints{2, 1}}},
           {{1, 9, 7, 4}}},
          {"3-D",
           {{.shape = {1, 3, 2, 4, 3}}, fixed({2, 3, 2, 4, 3}), fixed({4})},
           {{"strides", Ints{2, 1, 2}}, {"pads", Ints{0, 1, 0, 1, 0, 0}}},
           {{1, 5, 3, 8, 4}}},
          {"weights of the run",
           {{.shape = {1, 3, 4, 5}}, {.shape = {2, 2, 6, 5}}},
           {{"strides", Ints{2, 2}}},
           {{1, 6, 8, 6}},
           Known::kShapes}};
}

constexpr OnnxRule kOnnx[] = {{"ConvTranspose", from_onnx}};
constexpr TfliteRule kTflite[] = {{"TRANSPOSE_CONV", from_tflite}};

}  // namespace

extern const OpDef def = {
    .name = "ConvTranspose",
    .min_inputs = 2,
    .max_inputs = 4,
    .parse = parser<Params, parse>,
    .params_bytes = sizeof(Params),
    .infer = infer,
    .reference = reference,
    .choose = choose,
};
extern const OpTools tools = {.onnx = kOnnx, .tflite = kTflite, .samples = samples, .macs = macs};

}  // namespace polder::ops::conv_transpose
