#include "ops/window.h"

#include <algorithm>

namespace polder::ops {

namespace {
constexpr std::int64_t kMaxStep = 1 << 22;
// Leaves room for an extent, its pads and a window's reach in an int.
constexpr std::int64_t kMaxIntExtent = 1 << 28;

// For b above 0.
std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return a > 0 ? (a - 1) / b + 1 : a / b; }

std::int64_t out_extent(const WindowParams& p, int spatial, int axis, std::int64_t in,
                        std::int64_t kernel) {
  const std::int64_t stride = p.strides[axis];
  const std::int64_t reach = (kernel - 1) * p.dilations[axis] + 1;
  if (p.same()) return ceil_div(in, stride);
  std::int64_t begin = 0, end = 0;
  if (p.auto_pad == WindowParams::AutoPad::kNotSet && p.pad_count) {
    begin = p.pads[axis];
    end = p.pads[spatial + axis];
  }
  const std::int64_t room = in + begin + end - reach;
  if (!p.ceil_mode) return room < 0 ? 0 : room / stride + 1;
  // The last window must begin inside the input or its leading pad.
  const std::int64_t out = ceil_div(room, stride) + 1;
  return (out - 1) * stride >= in + begin ? out - 1 : out;
}
}  // namespace

void parse_window(AttrReader& attrs, WindowParams& p) {
  static constexpr std::string_view kAutoPads[] = {"notset", "same_upper", "same_lower", "valid"};
  p.stride_count = attrs.integers("strides", p.strides, 0, 1, kMaxStep);
  p.dilation_count = attrs.integers("dilations", p.dilations, 0, 1, kMaxStep);
  p.pad_count = attrs.integers("pads", p.pads, 0, 0, kMaxStep);
  p.auto_pad = WindowParams::AutoPad(attrs.choice("auto_pad", kAutoPads, 0));
}

Status infer_window(InferContext& context, const WindowParams& p, const Dims& in,
                    const std::int64_t* kernel, Dims& out) {
  const int spatial = in.rank() - 2;
  const auto count_is = [&](int given, int expected) { return !given || given == expected; };
  if (!count_is(p.stride_count, spatial) || !count_is(p.dilation_count, spatial) ||
      !count_is(p.pad_count, 2 * spatial)) {
    return fail(Code::kInvalid,
                "{} strides, {} dilations and {} pads for {} spatial axes; {}, {} and {} expected",
                p.stride_count, p.dilation_count, p.pad_count, spatial, spatial, spatial,
                2 * spatial);
  }
  for (int axis = 0; axis < spatial; ++axis) {
    const Dim& extent = in[1 + axis];
    const std::int64_t size = out_extent(p, spatial, axis, extent.bound, kernel[axis]);
    if (size < 1 || extent.bound < 1) {
      return fail(Code::kInvalid, "a window of {} (dilation {}) does not fit extent {} of axis {}",
                  kernel[axis], p.dilations[axis], extent.bound, 1 + axis);
    }
    // With stride 1 the output differs from the input by a constant.
    const bool unchanged = p.strides[axis] == 1 && size == extent.bound;
    if (extent.known() || unchanged) out.push_back(unchanged ? extent : Dim(size));
    else out.push_back(free_extent(context, extent, size));
  }
  return {};
}

Window window_of(const WindowParams& p, const Shape& in, const Shape& out,
                 const std::int64_t* kernel) {
  Window w;
  w.spatial = in.rank() - 2;
  for (int axis = 0; axis < w.spatial; ++axis) {
    const int to = 3 - w.spatial + axis;
    w.in[to] = in[1 + axis];
    w.out[to] = out[1 + axis];
    w.kernel[to] = kernel[axis];
    w.stride[to] = p.strides[axis];
    w.dilation[to] = p.dilations[axis];
    if (p.same()) {
      const std::int64_t reach = (w.kernel[to] - 1) * w.dilation[to] + 1;
      const std::int64_t total =
          std::max<std::int64_t>((w.out[to] - 1) * w.stride[to] + reach - w.in[to], 0);
      const bool lower = p.auto_pad == WindowParams::AutoPad::kSameLower;
      w.pad_begin[to] = lower ? total - total / 2 : total / 2;
      w.pad_end[to] = total - w.pad_begin[to];
    } else if (p.auto_pad == WindowParams::AutoPad::kNotSet && p.pad_count) {
      w.pad_begin[to] = p.pads[axis];
      w.pad_end[to] = p.pads[w.spatial + axis];
    }
  }
  return w;
}

bool fits_int(const Dims& dims) {
  return std::ranges::all_of(dims.all(), [](const Dim& dim) { return dim.bound <= kMaxIntExtent; });
}

bool fits_int(const WindowParams& p, const Dims& in, const Dims& out, const std::int64_t* kernel) {
  for (int axis = 0; axis < in.rank() - 2; ++axis) {
    if ((kernel[axis] - 1) * p.dilations[axis] > kMaxIntExtent) return false;
  }
  return fits_int(in) && fits_int(out);
}

}  // namespace polder::ops
