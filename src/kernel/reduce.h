// Kernels that make one number of many: pooling, reductions, softmax, normalisation.
// Conventions: see conv.h.
#pragma once

#include <cstdint>

namespace polder::kernel {

// Pooling over up to three spatial dimensions, channel-last; fewer dimensions leave the outer
// extents at 1. A window without any input element gives -inf (max) or 0; one with NaN gives NaN.
struct PoolArgs {
  enum class Mode : std::uint8_t {
    kMax,
    kAverage,         // divides by the number of input elements in the window
    kAverageWithPad,  // divides by the window's elements inside the input and its pads
    kSum,
  };
  Mode mode = Mode::kMax;
  const float* in = nullptr;  // [batch, in[0], in[1], in[2], channels]
  float* out = nullptr;       // [batch, out[0], out[1], out[2], channels]
  int batch = 1, channels = 1;
  int in_dims[3] = {1, 1, 1};
  int out_dims[3] = {1, 1, 1};
  int kernel[3] = {1, 1, 1};
  int stride[3] = {1, 1, 1};
  int dilation[3] = {1, 1, 1};
  int pad_begin[3] = {0, 0, 0};
  int pad_end[3] = {0, 0, 0};                  // read by kAverageWithPad only
  std::int64_t in_stride = 0, out_stride = 0;  // elements between neighbouring pixels
};
int tasks(const PoolArgs& args);

enum class Reduction : std::uint8_t { kSum, kMean, kMax, kMin, kProduct, kSumSquare, kSumAbs };

// out[o][i] = reduction over j of in[o][j][i]. Reducing the last axis is inner = 1; a global
// average pool is kMean with outer = batch, n = height * width, inner = channels. Sums are kept in
// blocks, so that the error grows with log n. n = 0 gives the neutral element (NaN for kMean).
struct ReduceArgs {
  Reduction op = Reduction::kSum;
  const float* in = nullptr;  // [outer, n, inner]
  float* out = nullptr;       // [outer, inner]
  std::int64_t outer = 1, n = 1, inner = 1;
};
int tasks(const ReduceArgs& args);

// Softmax over j of in[o][j][i]: exp(x - max) / sum, or its logarithm. In place is allowed.
struct SoftmaxArgs {
  const float* in = nullptr;  // [outer, n, inner]
  float* out = nullptr;       // [outer, n, inner]
  std::int64_t outer = 1, n = 1, inner = 1;
  float scale = 1;  // multiplies the input first (TFLite's beta)
  bool log = false;
};
int tasks(const SoftmaxArgs& args);

// out = (x - mean) / sqrt(variance + epsilon) * gamma + beta over rows of n. In place is allowed.
struct LayerNormArgs {
  const float* in = nullptr;           // [rows, n]
  float* out = nullptr;                // [rows, n]
  const float* gamma = nullptr;        // [n], or null for 1
  const float* beta = nullptr;         // [n], or null for 0
  float* mean = nullptr;               // [rows], or null
  float* inverse_deviation = nullptr;  // [rows]: 1 / sqrt(variance + epsilon), or null
  std::int64_t rows = 1, n = 1;
  float epsilon = 1e-5f;
  bool rms = false;  // no mean: x / sqrt(mean of squares + epsilon)
};
int tasks(const LayerNormArgs& args);

}  // namespace polder::kernel
