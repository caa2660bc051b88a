// Convolution and depthwise convolution in f32 on channel-last (NHWC) tensors.
//
// All kernels share these conventions: every pointer is to memory that the caller owns and is
// valid for the whole extent described; extents are at least 1 unless stated; nothing is allocated,
// nothing fails. A kernel splits its work into tasks(args) tasks, a number that depends only on
// the arguments; kernel(args, begin, end) does tasks [begin, end). Tasks write disjoint outputs and
// may run on different threads at the same time; results do not depend on who runs which.
#pragma once

#include <cstdint>

#include "kernel/activation.h"

namespace polder::kernel {

// A 2-D convolution; one spatial dimension is in_h = kernel_h = 1. Taps outside the input are zero,
// so only the leading pads are needed: the output's extents say the rest.
struct ConvArgs {
  const float* in = nullptr;       // [batch, in_h, in_w, in_c]
  const float* weights = nullptr;  // pack_panels() of each group's OHWI weights, group after group
  float* out = nullptr;            // [batch, out_h, out_w, out_c]
  int batch = 1;
  int in_h = 1, in_w = 1, in_c = 1;
  int out_h = 1, out_w = 1, out_c = 1;
  int kernel_h = 1, kernel_w = 1;
  int stride_h = 1, stride_w = 1;
  int dilation_h = 1, dilation_w = 1;
  int pad_top = 0, pad_left = 0;
  int groups = 1;               // divides in_c and out_c
  std::int64_t in_stride = 0;   // elements between neighbouring pixels; in_c when dense
  std::int64_t out_stride = 0;  // as above; larger when writing into a slice of channels
  Epilogue epilogue;
};
int tasks(const ConvArgs& args);

// A convolution in which output channel c * multiplier + m depends on input channel c only.
struct DepthwiseArgs {
  const float* in = nullptr;       // [batch, in_h, in_w, channels]
  const float* weights = nullptr;  // pack_taps() of channels * multiplier outputs
  float* out = nullptr;            // [batch, out_h, out_w, channels * multiplier]
  int batch = 1;
  int in_h = 1, in_w = 1, channels = 1, multiplier = 1;
  int out_h = 1, out_w = 1;
  int kernel_h = 1, kernel_w = 1;
  int stride_h = 1, stride_w = 1;
  int dilation_h = 1, dilation_w = 1;
  int pad_top = 0, pad_left = 0;
  std::int64_t in_stride = 0;  // elements between neighbouring pixels
  std::int64_t out_stride = 0;
  Epilogue epilogue;
};
int tasks(const DepthwiseArgs& args);

}  // namespace polder::kernel
