// How Resize runs: for each axis that changes a table of which elements to read for each position
// of the output and how much of each, then one pass that reads them.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "kernel/table.h"
#include "ops/resize.h"
#include "ops/types.h"
#include "ops/window.h"

namespace polder::ops::resize {
namespace {

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
    const float* scale = scale_of(p, scales, i);
    a.scale = scale ? *scale : float(a.out) / float(a.in);
    a.length = scale ? *scale * float(a.in) : float(a.out);
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

}  // namespace

std::size_t workspace_of(const NodeInfo& node) {
  const Params& p = node.as<Params>();
  const Dims& out = node.outputs[0].dims;
  if (out.max_elements() == 0) return 0;  // nothing runs, however long the other axes are
  std::size_t bytes = 0;
  for (int i = 0; i < count_of(p, out.rank()); ++i) {
    bytes += 2 * table_bytes(p, out[axis_of(p, i)].bound);
  }
  return bytes;
}

Status reference(const RunContext& run) {
  if (run.out(0).shape.elements() == 0) return {};
  return run_plain(run, make_tables(run));
}

Choice choose(const NodeInfo& node) {
  if (node.in(kX).type != DataType::kF32 || node.as<Params>().coordinates == Coordinates::kCrop ||
      !fits_int(node.in(kX).dims) || !fits_int(node.outputs[0].dims)) {
    return {};
  }
  return {.kernel = vector, .name = "vector", .workspace_bytes = workspace_of(node)};
}

}  // namespace polder::ops::resize
