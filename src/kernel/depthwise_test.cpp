// Depthwise convolution and pooling against loops in double precision.
#include "kernel/testing.h"

namespace polder::kernel {
namespace {

class DepthwiseTest : public IsaTest {};
class PoolTest : public IsaTest {};

constexpr Activation kHardSwish{Unary::kHardSwish, 0, 0};

struct DepthwiseCase {
  int batch, in_h, in_w, channels, multiplier, kernel_h, kernel_w, stride_h, stride_w;
  int dilation = 1, pad_top = 0, pad_left = 0, pad_end = 0;
  Activation activation = {};
  bool residual = false, residual_after = false;
  int gap = 0;
};

void check_depthwise(const Kernels& kernels, const DepthwiseCase& c, int number) {
  SCOPED_TRACE(testing::Message() << "case " << number);
  const int out_h =
      (c.in_h + c.pad_top + c.pad_end - c.dilation * (c.kernel_h - 1) - 1) / c.stride_h + 1;
  const int out_w =
      (c.in_w + c.pad_left + c.pad_end - c.dilation * (c.kernel_w - 1) - 1) / c.stride_w + 1;
  const int outputs = c.channels * c.multiplier, taps = c.kernel_h * c.kernel_w;
  const std::int64_t pixels = std::int64_t(c.batch) * out_h * out_w;
  const std::int64_t in_stride = c.channels + c.gap, out_stride = outputs + c.gap;
  const auto in = random_floats(std::int64_t(c.batch) * c.in_h * c.in_w * in_stride - c.gap, 1);
  const auto weights = random_floats(std::int64_t(outputs) * taps, 2);  // [taps][outputs]
  const auto bias = random_floats(outputs, 3), residual = random_floats(pixels * outputs, 4);
  std::vector<float> packed(tap_elements(outputs, taps));
  pack_taps(weights.data(), 1, outputs, outputs, taps, packed.data());
  Guarded<float> out(pixels * out_stride - c.gap), apart(pixels * out_stride - c.gap);
  DepthwiseArgs a;
  a.in = in.data(), a.weights = packed.data(), a.out = out.data();
  a.batch = c.batch, a.in_h = c.in_h, a.in_w = c.in_w;
  a.channels = c.channels, a.multiplier = c.multiplier;
  a.out_h = out_h, a.out_w = out_w, a.kernel_h = c.kernel_h, a.kernel_w = c.kernel_w;
  a.stride_h = c.stride_h, a.stride_w = c.stride_w;
  a.dilation_h = a.dilation_w = c.dilation;
  a.pad_top = c.pad_top, a.pad_left = c.pad_left;
  a.in_stride = in_stride, a.out_stride = out_stride;
  a.epilogue = {bias.data(), c.residual ? residual.data() : nullptr, outputs, c.activation,
                c.residual_after};
  kernels.depthwise(a, 0, tasks(a));
  out.check();
  for (std::int64_t p = 0; p < pixels; ++p) {
    const int x = int(p % out_w), y = int(p / out_w % out_h), b = int(p / out_w / out_h);
    for (int o = 0; o < outputs; ++o) {
      double sum = 0;
      for (int t = 0; t < taps; ++t) {
        const int iy = y * c.stride_h - c.pad_top + t / c.kernel_w * c.dilation;
        const int ix = x * c.stride_w - c.pad_left + t % c.kernel_w * c.dilation;
        if (iy < 0 || iy >= c.in_h || ix < 0 || ix >= c.in_w) continue;
        const std::int64_t pixel = (std::int64_t(b) * c.in_h + iy) * c.in_w + ix;
        sum += double(in[pixel * in_stride + o / c.multiplier]) * weights[t * outputs + o];
      }
      const double want = reference_epilogue(a.epilogue, sum, p, o, a.epilogue.residual);
      ASSERT_NEAR(out[p * out_stride + o], want, 1e-5) << "pixel " << p << " output " << o;
    }
    for (int o = outputs; o < out_stride && p + 1 < pixels; ++o) {
      ASSERT_EQ(out[p * out_stride + o], 77);
    }
  }
  a.out = apart.data();
  run_tasks_apart(kernels.depthwise, a);
  ASSERT_EQ(std::memcmp(apart.data(), out.data(), std::size_t(out.size()) * 4), 0);
}

TEST_P(DepthwiseTest, AgreesWithDoublePrecision) {
  const DepthwiseCase cases[] = {
      {1, 9, 9, 16, 1, 3, 3, 1, 1, 1, 1, 1, 1, kRelu6},
      {2, 8, 11, 21, 1, 3, 3, 1, 1, 1, 1, 1, 1, kRelu},
      {1, 10, 13, 8, 1, 3, 3, 2, 2, 1, 0, 0, 1},
      {1, 10, 13, 35, 1, 3, 3, 2, 2, 1, 1, 1, 1, kHardSwish},
      {1, 12, 7, 40, 1, 5, 5, 1, 1, 1, 2, 2, 2, kRelu, true},
      {1, 13, 14, 9, 1, 5, 5, 2, 2, 1, 2, 2, 2, kHardSwish, true, true, 5},
      {1, 3, 3, 300, 1, 3, 3, 1, 1, 1, 1, 1, 1, kHardSwish, true},
      {1, 1, 1, 5, 1, 3, 3, 1, 1, 1, 1, 1, 1},
      {1, 2, 2, 5, 1, 5, 5, 1, 1, 1, 2, 2, 2},
      {1, 9, 9, 12, 1, 3, 3, 1, 1, 2, 2, 2, 2, kRelu, true, true},
      {1, 12, 6, 7, 1, 7, 3, 2, 1, 1, 3, 1, 2, kHardSwish},
      {1, 49, 10, 1, 8, 10, 4, 2, 2, 1, 4, 1, 5, kRelu},
      {1, 6, 5, 6, 3, 3, 3, 1, 1, 1, 1, 1, 1, kHardSwish, true},
      {1, 4, 4, 2100, 1, 3, 3, 1, 1, 1, 1, 1, 1},
      {1, 1, 33, 10, 1, 1, 9, 1, 1, 1, 0, 4, 4, {}, false, false, 2},
      {1, 40, 60, 64, 1, 3, 3, 1, 1, 1, 1, 1, 1, kRelu6},
  };
  int number = 0;
  for (const DepthwiseCase& c : cases) check_depthwise(kernels(), c, number++);
}

struct PoolCase {
  PoolArgs::Mode mode;
  int batch, channels;
  int in[3], kernel[3], stride[3], dilation[3], pad_begin[3], pad_end[3];
  int gap = 0;
};

double reference_pool(const PoolArgs& a, std::int64_t pixel, int c) {
  const std::int64_t o[3] = {pixel / a.out_dims[2] / a.out_dims[1] % a.out_dims[0],
                             pixel / a.out_dims[2] % a.out_dims[1], pixel % a.out_dims[2]};
  const std::int64_t b = pixel / a.out_dims[0] / a.out_dims[1] / a.out_dims[2];
  const bool is_max = a.mode == PoolArgs::Mode::kMax;
  double result = is_max ? -INFINITY : 0;
  int count = 0, padded = 0;
  const int taps = a.kernel[0] * a.kernel[1] * a.kernel[2];
  for (int t = 0; t < taps; ++t) {
    const int k[3] = {t / a.kernel[2] / a.kernel[1], t / a.kernel[2] % a.kernel[1],
                      t % a.kernel[2]};
    std::int64_t at[3];
    bool inside = true, near = true;
    for (int d = 0; d < 3; ++d) {
      at[d] = o[d] * a.stride[d] - a.pad_begin[d] + k[d] * a.dilation[d];
      inside = inside && at[d] >= 0 && at[d] < a.in_dims[d];
      near = near && at[d] < a.in_dims[d] + a.pad_end[d];
    }
    padded += near;
    if (!inside) continue;
    ++count;
    const float x =
        a.in[(((b * a.in_dims[0] + at[0]) * a.in_dims[1] + at[1]) * a.in_dims[2] + at[2]) *
                 a.in_stride +
             c];
    result = is_max ? std::fmax(result, x) : result + x;
  }
  if (is_max) return result;
  if (count == 0) return 0;
  return result / (a.mode == PoolArgs::Mode::kAverage ? count : padded);
}

TEST_P(PoolTest, AgreesWithDoublePrecision) {
  using Mode = PoolArgs::Mode;
  const PoolCase cases[] = {
      {Mode::kMax, 1, 64, {1, 9, 9}, {1, 3, 3}, {1, 2, 2}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}},
      {Mode::kMax, 2, 7, {1, 8, 6}, {1, 2, 2}, {1, 2, 2}, {1, 1, 1}, {0, 0, 0}, {0, 0, 0}, 3},
      {Mode::kAverage, 1, 37, {1, 7, 5}, {1, 3, 3}, {1, 1, 1}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}},
      {Mode::kAverageWithPad,
       1,
       9,
       {1, 7, 6},
       {1, 3, 3},
       {1, 2, 2},
       {1, 1, 1},
       {0, 1, 1},
       {0, 2, 1}},
      {Mode::kAverageWithPad,
       2,
       40,
       {3, 4, 5},
       {2, 2, 3},
       {1, 2, 1},
       {1, 2, 1},
       {1, 0, 1},
       {0, 1, 1}},
      {Mode::kMax, 1, 5, {4, 6, 5}, {2, 3, 2}, {2, 1, 2}, {2, 2, 1}, {1, 2, 0}, {1, 2, 1}, 1},
      {Mode::kAverage, 1, 100, {1, 7, 7}, {1, 7, 7}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, {0, 0, 0}},
  };
  for (const PoolCase& c : cases) {
    PoolArgs a;
    a.mode = c.mode, a.batch = c.batch, a.channels = c.channels;
    a.in_stride = a.out_stride = c.channels + c.gap;
    std::int64_t in_pixels = c.batch, out_pixels = c.batch;
    for (int d = 0; d < 3; ++d) {
      a.in_dims[d] = c.in[d], a.kernel[d] = c.kernel[d], a.stride[d] = c.stride[d];
      a.dilation[d] = c.dilation[d];
      a.pad_begin[d] = c.pad_begin[d], a.pad_end[d] = c.pad_end[d];
      a.out_dims[d] =
          (c.in[d] + c.pad_begin[d] + c.pad_end[d] - c.dilation[d] * (c.kernel[d] - 1) - 1) /
              c.stride[d] +
          1;
      in_pixels *= a.in_dims[d], out_pixels *= a.out_dims[d];
    }
    const auto in = random_floats(in_pixels * a.in_stride - c.gap, 1);
    Guarded<float> out(out_pixels * a.out_stride - c.gap), apart(out.size());
    a.in = in.data(), a.out = out.data();
    kernels().pool(a, 0, tasks(a));
    out.check();
    for (std::int64_t p = 0; p < out_pixels; ++p) {
      for (int i = 0; i < c.channels; ++i) {
        ASSERT_NEAR(out[p * a.out_stride + i], reference_pool(a, p, i), 2e-6) << p << ' ' << i;
      }
      if (c.gap > 0 && p + 1 < out_pixels) {
        ASSERT_EQ(out[p * a.out_stride + c.channels], 77);
      }
    }
    a.out = apart.data();
    run_tasks_apart(kernels().pool, a);
    ASSERT_EQ(std::memcmp(apart.data(), out.data(), std::size_t(out.size()) * 4), 0);
  }
}

POLDER_FOR_EACH_ISA(DepthwiseTest);
POLDER_FOR_EACH_ISA(PoolTest);

}  // namespace
}  // namespace polder::kernel
