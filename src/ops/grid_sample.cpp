// GridSample on [N, H, W, C]: reads the input at the positions that a grid [N, out H, out W, 2]
// gives as (x, y), -1 to 1 across the input, and interpolates. Cubic interpolation has the
// parameter -0.75.
#include <algorithm>
#include <cmath>

#include "ops/tools.h"
#include "ops/types.h"

namespace polder::ops::grid_sample {
namespace {

enum class Mode : std::uint8_t { kLinear, kNearest, kCubic };
enum class Padding : std::uint8_t { kZeros, kBorder, kReflection };

struct Params {
  Mode mode;
  Padding padding;
  bool align_corners;
};

void parse(AttrReader& attrs, Params& p) {
  // Operator set 20 renamed two of them.
  static constexpr std::string_view kModes[] = {"bilinear", "nearest", "bicubic", "linear",
                                                "cubic"};
  static constexpr Mode kMeaning[] = {Mode::kLinear, Mode::kNearest, Mode::kCubic, Mode::kLinear,
                                      Mode::kCubic};
  static constexpr std::string_view kPaddings[] = {"zeros", "border", "reflection"};
  p.mode = kMeaning[attrs.choice("mode", kModes, 0)];
  p.padding = Padding(attrs.choice("padding_mode", kPaddings, 0));
  p.align_corners = attrs.flag("align_corners", false);
}

Status infer(InferContext& context) {
  TRY(context.expect_type(0, {DataType::kF32, DataType::kF64}));
  TRY(context.expect_type(1, {context.type(0)}));
  TRY(context.expect_rank(0, 4, 4));
  TRY(context.expect_rank(1, 4, 4));
  const Dims &x = context.dims(0), &grid = context.dims(1);
  const bool batches = !x[0].known() || !grid[0].known() || x[0] == grid[0];
  if (!batches || (grid[3].known() && !grid[3].is(2))) {
    return fail(Code::kInvalid, "the grid is {}; [{},height,width,2] expected", grid.text(),
                x[0].bound);
  }
  context.output(0, context.type(0), {x[0], grid[1], grid[2], x[3]});
  return {};
}

// One spatial axis of the input.
struct Axis {
  Padding padding;
  Mode mode;
  bool align_corners;
  std::int64_t extent;

  double low() const { return align_corners ? 0 : -0.5; }
  double high() const { return double(extent) - (align_corners ? 1 : 0.5); }

  // Mirrored at both ends until it is between them.
  double reflected(double at) const {
    const double range = high() - low();
    if (!(range > 0)) return 0;
    const double beyond = at < low() ? low() - at : at > high() ? at - high() : -1;
    if (beyond < 0) return at;
    const double times = std::floor(beyond / range), rest = beyond - times * range;
    return (at < low()) == (std::fmod(times, 2) == 0) ? low() + rest : high() - rest;
  }

  // The position that a number of the grid means. Far outside, where integers end, all is alike.
  double position(double x) const {
    constexpr double kFar = 1e9;
    const double at =
        align_corners ? (x + 1) / 2 * (double(extent) - 1) : ((x + 1) * double(extent) - 1) / 2;
    if (std::isnan(at)) return -1;  // also of infinity times nothing
    // Of a cubic, what is held inside is each element that it reads.
    if (padding == Padding::kBorder && mode != Mode::kCubic)
      return std::clamp(at, 0.0, double(extent) - 1);
    if (padding == Padding::kReflection) return reflected(std::clamp(at, -kFar, kFar));
    return std::clamp(at, -kFar, kFar);
  }

  // The element that stands for `index`, or -1 for a zero.
  std::int64_t element(std::int64_t index) const {
    if (index >= 0 && index < extent) return index;
    if (padding == Padding::kZeros) return -1;
    const double inside =
        padding == Padding::kReflection ? reflected(double(index)) : double(index);
    return std::clamp<std::int64_t>(std::int64_t(inside), 0, extent - 1);
  }
};

// The elements that make up a position, and their weights.
struct Taps {
  int count = 0;
  std::int64_t elements[4];
  double weights[4];

  Taps(const Axis& axis, double at) {
    const auto first = std::int64_t(std::floor(at));
    const double t = at - double(first);
    if (axis.mode == Mode::kNearest) {
      add(axis, std::int64_t(std::nearbyint(at)), 1);
    } else if (axis.mode == Mode::kLinear) {
      add(axis, first, 1 - t);
      add(axis, first + 1, t);
    } else {
      for (int i = -1; i <= 2; ++i) add(axis, first + i, cubic(std::abs(t - i)));
    }
  }

 private:
  void add(const Axis& axis, std::int64_t index, double weight) {
    elements[count] = axis.element(index);
    weights[count++] = weight;
  }
  static double cubic(double d) {
    constexpr double a = -0.75;
    if (d <= 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
    return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
  }
};

template <class T>
void reference_of(const RunContext& run) {
  const Params& p = run.as<Params>();
  const TensorView &in = run.in(0), &grid = run.in(1), &out = run.out(0);
  const std::int64_t channels = in.shape[3], image = in.shape[1] * in.shape[2] * channels;
  const Axis rows{p.padding, p.mode, p.align_corners, in.shape[1]};
  const Axis columns{p.padding, p.mode, p.align_corners, in.shape[2]};
  const std::int64_t points = grid.shape[1] * grid.shape[2];
  for (std::int64_t i = 0; i < in.shape[0] * points; ++i) {
    const T* at = grid.as<T>() + 2 * i;
    const Taps x(columns, columns.position(double(at[0])));
    const Taps y(rows, rows.position(double(at[1])));
    const T* from = in.as<T>() + i / points * image;
    T* to = out.as<T>() + i * channels;
    for (std::int64_t c = 0; c < channels; ++c) {
      double sum = 0;
      for (int a = 0; a < y.count; ++a) {
        for (int b = 0; b < x.count; ++b) {
          if (y.elements[a] < 0 || x.elements[b] < 0) continue;
          const std::int64_t pixel = y.elements[a] * in.shape[2] + x.elements[b];
          sum += y.weights[a] * x.weights[b] * double(from[pixel * channels + c]);
        }
      }
      to[c] = T(sum);
    }
  }
}

Status reference(const RunContext& run) {
  const Shape &in = run.in(0).shape, &grid = run.in(1).shape;
  if (in[1] < 1 || in[2] < 1 || in[0] != grid[0] || grid[3] != 2) {
    return fail(Code::kInvalid, "input {} and grid {}: [N,H,W,C] above 0 and [N,h,w,2] expected",
                in.text(), grid.text());
  }
  if (run.in(0).type == DataType::kF64) reference_of<double>(run);
  else reference_of<float>(run);
  return {};
}

Status from_onnx(ImportContext& node) {
  if (!node.has(0) || !node.has(1)) return fail(Code::kInvalid, "an input and a grid expected");
  TRY_VALUE(const ValueId x, node.to_channels_last(node.in(0)));
  TRY_VALUE(const ValueId y, node.emit("GridSample", {x, node.in(1)}, node.attrs));
  return node.finish_channels_first(y);
}

std::vector<Sample> samples() {
  const SampleInput x = {.shape = {2, 4, 5, 3}},
                    grid = {.shape = {2, 3, 6, 2}, .low = -2, .high = 2};
  std::vector<Sample> all;
  for (const char* mode : {"bilinear", "nearest", "bicubic"}) {
    for (const char* padding : {"zeros", "border", "reflection"}) {
      all.push_back({fmt::format("{}, {}", mode, padding),
                     {x, grid},
                     {{"mode", mode}, {"padding_mode", padding}},
                     {{2, 3, 6, 3}}});
    }
  }
  all.push_back({"one pixel, corners aligned",
                 {{.shape = {2, 1, 1, 3}}, grid},
                 {{"padding_mode", "reflection"}, {"align_corners", std::int64_t(1)}},
                 {{2, 3, 6, 3}}});
  return all;
}

constexpr OnnxRule kOnnx[] = {{"GridSample", from_onnx}};

}  // namespace

extern const OpDef def = {
    .name = "GridSample",
    .min_inputs = 2,
    .max_inputs = 2,
    .parse = parser<Params, parse>,
    .params_bytes = sizeof(Params),
    .infer = infer,
    .reference = reference,
};
extern const OpTools tools = {.onnx = kOnnx, .samples = samples};

}  // namespace polder::ops::grid_sample
