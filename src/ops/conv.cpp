// Conv: convolution over 1 to 3 spatial axes of [N, spatial..., C] with weights [O, kernel...,
// C / groups]; optional bias [O] and residual; fused epilogue (ops/fused.h).
#include <algorithm>

#include "kernel/table.h"
#include "ops/fused.h"
#include "ops/import_integer.h"
#include "ops/import_window.h"
#include "ops/pack.h"
#include "ops/tools.h"
#include "ops/types.h"
#include "ops/window.h"

namespace polder::ops::conv {
namespace {

enum : int { kX, kWeights, kBias, kResidual };

struct Params {
  WindowParams window;
  std::int64_t groups = 1;
  Fused fused;
};

void parse(AttrReader& attrs, Params& p) {
  parse_window(attrs, p.window);
  p.groups = attrs.integer("groups", 1, 1, 1 << 24);
  parse_fused(attrs, p.fused);
}

// The spatial extents of weights whose dimensions are known.
std::array<std::int64_t, kMaxSpatial> kernel_of(const Shape& weights) {
  std::array<std::int64_t, kMaxSpatial> kernel = {1, 1, 1};
  for (int axis = 1; axis < weights.rank() - 1; ++axis)
    kernel[std::size_t(axis - 1)] = weights[axis];
  return kernel;
}

Status check_weights(const InferContext& context, std::int64_t groups) {
  TRY(context.expect_type(kWeights, {context.type(kX)}));
  TRY(context.expect_rank(kWeights, context.rank(kX), context.rank(kX)));
  const Dims& w = context.dims(kWeights);
  if (!w.known()) {
    return fail(Code::kUnsupported, "weights {}: known dimensions expected", w.text());
  }
  if (w.max_elements() == 0) return fail(Code::kInvalid, "weights {} hold nothing", w.text());
  const Dim& channels = context.dims(kX)[context.rank(kX) - 1];
  const std::int64_t expected = w[w.rank() - 1].bound * groups;
  if (channels.known() && channels.bound != expected) {
    return fail(Code::kInvalid, "input {} has {} channels; weights {} in {} groups expect {}",
                context.dims(kX).text(), channels.bound, w.text(), groups, expected);
  }
  if (w[0].bound % groups) {
    return fail(Code::kInvalid, "{} output channels in {} groups; a multiple expected", w[0].bound,
                groups);
  }
  return {};
}

Status infer(InferContext& context) {
  const Params& p = context.params<Params>();
  TRY(context.expect_type(kX, {DataType::kF32, DataType::kF64}));
  TRY(context.expect_rank(kX, 3, 2 + kMaxSpatial));
  TRY(check_weights(context, p.groups));
  const Dims& x = context.dims(kX);
  const Dims& w = context.dims(kWeights);
  Dims out = {x[0]};
  TRY(infer_window(context, p.window, x, kernel_of(w.bounds()).data(), out));
  out.push_back(w[0]);
  TRY(check_bias(context, kBias, w[0]));
  TRY(check_residual(context, kResidual, out));
  context.output(0, context.type(kX), out);
  return {};
}

// The sum of one output element.
template <class T>
double sum_at(const Window& win, const T* image, const T* weights, const std::int64_t (&at)[3],
              std::int64_t channels, std::int64_t first, std::int64_t depth) {
  double sum = 0;
  std::int64_t tap = 0;
  for (std::int64_t kz = 0; kz < win.kernel[0]; ++kz) {
    for (std::int64_t ky = 0; ky < win.kernel[1]; ++ky) {
      for (std::int64_t kx = 0; kx < win.kernel[2]; ++kx, ++tap) {
        const std::int64_t z = win.source(0, at[0], kz), y = win.source(1, at[1], ky);
        const std::int64_t x = win.source(2, at[2], kx);
        if (z < 0 || z >= win.in[0] || y < 0 || y >= win.in[1] || x < 0 || x >= win.in[2]) continue;
        const T* pixel = image + ((z * win.in[1] + y) * win.in[2] + x) * channels + first;
        const T* w = weights + tap * depth;
        for (std::int64_t c = 0; c < depth; ++c) sum += double(pixel[c]) * double(w[c]);
      }
    }
  }
  return sum;
}

template <class T>
void reference_of(const RunContext& run) {
  const Params& p = run.as<Params>();
  const Shape& in = run.in(kX).shape;
  const Shape& out = run.out(0).shape;
  const Shape& weights = run.in(kWeights).shape;
  const Window win = window_of(p.window, in, out, kernel_of(weights).data());
  const std::int64_t channels = in[in.rank() - 1], outputs = weights[0];
  const std::int64_t depth = weights[weights.rank() - 1], per_group = outputs / p.groups;
  const T* bias = run.has(kBias) ? run.in(kBias).as<T>() : nullptr;
  const T* residual = run.has(kResidual) ? run.in(kResidual).as<T>() : nullptr;
  T* to = run.out(0).as<T>();
  const std::int64_t pixels = out[0] * win.out_pixels();
  for (std::int64_t i = 0; i < pixels; ++i) {
    const std::int64_t pixel = i % win.out_pixels();
    const std::int64_t at[3] = {pixel / (win.out[1] * win.out[2]), pixel / win.out[2] % win.out[1],
                                pixel % win.out[2]};
    const T* image = run.in(kX).as<T>() + i / win.out_pixels() * win.in_pixels() * channels;
    for (std::int64_t o = 0; o < outputs; ++o) {
      const T* w = run.in(kWeights).as<T>() + o * win.kernel_elements() * depth;
      const double sum = sum_at(win, image, w, at, channels, o / per_group * depth, depth) +
                         (bias ? double(bias[o]) : 0);
      const std::int64_t k = i * outputs + o;
      to[k] = T(finish_sum(p.fused, sum, residual ? double(residual[k]) : 0));
    }
  }
}

Status reference(const RunContext& run) {
  if (run.in(kX).type == DataType::kF64) reference_of<double>(run);
  else reference_of<float>(run);
  return {};
}

// What ConvArgs and DepthwiseArgs have in common.
template <class Args>
void fill(const RunContext& run, const Params& p, Args& args) {
  const Shape& in = run.in(kX).shape;
  const Shape& out = run.out(0).shape;
  const Window win = window_of(p.window, in, out, kernel_of(run.in(kWeights).shape).data());
  args.in = run.in(kX).template as<float>();
  args.out = run.out(0).template as<float>();
  args.batch = int(in[0]);
  args.in_h = int(win.in[1]), args.in_w = int(win.in[2]);
  args.out_h = int(win.out[1]), args.out_w = int(win.out[2]);
  args.kernel_h = int(win.kernel[1]), args.kernel_w = int(win.kernel[2]);
  args.stride_h = int(win.stride[1]), args.stride_w = int(win.stride[2]);
  args.dilation_h = int(win.dilation[1]), args.dilation_w = int(win.dilation[2]);
  args.pad_top = int(win.pad_begin[1]), args.pad_left = int(win.pad_begin[2]);
  args.in_stride = in[in.rank() - 1];
  args.out_stride = out[out.rank() - 1];
  args.epilogue = epilogue(run, p.fused, kBias, kResidual, args.out_stride);
}

bool is_depthwise(const Params& p, const Shape& weights) {
  return p.groups > 1 && weights[weights.rank() - 1] == 1;
}

Packing packing_of(const Params& p, const Shape& weights) {
  if (is_depthwise(p, weights)) return {Layout::kTaps};
  return {Layout::kPanels, std::int32_t(p.groups)};
}

void run_conv(const RunContext& run, const float* weights) {
  const Params& p = run.as<Params>();
  const Shape& shape = run.in(kWeights).shape;
  if (run.out(0).shape.elements() == 0) return;
  if (is_depthwise(p, shape)) {
    kernel::DepthwiseArgs args;
    fill(run, p, args);
    args.weights = weights;
    args.channels = int(p.groups);
    args.multiplier = int(shape[0] / p.groups);
    return kernel::run(run.parallel, run.kernels.depthwise, args);
  }
  kernel::ConvArgs args;
  fill(run, p, args);
  args.weights = weights;
  args.in_c = int(args.in_stride);
  args.out_c = int(args.out_stride);
  args.groups = int(p.groups);
  kernel::run(run.parallel, run.kernels.conv, args);
}

Status packed(const RunContext& run) {
  run_conv(run, run.in(kWeights).as<float>());
  return {};
}

// For weights that only the run knows.
Status packing(const RunContext& run) {
  const TensorView& weights = run.in(kWeights);
  auto* panels = reinterpret_cast<float*>(run.workspace);
  pack(packing_of(run.as<Params>(), weights.shape), weights.shape, weights.as<float>(), panels);
  run_conv(run, panels);
  return {};
}

Choice choose(const NodeInfo& node) {
  const Params& p = node.as<Params>();
  const Dims& x = node.in(kX).dims;
  if (node.in(kX).type != DataType::kF32 || x.rank() > 4) return {};
  const Shape weights = node.in(kWeights).dims.bounds();
  if (!fits_int(p.window, x, node.outputs[0].dims, kernel_of(weights).data())) return {};
  Choice choice;
  choice.name = is_depthwise(p, weights) ? "depthwise" : "conv";
  const Packing form = packing_of(p, weights);
  if (node.in(kWeights).constant()) {
    choice.kernel = packed;
    choice.packing[kWeights] = form;
  } else {
    choice.kernel = packing;
    choice.workspace_bytes = packed_bytes(form, weights);
  }
  return choice;
}

double macs(const NodeInfo& node) {
  const Shape weights = node.in(kWeights).dims.bounds();
  const std::int64_t per_output = weights.elements() / weights[0];
  return double(node.outputs[0].dims.max_elements()) * double(per_output);
}

// --- Model formats ---

Status from_onnx(ImportContext& node) {
  TRY_VALUE(const ValueId x, node.to_channels_last(node.in(0)));
  TRY_VALUE(const ValueId w, node.weights_to_channels_last(node.in(1)));
  TRY(check_kernel_shape(node, w));
  TRY_VALUE(Attrs attrs, window_from_onnx(node));
  attrs.set("groups", node.attrs.integer("group", 1));
  TRY_VALUE(const ValueId y, node.emit("Conv", {x, w, node.in(2)}, std::move(attrs)));
  return node.finish_channels_first(y);
}

Result<std::int64_t> known_channels(const ImportContext& node) {
  if (!node.has(0) || !node.has(1)) return fail(Code::kInvalid, "an input and weights expected");
  const Dims& x = node.value(node.in(0)).dims;
  if (x.rank() < 3 || !x[x.rank() - 1].known() || x[x.rank() - 1].bound < 1) {
    return fail(Code::kInvalid, "input {}: a known number of channels expected", x.text());
  }
  return x[x.rank() - 1].bound;
}

Status from_tflite(ImportContext& node) {
  TRY_VALUE(const std::int64_t channels, known_channels(node));
  const Dims& w = node.value(node.in(1)).dims;
  if (w.rank() < 3 || w[w.rank() - 1].bound < 1) {
    return fail(Code::kInvalid, "weights {}: [outputs, kernel..., inputs] expected", w.text());
  }
  TRY_VALUE(Attrs attrs, window_from_tflite(node));
  attrs.set("groups", std::max<std::int64_t>(channels / w[w.rank() - 1].bound, 1));
  return node.finish_tflite_fused("Conv", {node.in(0), node.in(1), node.in(2)}, std::move(attrs));
}

Status from_tflite_depthwise(ImportContext& node) {
  TRY_VALUE(const std::int64_t channels, known_channels(node));
  const Dims& w = node.value(node.in(1)).dims;
  if (w.rank() != 4 || !w[0].is(1)) {
    return fail(Code::kInvalid, "weights {}: [1, height, width, outputs] expected", w.text());
  }
  TRY_VALUE(Attrs attrs, window_from_tflite(node));
  attrs.set("groups", channels);
  constexpr std::int64_t kPerm[] = {3, 1, 2, 0};
  TRY_VALUE(const ValueId weights, node.transpose(node.in(1), kPerm));
  return node.finish_tflite_fused("Conv", {node.in(0), weights, node.in(2)}, std::move(attrs));
}

Status from_tflite_3d(ImportContext& node) {
  TRY_VALUE(Attrs attrs, window_from_tflite(node));
  constexpr std::int64_t kPerm[] = {4, 0, 1, 2, 3};
  TRY_VALUE(const ValueId weights, node.transpose(node.in(1), kPerm));
  return node.finish_tflite_fused("Conv", {node.in(0), weights, node.in(2)}, std::move(attrs));
}

std::vector<Sample> samples() {
  using Ints = std::vector<std::int64_t>;
  const auto fixed = [](Shape shape) { return SampleInput{.shape = shape, .constant = true}; };
  const SampleInput absent{.type = DataType::kNone};
  return {
      {"1x1", {{.shape = {1, 5, 7, 19}}, fixed({33, 1, 1, 19}), fixed({33})}, {}, {{1, 5, 7, 33}}},
      {"3x3 pad 1, relu6",
       {{.shape = {2, 9, 11, 5}}, fixed({18, 3, 3, 5}), fixed({18})},
       {{"pads", Ints{1, 1, 1, 1}}, {"activation", "clamp"}, {"alpha", 0.0}, {"beta", 6.0}},
       {{2, 9, 11, 18}}},
      {"first layer: 3 channels, stride 2, same",
       {{.shape = {1, 17, 15, 3}}, fixed({16, 3, 3, 3}), fixed({16})},
       {{"strides", Ints{2, 2}}, {"auto_pad", "same_upper"}, {"activation", "clamp"}},
       {{1, 9, 8, 16}}},
      {"same lower, even kernel",
       {{.shape = {1, 8, 6, 4}}, fixed({7, 2, 4, 4})},
       {{"auto_pad", "same_lower"}},
       {{1, 8, 6, 7}}},
      {"5x3, dilation 2 and 1, stride 1 and 3",
       {{.shape = {1, 14, 13, 6}}, fixed({10, 5, 3, 6})},
       {{"pads", Ints{3, 0, 1, 2}}, {"dilations", Ints{2, 1}}, {"strides", Ints{1, 3}}},
       {{1, 10, 5, 10}}},
      {"groups",
       {{.shape = {1, 6, 7, 12}}, fixed({21, 3, 3, 4}), fixed({21})},
       {{"groups", std::int64_t(3)}, {"pads", Ints{1, 1, 1, 1}}},
       {{1, 6, 7, 21}}},
      {"residual, then silu",
       {{.shape = {1, 5, 6, 8}}, fixed({17, 1, 1, 8}), fixed({17}), {.shape = {1, 5, 6, 17}}},
       {{"activation", "silu"}},
       {{1, 5, 6, 17}}},
      {"relu, then residual, no bias",
       {{.shape = {2, 4, 4, 16}}, fixed({16, 3, 3, 16}), absent, {.shape = {2, 4, 4, 16}}},
       {{"pads", Ints{1, 1, 1, 1}}, {"activation", "clamp"}, {"residual_after", std::int64_t(1)}}},
      {"depthwise 3x3",
       {{.shape = {1, 10, 9, 35}}, fixed({35, 3, 3, 1}), fixed({35})},
       {{"groups", std::int64_t(35)},
        {"pads", Ints{1, 1, 1, 1}},
        {"activation", "clamp"},
        {"beta", 6.0}}},
      {"depthwise 5x5, stride 2, same, hard swish",
       {{.shape = {2, 13, 11, 16}}, fixed({16, 5, 5, 1})},
       {{"groups", std::int64_t(16)},
        {"strides", Ints{2, 2}},
        {"auto_pad", "same_upper"},
        {"activation", "hard_swish"}},
       {{2, 7, 6, 16}}},
      {"depthwise, multiplier 3",
       {{.shape = {1, 7, 7, 6}}, fixed({18, 3, 3, 1}), fixed({18})},
       {{"groups", std::int64_t(6)}},
       {{1, 5, 5, 18}}},
      {"1-D, dilation 3",
       {{.shape = {2, 31, 7}}, fixed({20, 5, 7}), fixed({20})},
       {{"pads", Ints{12, 0}}, {"dilations", Ints{3}}},
       {{2, 31, 20}}},
      {"1-D depthwise",
       {{.shape = {1, 20, 9}}, fixed({9, 4, 1})},
       {{"groups", std::int64_t(9)}, {"strides", Ints{2}}, {"pads", Ints{1, 2}}},
       {{1, 10, 9}}},
      {"3-D",
       {{.shape = {1, 5, 6, 4, 3}}, fixed({4, 3, 2, 3, 3}), fixed({4})},
       {{"strides", Ints{2, 1, 1}}, {"pads", Ints{1, 0, 1, 1, 1, 1}}},
       {{1, 3, 6, 4, 4}}},
      {"weights of the run",
       {{.shape = {1, 6, 6, 8}}, {.shape = {18, 3, 3, 4}}, {.shape = {18}}},
       {{"groups", std::int64_t(2)}},
       {{1, 4, 4, 18}},
       Known::kShapes},
      {"depthwise weights of the run",
       {{.shape = {1, 6, 6, 8}}, {.shape = {8, 3, 3, 1}}},
       {{"groups", std::int64_t(8)}},
       {{1, 4, 4, 8}},
       Known::kShapes},
      {"f64",
       {{DataType::kF64, {1, 5, 5, 2}}, {DataType::kF64, {3, 3, 3, 2}}},
       {},
       {{1, 3, 3, 3}},
       Known::kShapes}};
}

constexpr OnnxRule kOnnx[] = {{"Conv", from_onnx},
                              {"ConvInteger", import_conv_integer},
                              {"QLinearConv", import_qlinear_conv}};
constexpr TfliteRule kTflite[] = {{"CONV_2D", from_tflite},
                                  {"CONV_3D", from_tflite_3d},
                                  {"DEPTHWISE_CONV_2D", from_tflite_depthwise}};

}  // namespace

extern const OpDef def = {
    .name = "Conv",
    .min_inputs = 2,
    .max_inputs = 4,
    .parse = parser<Params, parse>,
    .params_bytes = sizeof(Params),
    .infer = infer,
    .reference = reference,
    .choose = choose,
    .in_place = 1u << kResidual,
};
extern const OpTools tools = {
    .onnx = kOnnx, .tflite = kTflite, .samples = samples, .packed_input = kWeights, .macs = macs};

}  // namespace polder::ops::conv
