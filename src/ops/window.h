// The sliding window that convolutions and pools share: strides, dilations, padding, and the
// output extents that follow.
#pragma once

#include <algorithm>
#include <cstdint>

#include "ops/op.h"

namespace polder::ops {

inline constexpr int kMaxSpatial = 3;

// Attributes: strides, dilations (one for each spatial axis, default 1), pads (all begins, then all
// ends, default 0), auto_pad (notset, same_upper, same_lower, valid).
struct WindowParams {
  enum class AutoPad : std::uint8_t { kNotSet, kSameUpper, kSameLower, kValid };
  std::int64_t strides[kMaxSpatial] = {1, 1, 1};
  std::int64_t dilations[kMaxSpatial] = {1, 1, 1};
  std::int64_t pads[2 * kMaxSpatial] = {};
  int stride_count = 0, dilation_count = 0, pad_count = 0;  // as many as were given
  AutoPad auto_pad = AutoPad::kNotSet;
  bool ceil_mode = false;

  bool same() const { return auto_pad == AutoPad::kSameUpper || auto_pad == AutoPad::kSameLower; }
};
void parse_window(AttrReader& attrs, WindowParams& p);

// A window over tensors whose extents are known. There are always three axes: those that the
// tensors lack come first, with extent 1.
struct Window {
  int spatial = 0;
  std::int64_t in[3] = {1, 1, 1}, out[3] = {1, 1, 1}, kernel[3] = {1, 1, 1};
  std::int64_t stride[3] = {1, 1, 1}, dilation[3] = {1, 1, 1};
  std::int64_t pad_begin[3] = {0, 0, 0}, pad_end[3] = {0, 0, 0};

  std::int64_t kernel_elements() const { return kernel[0] * kernel[1] * kernel[2]; }
  std::int64_t in_pixels() const { return in[0] * in[1] * in[2]; }
  std::int64_t out_pixels() const { return out[0] * out[1] * out[2]; }
  // Input coordinate of a tap on one axis; outside [0, in) it is padding.
  std::int64_t source(int axis, std::int64_t out_at, std::int64_t tap) const {
    return out_at * stride[axis] + tap * dilation[axis] - pad_begin[axis];
  }
  struct Taps {
    std::int64_t begin, end;
    std::int64_t size() const { return std::max<std::int64_t>(end - begin, 0); }
  };
  // Those whose input coordinate lies in [low, high).
  Taps taps(int axis, std::int64_t out_at, std::int64_t low, std::int64_t high) const {
    const std::int64_t start = source(axis, out_at, 0), step = dilation[axis];
    return {start < low ? (low - start + step - 1) / step : 0,
            start < high ? std::min(kernel[axis], (high - 1 - start) / step + 1) : 0};
  }
};

// `in` is [N, spatial..., C]; kernel has one extent for each spatial axis. Appends the spatial
// extents of the output to `out`.
Status infer_window(InferContext& context, const WindowParams& p, const Dims& in,
                    const std::int64_t* kernel, Dims& out);
// For two shapes [N, spatial..., C] of which infer_window made the second from the first.
Window window_of(const WindowParams& p, const Shape& in, const Shape& out,
                 const std::int64_t* kernel);

// A spatial extent that only a run can tell; what nothing is known of stays so.
inline Dim free_extent(InferContext& context, const Dim& from, std::int64_t bound) {
  return context.new_dim(from.bound >= kUnbounded ? kUnbounded : bound);
}

// Whether every extent, and every coordinate made of them, fits the kernels' int.
bool fits_int(const Dims& dims);
bool fits_int(const WindowParams& p, const Dims& in, const Dims& out, const std::int64_t* kernel);

}  // namespace polder::ops
