// Kernels that move elements without arithmetic on them (transposition, strided copies), and
// resizing. Conventions: see conv.h.
#pragma once

#include <cstdint>

namespace polder::kernel {

inline constexpr int kMaxCopyRank = 8;

// out (dense, extents dims[0..rank), outermost first) = in read with one stride per dimension.
// Transposition, slicing with steps (negative strides too), broadcasting (stride 0) and NCHW to
// NHWC are all this. Call merge_dims() once after filling it in; the kernel recognises contiguous
// runs and 2-D transposes. Strides are in elements. A dimension may be 0 (nothing is done).
struct CopyArgs {
  const void* in = nullptr;
  void* out = nullptr;
  int element_size = 4;  // bytes: 1, 2, 4 or 8
  int rank = 0;
  std::int64_t dims[kMaxCopyRank] = {};
  std::int64_t strides[kMaxCopyRank] = {};
};
void merge_dims(CopyArgs& args);
int tasks(const CopyArgs& args);

// Separable resampling of [batch, in_h, in_w, channels] to [batch, out_h, out_w, channels]: output
// row y is the sum over t of y_weight[y * taps + t] times input row y_index[y * taps + t], columns
// likewise. The caller fills the tables once, by the coordinate rule of its format: 1 tap is
// nearest (weights are then not read), 2 linear, 4 cubic. Indices are within the input.
struct ResizeArgs {
  const float* in = nullptr;
  float* out = nullptr;
  int batch = 1, in_h = 1, in_w = 1, channels = 1, out_h = 1, out_w = 1;
  int taps = 1;
  const std::int32_t* y_index = nullptr;  // [out_h, taps]
  const float* y_weight = nullptr;        // [out_h, taps]
  const std::int32_t* x_index = nullptr;  // [out_w, taps]
  const float* x_weight = nullptr;        // [out_w, taps]
};
int tasks(const ResizeArgs& args);

}  // namespace polder::kernel
