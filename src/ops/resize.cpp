// Resize: resamples some axes, each on its own, by nearest neighbour, linearly or with a cubic.
//
// Attributes: axes (default: all), and for each of them one of scales, sizes, or the inputs 1
// (scales) and 2 (sizes); mode, coordinates (how an output position maps to the input), rounding
// (of nearest), cubic_a, exclude_outside (of cubic); for coordinates "crop" also roi (begins, then
// ends, in units of the input) and extrapolation_value. Positions are computed in f32, as ONNX
// Runtime and LiteRT do, since the nearest of two equally near elements depends on it.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernel/table.h"
#include "ops/rules.h"
#include "ops/tools.h"
#include "ops/types.h"
#include "ops/window.h"

namespace polder::ops::resize {
namespace {

enum : int { kX, kScales, kSizes };
enum class Mode : std::uint8_t { kNearest, kLinear, kCubic };
enum class Coordinates : std::uint8_t {
  kHalfPixel,
  kPytorchHalfPixel,
  kAlignCorners,
  kAsymmetric,
  kTfHalfPixelForNn,
  kCrop
};
enum class Rounding : std::uint8_t { kPreferFloor, kPreferCeil, kFloor, kCeil, kSimple };

struct Params {
  Mode mode;
  Coordinates coordinates;
  Rounding rounding;
  bool exclude_outside;
  double cubic_a, extrapolation_value;
  std::int64_t axes[kMaxRank];
  std::int64_t sizes[kMaxRank];
  double scales[kMaxRank];
  double roi[2 * kMaxRank];
  int axis_count, size_count, scale_count, roi_count;  // axis_count -1: all
};

void parse(AttrReader& attrs, Params& p) {
  static constexpr std::string_view kModes[] = {"nearest", "linear", "cubic"};
  static constexpr std::string_view kCoordinates[] = {"half_pixel",           "pytorch_half_pixel",
                                                      "align_corners",        "asymmetric",
                                                      "tf_half_pixel_for_nn", "crop"};
  static constexpr std::string_view kRoundings[] = {"round_prefer_floor", "round_prefer_ceil",
                                                    "floor", "ceil", "simple"};
  p.mode = Mode(attrs.choice("mode", kModes, 0));
  p.coordinates = Coordinates(attrs.choice("coordinates", kCoordinates, 0));
  p.rounding = Rounding(attrs.choice("rounding", kRoundings, 0));
  p.exclude_outside = attrs.flag("exclude_outside", false);
  p.cubic_a = attrs.real("cubic_a", -0.75, -1e6, 1e6);
  p.extrapolation_value = attrs.real("extrapolation_value", 0);
  p.axis_count = attrs.integers("axes", p.axes, -1, 0, kMaxRank - 1);
  p.size_count = attrs.integers("sizes", p.sizes, 0, 0, kMaxElements);
  p.scale_count = attrs.reals("scales", p.scales, 0);
  p.roi_count = attrs.reals("roi", p.roi, 0);
  const auto finite = [](double x) { return std::abs(x) <= 1e30; };
  if (!std::all_of(p.scales, p.scales + p.scale_count, finite) ||
      !std::all_of(p.roi, p.roi + p.roi_count, finite)) {
    attrs.reject("scales and roi: numbers up to 1e30 expected");
  }
  unsigned seen = 0;
  for (int i = 0; i < p.axis_count; ++i) {
    if (seen >> p.axes[i] & 1) attrs.reject(fmt::format("axis {} is named twice", p.axes[i]));
    seen |= 1u << p.axes[i];
  }
}

int count_of(const Params& p, int rank) { return p.axis_count < 0 ? rank : p.axis_count; }
int axis_of(const Params& p, int i) { return p.axis_count < 0 ? i : int(p.axes[i]); }

bool cropped(const Params& p, int i, int count) {
  return p.coordinates == Coordinates::kCrop && p.roi_count &&
         (p.roi[i] != 0 || p.roi[count + i] != 1);
}

// What is known of axis i's scale: attribute or elements of the input. 0: nothing.
float scale_of(const Params& p, const void* scales, int i) {
  if (p.scale_count) return float(p.scales[i]);
  return scales ? static_cast<const float*>(scales)[i] : 0;
}

std::int64_t scaled(const Params& p, std::int64_t in, float scale, int i, int count) {
  double out = double(float(in) * scale);
  if (cropped(p, i, count)) out *= p.roi[count + i] - p.roi[i];
  if (!(out > 0)) return 0;  // nor what is not a number
  return std::int64_t(std::min(std::floor(out), double(kUnbounded)));
}

Status infer_axis(InferContext& context, const IntList* sizes, const void* scales, int i, int count,
                  Dim& extent) {
  const Params& p = context.params<Params>();
  const Dim in = extent;
  if (p.size_count) extent = p.sizes[i];
  else if (sizes) extent = (*sizes)[i];
  else if (const float scale = scale_of(p, scales, i); scale != 0) {
    if (!(scale > 0)) return fail(Code::kInvalid, "scale {}; above 0 expected", scale);
    const std::int64_t out = scaled(p, in.bound, scale, i, count);
    if (in.known()) extent = out;
    else if (scale != 1 || cropped(p, i, count)) extent = free_extent(context, in, out);
  } else {
    extent = context.new_dim(kUnbounded);
  }
  if (extent.bound < 0 || (in.bound == 0 && extent.bound > 0)) {
    return fail(Code::kInvalid, "extent {} cannot be resized to {}", in.bound, extent.bound);
  }
  return {};
}

// How many values the attribute or input has, against how many axes.
Status check_count(const char* what, std::int64_t found, int count) {
  if (!found || found == count) return {};
  return fail(Code::kInvalid, "{} {} for {} axes", found, what, count);
}

Status infer(InferContext& context) {
  const Params& p = context.params<Params>();
  if (p.mode != Mode::kNearest) {
    TRY(context.expect_type(kX, {DataType::kF32, DataType::kF64, DataType::kU8, DataType::kI8}));
  }
  const int rank = context.rank(kX), count = count_of(p, rank);
  TRY(check_count("scales", p.scale_count, count));
  TRY(check_count("sizes", p.size_count, count));
  if (p.roi_count) TRY(check_count("bounds of roi", p.roi_count, 2 * count));
  const int sources =
      (p.scale_count > 0) + (p.size_count > 0) + context.has(kScales) + context.has(kSizes);
  if (count > 0 && sources != 1) {
    return fail(Code::kInvalid, "scales and sizes are given in {} ways; one expected", sources);
  }
  const void* scales = nullptr;
  IntList list;
  const IntList* sizes = nullptr;
  for (const int i : {kScales, kSizes}) {
    if (!context.has(i)) continue;
    TRY(context.expect_rank(i, 1, 1));
    if (const Dim& own = context.dims(i)[0]; own.known() && own.bound != count)
      return fail(Code::kInvalid, "input {} has {} elements for {} axes", i, own.bound, count);
  }
  if (context.has(kScales)) {
    TRY(context.expect_type(kScales, {DataType::kF32}));
    if (context.dims(kScales).known()) scales = context.input(kScales).data;
  }
  if (context.has(kSizes)) {
    TRY(context.expect_type(kSizes, {DataType::kI64, DataType::kI32}));
    if (context.ints(kSizes, list) && list.size() == count) sizes = &list;
  }
  Dims out = context.dims(kX);
  for (int i = 0; i < count; ++i) {
    const int axis = axis_of(p, i);
    if (axis >= rank) return fail(Code::kInvalid, "axis {} of a tensor of rank {}", axis, rank);
    TRY(infer_axis(context, sizes, scales, i, count, out[axis]));
  }
  context.output(0, context.type(kX), out);
  return {};
}

// --- Tables: for each position of an axis of the output, which elements to read ---

int taps_of(Mode mode) { return mode == Mode::kNearest ? 1 : mode == Mode::kLinear ? 2 : 4; }

struct Axis {
  int axis = 0;
  std::int64_t in = 1, out = 1;
  float scale = 1, begin = 0, end = 1;
  float length = 1;               // of the output before it is rounded down to `out`
  std::int32_t* index = nullptr;  // [out, taps]; -1: outside, take extrapolation_value
  float* weight = nullptr;        // [out, taps]

  bool identity() const { return in == out && scale == 1 && begin == 0 && end == 1; }
};

float source(const Params& p, const Axis& a, std::int64_t position) {
  const float x = float(position), in = float(a.in), out = float(a.out);
  switch (p.coordinates) {
    case Coordinates::kHalfPixel: return (x + 0.5f) / a.scale - 0.5f;
    case Coordinates::kPytorchHalfPixel: return a.out > 1 ? (x + 0.5f) / a.scale - 0.5f : 0;
    case Coordinates::kAlignCorners: return a.out > 1 ? x * (in - 1) / (a.length - 1) : 0;
    case Coordinates::kAsymmetric: return x / a.scale;
    case Coordinates::kTfHalfPixelForNn: return (x + 0.5f) / a.scale;
    case Coordinates::kCrop:
      if (a.out == 1) return 0.5f * (a.begin + a.end) * (in - 1);
      return a.begin * (in - 1) + x * (a.end - a.begin) * (in - 1) / (out - 1);
  }
  return x;
}

float nearest(const Params& p, const Axis& a, float x) {
  switch (p.rounding) {
    case Rounding::kPreferFloor: return x == std::trunc(x) + 0.5f ? std::floor(x) : std::round(x);
    case Rounding::kPreferCeil: return std::round(x);
    case Rounding::kFloor: return std::floor(x);
    case Rounding::kCeil: return std::ceil(x);
    case Rounding::kSimple: return a.scale < 1 ? std::ceil(x) : std::trunc(x);
  }
  return x;
}

// A position as an element of the axis; what is not a number becomes 0.
std::int32_t clamped(const Axis& a, float x) {
  if (!(x > 0)) return 0;
  return std::int32_t(std::min(std::int64_t(std::min(x, 1e9f)), a.in - 1));
}

void cubic_taps(const Params& p, const Axis& a, float x, std::int32_t* index, float* weight) {
  const float floor = std::floor(x), t = x - floor, c = float(p.cubic_a);
  weight[0] = ((c * (t + 1) - 5 * c) * (t + 1) + 8 * c) * (t + 1) - 4 * c;
  weight[1] = ((c + 2) * t - (c + 3)) * t * t + 1;
  weight[2] = ((c + 2) * (1 - t) - (c + 3)) * (1 - t) * (1 - t) + 1;
  weight[3] = ((c * (2 - t) - 5 * c) * (2 - t) + 8 * c) * (2 - t) - 4 * c;
  float sum = 0;
  for (int k = 0; k < 4; ++k) {
    const float at = floor + float(k - 1);
    if (p.exclude_outside && (at < 0 || at > float(a.in - 1))) weight[k] = 0;
    index[k] = clamped(a, at);
    sum += weight[k];
  }
  for (int k = 0; p.exclude_outside && k < 4; ++k) weight[k] /= sum;
}

void fill_table(const Params& p, const Axis& a) {
  const int taps = taps_of(p.mode);
  for (std::int64_t i = 0; i < a.out; ++i) {
    std::int32_t* index = a.index + i * taps;
    float* weight = a.weight + i * taps;
    const float x = source(p, a, i);
    if (p.coordinates == Coordinates::kCrop && !(x >= 0 && x <= float(a.in - 1))) {
      std::fill_n(index, taps, -1);
    } else if (p.mode == Mode::kNearest) {
      index[0] = clamped(a, nearest(p, a, x));
      weight[0] = 1;
    } else if (p.mode == Mode::kLinear) {
      const float at = std::clamp(x, 0.0f, float(a.in - 1));
      index[0] = clamped(a, at);
      index[1] = clamped(a, float(index[0]) + 1);
      weight[1] = at - float(index[0]);
      weight[0] = 1 - weight[1];
    } else {
      cubic_taps(p, a, x, index, weight);
    }
  }
}

// The axes that change, with their tables in the workspace, by rising axis.
struct Tables {
  Axis axes[kMaxRank];
  int count = 0;
};

std::size_t table_bytes(const Params& p, std::int64_t out) {
  const std::size_t bytes = std::size_t(out) * std::size_t(taps_of(p.mode)) * 4;
  return (bytes + 63) / 64 * 64;
}

Tables make_tables(const RunContext& run) {
  const Params& p = run.as<Params>();
  const Shape& in = run.in(kX).shape;
  const Shape& out = run.out(0).shape;
  const int count = count_of(p, in.rank());
  const void* scales = run.has(kScales) ? run.in(kScales).data : nullptr;
  Tables tables;
  for (int i = 0; i < count; ++i) {
    Axis a;
    a.axis = axis_of(p, i);
    a.in = in[a.axis];
    a.out = out[a.axis];
    a.scale = scale_of(p, scales, i);
    a.length = a.scale == 0 ? float(a.out) : a.scale * float(a.in);
    if (a.scale == 0) a.scale = float(a.out) / float(a.in);
    if (cropped(p, i, count)) {
      a.begin = float(p.roi[i]);
      a.end = float(p.roi[count + i]);
    }
    if (!a.identity()) tables.axes[tables.count++] = a;
  }
  std::sort(tables.axes, tables.axes + tables.count,
            [](const Axis& a, const Axis& b) { return a.axis < b.axis; });
  std::byte* at = run.workspace;
  for (int i = 0; i < tables.count; ++i) {
    Axis& a = tables.axes[i];
    a.index = reinterpret_cast<std::int32_t*>(at);
    a.weight = reinterpret_cast<float*>(at + table_bytes(p, a.out));
    at += 2 * table_bytes(p, a.out);
    fill_table(p, a);
  }
  return tables;
}

std::size_t workspace_of(const NodeInfo& node) {
  const Params& p = node.as<Params>();
  const Dims& out = node.outputs[0].dims;
  std::size_t bytes = 0;
  for (int i = 0; i < count_of(p, out.rank()); ++i) {
    bytes += 2 * table_bytes(p, out[axis_of(p, i)].bound);
  }
  return bytes;
}

template <class T>
T round_to(double x) {
  if constexpr (std::is_integral_v<T>) {
    if (std::isnan(x)) return 0;
    return T(std::clamp(std::nearbyint(x), double(std::numeric_limits<T>::min()),
                        double(std::numeric_limits<T>::max())));
  } else {
    return T(x);
  }
}

// One element: the weighted sum over all combinations of taps. `base` is its offset along the axes
// that do not change, `position` its coordinates.
template <class T>
T element_at(const Params& p, const Tables& tables, const std::int64_t* strides, const T* in,
             std::int64_t base, const std::int64_t* position) {
  const int taps = taps_of(p.mode);
  int combinations = 1;
  for (int i = 0; i < tables.count; ++i) combinations *= taps;
  double sum = 0;
  for (int c = 0; c < combinations; ++c) {
    double weight = 1;
    std::int64_t at = base;
    for (int i = 0, rest = c; i < tables.count; ++i, rest /= taps) {
      const Axis& a = tables.axes[i];
      const std::int64_t entry = position[a.axis] * taps + rest % taps;
      if (a.index[entry] < 0) return round_to<T>(p.extrapolation_value);
      at += a.index[entry] * strides[a.axis];
      weight *= double(a.weight[entry]);
    }
    if (p.mode == Mode::kNearest) return in[at];
    sum += weight * double(in[at]);
  }
  return round_to<T>(sum);
}

template <class T>
void resample(const RunContext& run, const Tables& tables) {
  const Shape& in = run.in(kX).shape;
  const Shape& out = run.out(0).shape;
  std::int64_t strides[kMaxRank], position[kMaxRank] = {}, step[kMaxRank];
  std::int64_t stride = 1;
  for (int axis = in.rank() - 1; axis >= 0; --axis) {
    step[axis] = strides[axis] = stride;
    stride *= in[axis];
  }
  for (int i = 0; i < tables.count; ++i) step[tables.axes[i].axis] = 0;
  const std::int64_t count = out.elements();
  std::int64_t base = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    run.out(0).as<T>()[i] =
        element_at(run.as<Params>(), tables, strides, run.in(kX).as<const T>(), base, position);
    for (int axis = out.rank() - 1; axis >= 0; --axis) {
      base += step[axis];
      if (++position[axis] < out[axis]) break;
      base -= step[axis] * out[axis];
      position[axis] = 0;
    }
  }
}

Status run_plain(const RunContext& run, const Tables& tables) {
  // f16 and the like have no arithmetic here, but nearest only moves them.
  const auto run_as = [&]<class T>() { resample<T>(run, tables); };
  if (!dispatch(run.in(kX).type, run_as)) dispatch_size(run.in(kX).type, run_as);
  return {};
}

Status reference(const RunContext& run) {
  if (run.out(0).shape.elements() == 0) return {};
  return run_plain(run, make_tables(run));
}

// One axis, or two neighbouring ones, of which the outer axes are a batch and the inner channels.
Status vector(const RunContext& run) {
  if (run.out(0).shape.elements() == 0) return {};
  const Tables tables = make_tables(run);
  const Shape& in = run.in(kX).shape;
  if (tables.count == 0) {
    std::memcpy(run.out(0).data, run.in(kX).data, run.in(kX).bytes());
    return {};
  }
  const Axis& x = tables.axes[tables.count - 1];
  const bool neighbours = tables.count == 2 && tables.axes[0].axis + 1 == x.axis;
  if (tables.count > 2 || (tables.count == 2 && !neighbours)) return run_plain(run, tables);
  std::int64_t batch = 1, channels = 1;
  for (int axis = 0; axis < tables.axes[0].axis; ++axis) batch *= in[axis];
  for (int axis = x.axis + 1; axis < in.rank(); ++axis) channels *= in[axis];
  const std::int64_t limit = std::int64_t(1) << 31;
  if (batch >= limit || channels >= limit) return run_plain(run, tables);
  kernel::ResizeArgs args;
  args.in = run.in(kX).as<float>();
  args.out = run.out(0).as<float>();
  args.batch = int(batch);
  args.channels = int(channels);
  args.taps = taps_of(run.as<Params>().mode);
  args.in_w = int(x.in), args.out_w = int(x.out);
  args.x_index = x.index, args.x_weight = x.weight;
  const std::int32_t first[4] = {};
  const float all[4] = {1, 0, 0, 0};
  args.y_index = first, args.y_weight = all;
  if (neighbours) {
    const Axis& y = tables.axes[0];
    args.in_h = int(y.in), args.out_h = int(y.out);
    args.y_index = y.index, args.y_weight = y.weight;
  }
  kernel::run(run.parallel, run.kernels.resize, args);
  return {};
}

Choice choose(const NodeInfo& node) {
  if (node.in(kX).type != DataType::kF32 || node.as<Params>().coordinates == Coordinates::kCrop ||
      !fits_int(node.in(kX).dims) || !fits_int(node.outputs[0].dims)) {
    return {};
  }
  return {.kernel = vector, .name = "vector", .workspace_bytes = workspace_of(node)};
}

// --- Model formats ---

// The elements of input `i` when they are constant, else nothing.
std::vector<double> known_reals(const ImportContext& node, int i) {
  if (!node.has(i)) return {};
  Result<std::vector<double>> elements = constant_reals(node, i);
  return elements ? std::move(elements).value() : std::vector<double>();
}

bool has_elements(const ImportContext& node, int i) {
  return node.has(i) && !(node.rank(i) == 1 && node.value(node.in(i)).dims[0].is(0));
}

Result<Attrs> onnx_attrs(const ImportContext& node, bool old) {
  Attrs attrs;
  std::string mode = node.attrs.text("mode", "nearest");
  if (mode == "bilinear") mode = "linear";
  attrs.set("mode", mode);
  std::string coordinates = node.attrs.text("coordinate_transformation_mode", "half_pixel");
  if (coordinates == "tf_crop_and_resize") coordinates = "crop";
  attrs.set("coordinates", old ? "asymmetric" : coordinates);
  attrs.set("rounding", old ? "simple" : node.attrs.text("nearest_mode", "round_prefer_floor"));
  attrs.set("cubic_a", node.attrs.real("cubic_coeff_a", -0.75));
  attrs.set("exclude_outside", node.attrs.integer("exclude_outside", 0));
  attrs.set("extrapolation_value", node.attrs.real("extrapolation_value", 0));
  if (node.attrs.integer("antialias", 0) ||
      node.attrs.text("keep_aspect_ratio_policy", "stretch") != "stretch") {
    return fail(Code::kUnsupported, "Resize with antialias or keep_aspect_ratio_policy");
  }
  return attrs;
}

// Known scales or sizes become attributes of the axes that change; others stay inputs.
Status finish_scales(ImportContext& node, Attrs attrs, const std::vector<double>& scales) {
  std::vector<std::int64_t> axes;
  std::vector<double> kept;
  for (std::size_t axis = 0; axis < scales.size(); ++axis) {
    if (scales[axis] == 1 && axis + 1 < scales.size()) continue;
    if (scales[axis] == 1 && !axes.empty()) continue;
    axes.push_back(std::int64_t(axis));
    kept.push_back(scales[axis]);
  }
  attrs.set("axes", axes);
  attrs.set("scales", kept);
  return node.finish("Resize", {node.in(0)}, std::move(attrs));
}

Status finish_sizes(ImportContext& node, Attrs attrs, int input) {
  const Dims dims = node.value(node.in(0)).dims;
  std::vector<std::int64_t> all, axes, sizes;
  for (int axis = 0; axis < dims.rank(); ++axis) all.push_back(axis);
  const Value& value = node.value(node.in(input));
  const auto known = node.constant_ints(input);
  for (int axis = 0; axis < dims.rank(); ++axis) {
    Dim size;
    if (known.ok() && known.value().size() == std::size_t(dims.rank())) {
      size = known.value()[std::size_t(axis)];
    } else if (value.ints && value.ints->size() == dims.rank()) {
      size = (*value.ints)[axis];
    } else {
      size = Dim(0, -1);
    }
    if (size == dims[axis] && (axis + 1 < dims.rank() || !axes.empty())) continue;
    if (!size.known()) {
      attrs.set("axes", all);
      return node.finish("Resize", {node.in(0), kNoValue, node.in(input)}, std::move(attrs));
    }
    axes.push_back(axis);
    sizes.push_back(size.bound);
  }
  attrs.set("axes", axes);
  attrs.set("sizes", sizes);
  return node.finish("Resize", {node.in(0)}, std::move(attrs));
}

Status from_onnx(ImportContext& node) {
  const bool old = node.version < 11;
  TRY_VALUE(Attrs attrs, onnx_attrs(node, old));
  const int scales_input = old ? 1 : 2;
  if (attrs.text("coordinates", "") == "crop") {
    const std::vector<double> roi = known_reals(node, 1);
    if (roi.size() != 2 * std::size_t(node.rank(0)))
      return fail(Code::kUnsupported,
                  "input 1 (roi) must hold two values for each axis, known before the run; bind it "
                  "when compiling (--bind NAME=VALUES)");
    attrs.set("roi", roi);
    if (!has_elements(node, scales_input)) {
      TRY_VALUE(const auto sizes, node.constant_ints(3));
      attrs.set("sizes", sizes);
    } else {
      attrs.set("scales", known_reals(node, scales_input));
    }
    return node.finish("Resize", {node.in(0)}, std::move(attrs));
  }
  if (!has_elements(node, scales_input)) {
    if (!has_elements(node, 3)) return fail(Code::kInvalid, "neither scales nor sizes");
    return finish_sizes(node, std::move(attrs), 3);
  }
  const std::vector<double> scales = known_reals(node, scales_input);
  if (!scales.empty()) return finish_scales(node, std::move(attrs), scales);
  return node.finish("Resize", {node.in(0), node.in(scales_input)}, std::move(attrs));
}

// Upsample: scales are an attribute up to opset 8, an input from 9.
Status from_onnx_upsample(ImportContext& node) {
  TRY_VALUE(Attrs attrs, onnx_attrs(node, true));
  std::vector<double> scales = node.attrs.reals("scales");
  if (scales.empty()) scales = known_reals(node, 1);
  if (!scales.empty()) return finish_scales(node, std::move(attrs), scales);
  return node.finish("Resize", {node.in(0), node.in(1)}, std::move(attrs));
}

template <bool nearest>
Status from_tflite(ImportContext& node) {
  const bool half = node.attrs.integer("half_pixel_centers", 0) != 0;
  const bool corners = node.attrs.integer("align_corners", 0) != 0;
  const char* half_pixel = nearest ? "tf_half_pixel_for_nn" : "half_pixel";
  Attrs attrs = {{"mode", nearest ? "nearest" : "linear"},
                 {"coordinates", corners ? "align_corners"
                                 : half  ? half_pixel
                                         : "asymmetric"},
                 {"rounding", corners ? "round_prefer_ceil" : "floor"},
                 {"axes", std::vector<std::int64_t>{1, 2}}};
  if (const auto sizes = node.constant_ints(1); sizes.ok()) {
    attrs.set("sizes", sizes.value());
    return node.finish("Resize", {node.in(0)}, std::move(attrs));
  }
  return node.finish("Resize", {node.in(0), kNoValue, node.in(1)}, std::move(attrs));
}

std::vector<Sample> samples() {
  using Ints = std::vector<std::int64_t>;
  using Reals = std::vector<double>;
  const Ints axes = {1, 2};
  std::vector<Sample> all = {
      {"nearest 2x", {{.shape = {2, 5, 7, 19}}}, {{"axes", axes}, {"scales", Reals{2, 2}}}},
      {"nearest, channel-first",
       {{.shape = {2, 3, 5, 7}}},
       {{"axes", Ints{2, 3}}, {"sizes", Ints{3, 11}}, {"rounding", "ceil"}}},
      {"linear 2x",
       {{.shape = {1, 5, 7, 17}}},
       {{"axes", axes}, {"scales", Reals{2, 2}}, {"mode", "linear"}}},
      {"linear, smaller, one axis",
       {{.shape = {1, 9, 6}}},
       {{"axes", Ints{1}}, {"sizes", Ints{4}}, {"mode", "linear"}}},
      {"cubic, nothing outside",
       {{.shape = {1, 6, 5, 3}}},
       {{"axes", axes},
        {"scales", Reals{1.7, 0.6}},
        {"mode", "cubic"},
        {"exclude_outside", std::int64_t(1)}}},
      {"linear, three axes",
       {{.shape = {4, 5, 6}}},
       {{"sizes", Ints{5, 7, 3}}, {"mode", "linear"}}},
      {"crop",
       {{.shape = {1, 6, 6, 2}}},
       {{"axes", axes},
        {"sizes", Ints{4, 4}},
        {"mode", "linear"},
        {"coordinates", "crop"},
        {"roi", Reals{0.4, 0.6, 1.2, 0.8}},
        {"extrapolation_value", 10.0}}},
      {"u8, nearest",
       {{DataType::kU8, {1, 4, 4, 3}, {}, false, 0, 255}},
       {{"axes", axes}, {"scales", Reals{3, 2}}}}};
  for (const char* coordinates :
       {"pytorch_half_pixel", "align_corners", "asymmetric", "tf_half_pixel_for_nn"}) {
    all.push_back({std::string("linear, ") + coordinates,
                   {{.shape = {1, 4, 5, 8}}},
                   {{"axes", axes},
                    {"sizes", Ints{7, 3}},
                    {"mode", "linear"},
                    {"coordinates", coordinates}}});
  }
  return all;
}

constexpr OnnxRule kOnnx[] = {{"Resize", from_onnx}, {"Upsample", from_onnx_upsample}};
constexpr TfliteRule kTflite[] = {{"RESIZE_BILINEAR", from_tflite<false>},
                                  {"RESIZE_NEAREST_NEIGHBOR", from_tflite<true>}};

}  // namespace

extern const OpDef def = {
    .name = "Resize",
    .max_inputs = 3,
    .parse = parser<Params, parse>,
    .params_bytes = sizeof(Params),
    .infer = infer,
    .reference = reference,
    .reference_workspace = workspace_of,
    .choose = choose,
};
extern const OpTools tools = {
    .onnx = kOnnx, .tflite = kTflite, .samples = samples, .commute = Commute::kAxes};

}  // namespace polder::ops::resize
