// Convolution, gemm, gemv and matmul against loops in double precision.
#include "kernel/testing.h"

namespace polder::kernel {
namespace {

class ConvTest : public IsaTest {};
class GemmTest : public IsaTest {};
class MatMulTest : public IsaTest {};

constexpr Activation kSilu{Unary::kSilu, 0, 0};
constexpr double kTolerance = 4e-6;  // of the sum of magnitudes

struct ConvCase {
  int batch, in_h, in_w, in_c, out_c, kernel_h, kernel_w;
  int stride_h = 1, stride_w = 1, dilation_h = 1, dilation_w = 1;
  int pad_top = 0, pad_left = 0, pad_bottom = 0, pad_right = 0, groups = 1;
  Activation activation = {};
  bool bias = true, residual = false, residual_after = false;
  int in_gap = 0, out_gap = 0;  // channels that belong to somebody else
};

std::ostream& operator<<(std::ostream& out, const ConvCase& c) {
  return out << c.batch << 'x' << c.in_h << 'x' << c.in_w << 'x' << c.in_c << "->" << c.out_c
             << " kernel " << c.kernel_h << 'x' << c.kernel_w << " stride " << c.stride_h << 'x'
             << c.stride_w << " dilation " << c.dilation_h << 'x' << c.dilation_w << " groups "
             << c.groups << " activation " << int(c.activation.op) << " residual " << c.residual;
}

struct ConvRun {
  explicit ConvRun(const ConvCase& c)
      : out_h((c.in_h + c.pad_top + c.pad_bottom - c.dilation_h * (c.kernel_h - 1) - 1) /
                  c.stride_h +
              1),
        out_w((c.in_w + c.pad_left + c.pad_right - c.dilation_w * (c.kernel_w - 1) - 1) /
                  c.stride_w +
              1),
        depth(c.kernel_h * c.kernel_w * (c.in_c / c.groups)),
        in_stride(c.in_c + c.in_gap),
        out_stride(c.out_c + c.out_gap),
        pixels(std::int64_t(c.batch) * out_h * out_w),
        in(random_floats(std::int64_t(c.batch) * c.in_h * c.in_w * in_stride - c.in_gap, 1)),
        weights(random_floats(std::int64_t(c.out_c) * depth, 2)),
        bias(random_floats(c.out_c, 3)),
        residual(random_floats(pixels * c.out_c, 4)),
        out(pixels * out_stride - c.out_gap) {
    const std::int64_t per_group = c.out_c / c.groups;
    packed.resize(c.groups * panel_elements(per_group, depth));
    for (int g = 0; g < c.groups; ++g) {
      pack_panels(weights.data() + g * per_group * depth, depth, 1, per_group, depth,
                  packed.data() + g * panel_elements(per_group, depth));
    }
  }

  ConvArgs args(const ConvCase& c) {
    ConvArgs a;
    a.in = in.data();
    a.weights = packed.data();
    a.out = out.data();
    a.batch = c.batch;
    a.in_h = c.in_h, a.in_w = c.in_w, a.in_c = c.in_c;
    a.out_h = out_h, a.out_w = out_w, a.out_c = c.out_c;
    a.kernel_h = c.kernel_h, a.kernel_w = c.kernel_w;
    a.stride_h = c.stride_h, a.stride_w = c.stride_w;
    a.dilation_h = c.dilation_h, a.dilation_w = c.dilation_w;
    a.pad_top = c.pad_top, a.pad_left = c.pad_left;
    a.groups = c.groups;
    a.in_stride = in_stride, a.out_stride = out_stride;
    if (c.bias) a.epilogue.bias = bias.data();
    if (c.residual) a.epilogue.residual = residual.data();
    a.epilogue.residual_stride = c.out_c;
    a.epilogue.activation = c.activation;
    a.epilogue.residual_after = c.residual_after;
    return a;
  }

  int out_h, out_w, depth;
  std::int64_t in_stride, out_stride, pixels;
  std::vector<float> in, weights, bias, residual, packed;
  Guarded<float> out;
};

// The sum at one output, and the sum of its terms' magnitudes.
std::pair<double, double> conv_sum(const ConvCase& c, const ConvRun& r, std::int64_t pixel, int o) {
  const int x = int(pixel % r.out_w), y = int(pixel / r.out_w % r.out_h);
  const int b = int(pixel / r.out_w / r.out_h);
  const int channels = c.in_c / c.groups, group = o / (c.out_c / c.groups);
  double sum = 0, magnitude = 0;
  for (int ky = 0; ky < c.kernel_h; ++ky) {
    for (int kx = 0; kx < c.kernel_w; ++kx) {
      const int iy = y * c.stride_h - c.pad_top + ky * c.dilation_h;
      const int ix = x * c.stride_w - c.pad_left + kx * c.dilation_w;
      if (iy < 0 || iy >= c.in_h || ix < 0 || ix >= c.in_w) continue;
      for (int i = 0; i < channels; ++i) {
        const std::int64_t pixel_in = (std::int64_t(b) * c.in_h + iy) * c.in_w + ix;
        const double term =
            double(r.in[pixel_in * r.in_stride + group * channels + i]) *
            r.weights[std::int64_t(o) * r.depth + (ky * c.kernel_w + kx) * channels + i];
        sum += term;
        magnitude += std::abs(term);
      }
    }
  }
  return {sum, magnitude};
}

void check_conv(const Kernels& kernels, const ConvCase& c) {
  SCOPED_TRACE(testing::PrintToString(c));
  ConvRun r(c);
  const ConvArgs args = r.args(c);
  kernels.conv(args, 0, tasks(args));
  r.out.check();
  for (std::int64_t pixel = 0; pixel < r.pixels; ++pixel) {
    for (int o = 0; o < r.out_stride && pixel * r.out_stride + o < r.out.size(); ++o) {
      const float got = r.out[pixel * r.out_stride + o];
      if (o >= c.out_c) {
        ASSERT_EQ(got, 77) << "gap of pixel " << pixel << " overwritten";
        continue;
      }
      const auto [sum, magnitude] = conv_sum(c, r, pixel, o);
      const double want = reference_epilogue(args.epilogue, sum, pixel, o, args.epilogue.residual);
      ASSERT_NEAR(got, want, kTolerance * (magnitude + 2)) << "pixel " << pixel << " output " << o;
    }
  }
  ConvRun apart(c);
  run_tasks_apart(kernels.conv, apart.args(c));
  ASSERT_EQ(std::memcmp(apart.out.data(), r.out.data(), std::size_t(r.out.size()) * 4), 0)
      << "result depends on how tasks are run";
}

TEST_P(ConvTest, AgreesWithDoublePrecision) {
  const ConvCase cases[] = {
      {1, 5, 7, 3, 16, 3, 3, 2, 2, 1, 1, 1, 1, 1, 1},
      {2, 9, 8, 3, 24, 3, 3, 2, 2, 1, 1, 0, 0, 1, 1, 1, kRelu6},
      {1, 17, 19, 3, 33, 7, 7, 2, 2, 1, 1, 3, 3, 3, 3, 1, kRelu},
      {1, 6, 6, 8, 8, 1, 1},
      {1, 13, 11, 24, 40, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1, kRelu6, true, true},
      {2, 7, 7, 32, 72, 1, 1, 2, 2, 1, 1, 0, 0, 0, 0, 1, kSilu, true, true, true},
      {1, 10, 9, 16, 17, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, kRelu, true, true},
      {1, 11, 9, 20, 50, 3, 3, 1, 1, 2, 3, 2, 3, 2, 3, 1, kSilu, false, true},
      {1, 8, 8, 32, 48, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 4},
      {1, 8, 8, 6, 9, 3, 3, 1, 2, 1, 1, 1, 1, 1, 1, 3, kRelu, true, true, true, 2, 5},
      {1, 6, 7, 10, 31, 2, 4, 1, 1, 1, 1, 1, 2, 0, 1, 1, kSilu, true, false, false, 3, 7},
      {1, 1, 40, 12, 20, 1, 5, 1, 2, 1, 1, 0, 2, 0, 2},
      {1, 5, 5, 4, 5, 3, 3, 1, 1, 1, 2, 1, 2, 1, 2},
      {1, 16, 15, 16, 16, 14, 14, 1, 1, 1, 1, 3, 3, 3, 3, 1, kSilu},
      {1, 3, 3, 2500, 7, 2, 2, 1, 1, 1, 1, 1, 1, 0, 0},
      {1, 2, 2, 3, 5, 5, 5, 1, 1, 1, 1, 2, 2, 2, 2},
      {1, 30, 30, 19, 64, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, kRelu},
      {1, 7, 7, 200, 44, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, kRelu, true, true},
      {1, 1, 1, 37, 19, 1, 1},
      {1, 1, 1, 300, 500, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 2, kSilu, true, true, true},
  };
  for (const ConvCase& c : cases) check_conv(kernels(), c);
}

TEST_P(ConvTest, EveryCountOfOutputsAndRows) {
  for (int outputs = 1; outputs <= 70; outputs += 3) {
    check_conv(kernels(), {1, 1, outputs % 13 + 1, 5, outputs, 1, 1});
  }
}

TEST_P(ConvTest, ResidualInPlace) {
  for (bool after : {false, true}) {
    for (Activation f : {Activation{}, kRelu, kSilu}) {
      ConvCase c{1, 9, 9, 12, 28, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, f, true, true, after};
      ConvRun apart(c), in_place(c);
      ConvArgs args = apart.args(c);
      kernels().conv(args, 0, tasks(args));
      std::copy(apart.residual.begin(), apart.residual.end(), in_place.out.data());
      args = in_place.args(c);
      args.epilogue.residual = in_place.out.data();
      kernels().conv(args, 0, tasks(args));
      in_place.out.check();
      for (std::int64_t i = 0; i < apart.out.size(); ++i) ASSERT_EQ(in_place.out[i], apart.out[i]);
    }
  }
}

struct GemmShape {
  int m, n, k;
  Activation activation = {};
};

void check_gemm(const Kernels& kernels, const GemmShape& shape, int gap) {
  SCOPED_TRACE(testing::Message() << shape.m << 'x' << shape.n << 'x' << shape.k);
  const std::int64_t m = shape.m, n = shape.n, k = shape.k, a_stride = k + gap, c_stride = n + gap;
  const std::vector<float> a = random_floats(m * a_stride - gap, 1);
  const std::vector<float> b = random_floats(k * n, 2), bias = random_floats(n, 3);
  const std::vector<float> residual = random_floats(m * n, 4);
  std::vector<float> packed(panel_elements(n, k));
  pack_panels(b.data(), 1, n, n, k, packed.data());
  Guarded<float> c(m * c_stride - gap), apart(m * c_stride - gap);
  GemmArgs args{
      a.data(), packed.data(), c.data(),
      shape.m,  shape.n,       shape.k,
      a_stride, c_stride,      {bias.data(), residual.data(), n, shape.activation, gap > 0}};
  kernels.gemm(args, 0, tasks(args));
  c.check();
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t j = 0; j < n; ++j) {
      double sum = 0, magnitude = 2;
      for (std::int64_t p = 0; p < k; ++p) {
        sum += double(a[i * a_stride + p]) * b[p * n + j];
        magnitude += std::abs(double(a[i * a_stride + p]) * b[p * n + j]);
      }
      const double want = reference_epilogue(args.epilogue, sum, i, j, residual.data());
      ASSERT_NEAR(c[i * c_stride + j], want, kTolerance * magnitude) << i << ' ' << j;
    }
  }
  args.c = apart.data();
  run_tasks_apart(kernels.gemm, args);
  ASSERT_EQ(std::memcmp(apart.data(), c.data(), std::size_t(c.size()) * 4), 0);
}

TEST_P(GemmTest, AgreesWithDoublePrecision) {
  const GemmShape shapes[] = {
      {1, 1, 1},         {1, 8, 128},          {1, 128, 640, kRelu}, {1, 1000, 128},
      {1, 2500, 67},     {1, 40, 33, kSilu},   {1, 200, 31, kRelu},  {2, 24, 17},
      {5, 40, 9, kSilu}, {13, 56, 30, kRelu6}, {100, 72, 300},       {300, 16, 64, kSilu},
      {37, 8, 128},      {64, 100, 1500}};
  for (const GemmShape& shape : shapes) {
    check_gemm(kernels(), shape, 0);
    check_gemm(kernels(), shape, 3);
  }
}

void check_matmul(const Kernels& kernels, const GemmShape& shape, bool a_transposed,
                  bool b_transposed, float alpha) {
  SCOPED_TRACE(testing::Message() << shape.m << 'x' << shape.n << 'x' << shape.k << ' '
                                  << a_transposed << b_transposed);
  const std::int64_t m = shape.m, n = shape.n, k = shape.k;
  const std::vector<float> a = random_floats(m * k, 1), b = random_floats(k * n, 2);
  const std::vector<float> bias = random_floats(n, 3);
  Guarded<float> c(m * n), apart(m * n);
  MatMulArgs args;
  args.a = a.data(), args.b = b.data(), args.c = c.data();
  args.m = shape.m, args.n = shape.n, args.k = shape.k;
  args.a_row_stride = a_transposed ? 1 : k, args.a_k_stride = a_transposed ? m : 1;
  args.b_k_stride = b_transposed ? 1 : n, args.b_column_stride = b_transposed ? k : 1;
  args.c_stride = n;
  args.alpha = alpha;
  args.epilogue.bias = bias.data();
  args.epilogue.activation = shape.activation;
  kernels.matmul(args, 0, tasks(args));
  c.check();
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t j = 0; j < n; ++j) {
      double sum = 0, magnitude = 2;
      for (std::int64_t p = 0; p < k; ++p) {
        const double term = double(a[i * args.a_row_stride + p * args.a_k_stride]) *
                            b[p * args.b_k_stride + j * args.b_column_stride];
        sum += term;
        magnitude += std::abs(term);
      }
      const double want = reference_epilogue(args.epilogue, sum * alpha, i, j, nullptr);
      ASSERT_NEAR(c[i * n + j], want, kTolerance * magnitude) << i << ' ' << j;
    }
  }
  args.c = apart.data();
  run_tasks_apart(kernels.matmul, args);
  ASSERT_EQ(std::memcmp(apart.data(), c.data(), std::size_t(c.size()) * 4), 0);
}

TEST_P(MatMulTest, AgreesWithDoublePrecision) {
  const GemmShape shapes[] = {{1, 1, 1},
                              {1, 50, 70},
                              {7, 24, 5, kRelu},
                              {10, 33, 300},
                              {130, 40, 129, kSilu},
                              {97, 100, 128, kRelu},
                              {49, 17, 257, kSilu},
                              {200, 64, 64},
                              {3, 16, 0, kSilu},
                              {5, 3, 1}};
  for (const GemmShape& shape : shapes) {
    for (int transposed = 0; transposed < 4; ++transposed) {
      check_matmul(kernels(), shape, transposed & 1, transposed & 2, transposed == 1 ? 0.125f : 1);
    }
  }
}

POLDER_FOR_EACH_ISA(ConvTest);
POLDER_FOR_EACH_ISA(GemmTest);
POLDER_FOR_EACH_ISA(MatMulTest);

TEST(Pack, PanelsHoldEveryWeightAndZeros) {
  const std::vector<float> weights = random_floats(21 * 5, 1);
  Guarded<float> panels(panel_elements(21, 5));
  pack_panels(weights.data(), 5, 1, 21, 5, panels.data());
  panels.check();
  for (int o = 0; o < 32; ++o) {
    for (int p = 0; p < 5; ++p) {
      EXPECT_EQ(panels[(o / 16 * 5 + p) * 16 + o % 16], o < 21 ? weights[o * 5 + p] : 0);
    }
  }
}

}  // namespace
}  // namespace polder::kernel
