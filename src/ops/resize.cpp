// Resize: resamples some axes, each on its own, by nearest neighbour, linearly or with a cubic.
//
// Attributes: axes (default: all), and for each of them one of scales, sizes, or the inputs 1
// (scales) and 2 (sizes); mode, coordinates (how an output position maps to the input), rounding
// (of nearest), cubic_a, exclude_outside (of cubic); for coordinates "crop" also roi (begins, then
// ends, in units of the input) and extrapolation_value. Positions are computed in f32, as LiteRT
// does: of two equally near elements ONNX Runtime takes the other one now and then. With scales and
// align_corners the length of the output is the product, not rounded, as ONNX's node tests have it
// (ONNX Runtime rounds it).
#include <algorithm>
#include <cmath>
#include <numeric>

#include "ops/resize.h"
#include "ops/rules.h"
#include "ops/tools.h"
#include "ops/window.h"

namespace polder::ops::resize {
namespace {

constexpr std::string_view kScaleRange = "a number above 0, up to 1e30, expected";
// Nor is what is not a number.
bool is_scale(float scale) { return scale > 0 && scale <= 1e30; }

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
  double scales[kMaxRank];
  p.scale_count = attrs.reals("scales", scales, 0);
  for (int i = 0; i < p.scale_count; ++i) {
    p.scales[i] = float(scales[i]);
    if (!is_scale(p.scales[i]))
      attrs.reject(fmt::format("scale {} is {}; {}", i, scales[i], kScaleRange));
  }
  p.roi_count = attrs.reals("roi", p.roi, 0);
  const auto finite = [](double x) { return std::abs(x) <= 1e30; };
  if (!std::all_of(p.roi, p.roi + p.roi_count, finite))
    attrs.reject("roi: numbers up to 1e30 expected");
  unsigned seen = 0;
  for (int i = 0; i < p.axis_count; ++i) {
    if (seen >> p.axes[i] & 1) attrs.reject(fmt::format("axis {} is named twice", p.axes[i]));
    seen |= 1u << p.axes[i];
  }
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
  else if (const float* scale = scale_of(p, scales, i)) {
    if (!is_scale(*scale))
      return fail(Code::kInvalid, "input 1 (scales): element {} is {}; {}", i, *scale, kScaleRange);
    const std::int64_t out = scaled(p, in.bound, *scale, i, count);
    if (in.known()) extent = out;
    else if (*scale != 1 || cropped(p, i, count)) extent = free_extent(context, in, out);
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
  if (node.attrs.integer("antialias", 0) != 0)
    return fail(Code::kUnsupported, "attribute 'antialias': smoothing does not run");
  if (const auto policy = node.attrs.text("keep_aspect_ratio_policy", "stretch");
      policy != "stretch")
    return fail(Code::kUnsupported, "attribute 'keep_aspect_ratio_policy' is '{}'; 'stretch' runs",
                policy);
  return attrs;
}

using Axes = std::vector<std::int64_t>;

// What scales, sizes and the region are given for: attribute "axes" (from operator set 18), or all.
Result<Axes> resized_axes(const ImportContext& node) {
  const int rank = node.rank(0);
  Axes axes = node.attrs.integers("axes");
  if (!node.attrs.has("axes")) {
    axes.resize(std::size_t(rank));
    std::iota(axes.begin(), axes.end(), 0);
  }
  for (std::int64_t& axis : axes) {
    if (axis < -rank || axis >= rank)
      return fail(Code::kInvalid, "attribute 'axes' names axis {} of rank {}", axis, rank);
    if (axis < 0) axis += rank;
    if (std::ranges::count(axes, axis) > 1)
      return fail(Code::kInvalid, "attribute 'axes' names axis {} twice", axis);
  }
  return axes;
}

Status check_count(std::size_t given, std::size_t expected, std::string_view what) {
  if (given == expected) return {};
  return fail(Code::kInvalid, "{} {}; {} expected, for the axes that are resized", given, what,
              expected);
}

Status check_scales(const std::vector<double>& scales, const Axes& axes, const std::string& where) {
  TRY(check_count(scales.size(), axes.size(), "scales"));
  for (std::size_t i = 0; i < scales.size(); ++i) {
    if (is_scale(float(scales[i]))) continue;
    return fail(Code::kInvalid, "{} is {} for axis {}; {}", where, scales[i], axes[i], kScaleRange);
  }
  return {};
}

// Known scales or sizes become attributes of the axes that change; others stay inputs.
Status finish_scales(ImportContext& node, Attrs attrs, const Axes& axes,
                     const std::vector<double>& scales) {
  Axes changed;
  std::vector<double> kept;
  for (std::size_t i = 0; i < scales.size(); ++i) {
    const bool is_last = i + 1 == scales.size();
    if (scales[i] == 1 && !(is_last && changed.empty())) continue;
    changed.push_back(axes[i]);
    kept.push_back(scales[i]);
  }
  attrs.set("axes", changed);
  attrs.set("scales", kept);
  return node.finish("Resize", {node.in(0)}, std::move(attrs));
}

Status finish_sizes(ImportContext& node, Attrs attrs, const Axes& axes, int input) {
  const Dims dims = node.value(node.in(0)).dims;
  Axes changed, sizes;
  const Value& value = node.value(node.in(input));
  const auto known = node.constant_ints(input);
  if (known.ok()) TRY(check_count(known.value().size(), axes.size(), "sizes"));
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const Dim& dim = dims[int(axes[i])];
    Dim size(0, -1);
    if (known.ok()) size = known.value()[i];
    else if (value.ints && value.ints->size() == int(axes.size())) size = (*value.ints)[int(i)];
    const bool is_last = i + 1 == axes.size();
    if (size == dim && !(is_last && changed.empty())) continue;
    if (!size.known()) {
      attrs.set("axes", axes);
      return node.finish("Resize", {node.in(0), kNoValue, node.in(input)}, std::move(attrs));
    }
    changed.push_back(axes[i]);
    sizes.push_back(size.bound);
  }
  attrs.set("axes", changed);
  attrs.set("sizes", sizes);
  return node.finish("Resize", {node.in(0)}, std::move(attrs));
}

Status finish_crop(ImportContext& node, Attrs attrs, const Axes& axes,
                   const std::vector<double>& scales, bool is_scaled) {
  const std::vector<double> roi = known_reals(node, 1);
  if (roi.size() != 2 * axes.size())
    return fail(Code::kUnsupported,
                "input 1 (roi) must hold two values for each axis, known before the run; bind it "
                "when compiling (--bind NAME=VALUES)");
  attrs.set("roi", roi);
  attrs.set("axes", axes);
  if (is_scaled) {
    attrs.set("scales", scales);
  } else {
    TRY_VALUE(const auto sizes, node.constant_ints(3));
    TRY(check_count(sizes.size(), axes.size(), "sizes"));
    attrs.set("sizes", sizes);
  }
  return node.finish("Resize", {node.in(0)}, std::move(attrs));
}

Status from_onnx(ImportContext& node) {
  const bool old = node.version < 11;
  TRY_VALUE(Attrs attrs, onnx_attrs(node, old));
  TRY_VALUE(const Axes axes, resized_axes(node));
  if (axes.empty()) return node.finish("Identity", {node.in(0)}, {});
  const int scales_input = old ? 1 : 2;
  const bool is_scaled = has_elements(node, scales_input);
  const std::vector<double> scales = known_reals(node, scales_input);
  if (!scales.empty())
    TRY(check_scales(scales, axes, fmt::format("input {} (scales)", scales_input)));
  if (!is_scaled && !has_elements(node, 3)) return fail(Code::kInvalid, "neither scales nor sizes");
  if (attrs.text("coordinates", "") == "crop")
    return finish_crop(node, std::move(attrs), axes, scales, is_scaled);
  if (!is_scaled) return finish_sizes(node, std::move(attrs), axes, 3);
  if (!scales.empty()) return finish_scales(node, std::move(attrs), axes, scales);
  attrs.set("axes", axes);
  return node.finish("Resize", {node.in(0), node.in(scales_input)}, std::move(attrs));
}

// Upsample: scales are an attribute up to opset 8, an input from 9.
Status from_onnx_upsample(ImportContext& node) {
  TRY_VALUE(Attrs attrs, onnx_attrs(node, true));
  std::vector<double> scales = node.attrs.reals("scales");
  const bool is_input = scales.empty();
  if (is_input) scales = known_reals(node, 1);
  TRY_VALUE(const Axes axes, resized_axes(node));
  if (!scales.empty()) {
    TRY(check_scales(scales, axes, is_input ? "input 1 (scales)" : "attribute 'scales'"));
    return finish_scales(node, std::move(attrs), axes, scales);
  }
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
  std::vector<Sample> all = {{"nearest 2x",
                              {{.shape = {2, 5, 7, 19}}},
                              {{"axes", axes}, {"scales", Reals{2, 2}}},
                              {{2, 10, 14, 19}}},
                             {"nearest, channel-first",
                              {{.shape = {2, 3, 5, 7}}},
                              {{"axes", Ints{2, 3}}, {"sizes", Ints{3, 11}}, {"rounding", "ceil"}},
                              {{2, 3, 3, 11}}},
                             {"linear 2x",
                              {{.shape = {1, 5, 7, 17}}},
                              {{"axes", axes}, {"scales", Reals{2, 2}}, {"mode", "linear"}},
                              {{1, 10, 14, 17}}},
                             {"linear, smaller, one axis",
                              {{.shape = {1, 9, 6}}},
                              {{"axes", Ints{1}}, {"sizes", Ints{4}}, {"mode", "linear"}},
                              {{1, 4, 6}}},
                             {"cubic, nothing outside",
                              {{.shape = {1, 6, 5, 3}}},
                              {{"axes", axes},
                               {"scales", Reals{1.7, 0.6}},
                               {"mode", "cubic"},
                               {"exclude_outside", std::int64_t(1)}},
                              {{1, 10, 3, 3}}},
                             {"linear, three axes",
                              {{.shape = {4, 5, 6}}},
                              {{"sizes", Ints{5, 7, 3}}, {"mode", "linear"}},
                              {{5, 7, 3}}},
                             {"crop",
                              {{.shape = {1, 6, 6, 2}}},
                              {{"axes", axes},
                               {"sizes", Ints{4, 4}},
                               {"mode", "linear"},
                               {"coordinates", "crop"},
                               {"roi", Reals{0.4, 0.6, 1.2, 0.8}},
                               {"extrapolation_value", 10.0}},
                              {{1, 4, 4, 2}}},
                             {"u8, nearest",
                              {{DataType::kU8, {1, 4, 4, 3}, {}, false, 0, 255}},
                              {{"axes", axes}, {"scales", Reals{3, 2}}},
                              {{1, 12, 8, 3}}}};
  for (const char* coordinates :
       {"pytorch_half_pixel", "align_corners", "asymmetric", "tf_half_pixel_for_nn"}) {
    all.push_back(
        {std::string("linear, ") + coordinates,
         {{.shape = {1, 4, 5, 8}}},
         {{"axes", axes}, {"sizes", Ints{7, 3}}, {"mode", "linear"}, {"coordinates", coordinates}},
         {{1, 7, 3, 8}}});
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
