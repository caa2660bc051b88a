// Reductions, softmax, layer normalisation and recurrent cells against double precision.
#include <algorithm>

#include "kernel/testing.h"

namespace polder::kernel {
namespace {

class ReduceTest : public IsaTest {};
class SoftmaxTest : public IsaTest {};
class LayerNormTest : public IsaTest {};
class RecurrentTest : public IsaTest {};

constexpr Reduction kReductions[] = {Reduction::kSum,   Reduction::kMean,    Reduction::kMax,
                                     Reduction::kMin,   Reduction::kProduct, Reduction::kSumSquare,
                                     Reduction::kSumAbs};

double exact_reduction(Reduction op, const float* in, std::int64_t n, std::int64_t stride) {
  double r = op == Reduction::kMax       ? -INFINITY
             : op == Reduction::kMin     ? INFINITY
             : op == Reduction::kProduct ? 1
                                         : 0;
  for (std::int64_t j = 0; j < n; ++j) {
    const double x = in[j * stride];
    switch (op) {
      case Reduction::kSum:
      case Reduction::kMean: r += x; break;
      case Reduction::kMax: r = std::fmax(r, x); break;
      case Reduction::kMin: r = std::fmin(r, x); break;
      case Reduction::kProduct: r *= x; break;
      case Reduction::kSumSquare: r += x * x; break;
      case Reduction::kSumAbs: r += std::fabs(x); break;
    }
  }
  return op == Reduction::kMean ? r / double(n) : r;
}

struct Extents {
  std::int64_t outer, n, inner;
};
constexpr Extents kExtents[] = {{1, 1, 1},    {5, 7, 1},    {3, 100, 1}, {2, 5000, 1},
                                {70, 33, 1},  {1, 49, 320}, {4, 3, 5},   {2, 300, 37},
                                {1, 10, 200}, {3, 1, 9},    {6, 2, 1}};

TEST_P(ReduceTest, AgreesWithDoublePrecision) {
  for (Reduction op : kReductions) {
    for (const auto& [outer, n, inner] : kExtents) {
      SCOPED_TRACE(testing::Message() << int(op) << ": " << outer << 'x' << n << 'x' << inner);
      const bool product = op == Reduction::kProduct;
      const auto in =
          random_floats(outer * n * inner, 1, product ? 0.98f : -1, product ? 1.02f : 2);
      Guarded<float> out(outer * inner), apart(outer * inner);
      ReduceArgs args{op, in.data(), out.data(), outer, n, inner};
      kernels().reduce(args, 0, tasks(args));
      out.check();
      for (std::int64_t i = 0; i < out.size(); ++i) {
        const double want =
            exact_reduction(op, in.data() + i / inner * n * inner + i % inner, n, inner);
        ASSERT_NEAR(out[i], want, 1e-6 * (std::fabs(want) + double(n) / 10 + 1)) << i;
      }
      args.out = apart.data();
      run_tasks_apart(kernels().reduce, args);
      ASSERT_EQ(std::memcmp(apart.data(), out.data(), std::size_t(out.size()) * 4), 0);
    }
  }
}

TEST_P(ReduceTest, LongSumsStayAccurate) {
  const std::int64_t n = 1 << 21;
  const std::vector<float> in(std::size_t(n), 0.1f);
  Guarded<float> out(1);
  for (const auto& [rows, inner] : {std::pair{n, 1}, std::pair{n / 2, 2}}) {
    Guarded<float> sums(inner);
    const ReduceArgs args{Reduction::kMean, in.data(), sums.data(), 1, rows, inner};
    kernels().reduce(args, 0, tasks(args));
    EXPECT_NEAR(sums[0], 0.1, 1e-6);
  }
}

TEST_P(ReduceTest, NothingToReduce) {
  for (std::int64_t inner : {1, 3}) {
    Guarded<float> out(inner);
    for (Reduction op : kReductions) {
      const ReduceArgs args{op, nullptr, out.data(), 1, 0, inner};
      kernels().reduce(args, 0, tasks(args));
      const double want = exact_reduction(op, nullptr, 0, 1);
      if (op == Reduction::kMean) EXPECT_TRUE(std::isnan(out[0]));
      else EXPECT_EQ(out[inner - 1], want);
    }
  }
}

// Softmax of n elements from `in`, args.inner apart, in double precision.
std::vector<double> exact_softmax(const SoftmaxArgs& args, const float* in) {
  std::vector<double> x;
  for (std::int64_t j = 0; j < args.n; ++j) x.push_back(double(in[j * args.inner]) * args.scale);
  const double top = *std::max_element(x.begin(), x.end());
  double sum = 0;
  for (double v : x) sum += std::exp(v - top);
  for (double& v : x) v = args.log ? v - top - std::log(sum) : std::exp(v - top) / sum;
  return x;
}

void check_softmax(const Kernels& kernels, const Extents& e, float scale, bool log) {
  const auto& [outer, n, inner] = e;
  SCOPED_TRACE(testing::Message() << outer << 'x' << n << 'x' << inner << ' ' << log);
  const auto in = random_floats(outer * n * inner, 1, -20, 20);
  Guarded<float> out(outer * n * inner), in_place(outer * n * inner);
  SoftmaxArgs args{in.data(), out.data(), outer, n, inner, scale, log};
  kernels.softmax(args, 0, tasks(args));
  out.check();
  for (std::int64_t i = 0; i < outer * inner; ++i) {
    const std::int64_t first = i / inner * n * inner + i % inner;
    const std::vector<double> want = exact_softmax(args, in.data() + first);
    for (std::int64_t j = 0; j < n; ++j) {
      const double w = want[std::size_t(j)];
      const double tolerance = 1e-6 * (log ? 2 + std::fabs(w) * 4 : 5 * w + 1e-3);
      ASSERT_NEAR(out[first + j * inner], w, tolerance);
    }
  }
  std::copy(in.begin(), in.end(), in_place.data());
  args.in = args.out = in_place.data();
  run_tasks_apart(kernels.softmax, args);
  ASSERT_EQ(std::memcmp(in_place.data(), out.data(), std::size_t(out.size()) * 4), 0);
}

TEST_P(SoftmaxTest, AgreesWithDoublePrecision) {
  for (const Extents& e : kExtents) {
    for (bool log : {false, true}) {
      for (float scale : {1.0f, -0.5f, 3.0f}) check_softmax(kernels(), e, scale, log);
    }
  }
}

TEST_P(LayerNormTest, AgreesWithDoublePrecision) {
  for (const std::int64_t n : {1, 5, 8, 64, 333}) {
    for (bool rms : {false, true}) {
      for (bool affine : {false, true}) {
        const std::int64_t rows = 300;
        const auto in = random_floats(rows * n, 1, -1, 4);
        const auto gamma = random_floats(n, 2), beta = random_floats(n, 3);
        Guarded<float> out(rows * n), mean(rows), deviation(rows);
        LayerNormArgs args{in.data(),
                           out.data(),
                           affine ? gamma.data() : nullptr,
                           affine ? beta.data() : nullptr,
                           mean.data(),
                           deviation.data(),
                           rows,
                           n,
                           1e-3f,
                           rms};
        run_tasks_apart(kernels().layer_norm, args);
        out.check(), mean.check(), deviation.check();
        for (std::int64_t i = 0; i < rows; ++i) {
          double m = 0, variance = 0;
          for (std::int64_t j = 0; j < n && !rms; ++j) m += in[i * n + j] / double(n);
          for (std::int64_t j = 0; j < n; ++j)
            variance += std::pow(in[i * n + j] - m, 2) / double(n);
          const double scale = 1 / std::sqrt(variance + double(1e-3f));
          ASSERT_NEAR(mean[i], m, 1e-5);
          ASSERT_NEAR(deviation[i], scale, 1e-5 * scale);
          for (std::int64_t j = 0; j < n; ++j) {
            double want = (in[i * n + j] - m) * scale;
            if (affine) want = want * gamma[j] + beta[j];
            ASSERT_NEAR(out[i * n + j], want, 2e-5) << i << ' ' << j;
          }
        }
      }
    }
  }
}

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
double clip(double x, double limit) {
  return limit > 0 ? std::fmin(std::fmax(x, -limit), limit) : x;
}

TEST_P(RecurrentTest, LstmCell) {
  for (int hidden : {1, 8, 13, 64}) {
    for (bool peephole : {false, true}) {
      const int batch = 3, gates = 4 * hidden, state = hidden + 2;
      const float limit = peephole ? 0.5f : 0;
      const auto x = random_floats(batch * gates, 1, -3, 3), c0 = random_floats(batch * state, 2);
      const auto p = random_floats(3 * hidden, 3);
      Guarded<float> c(batch * state), h(batch * hidden);
      LstmCellArgs args;
      args.i = x.data(), args.o = x.data() + hidden, args.f = x.data() + 2 * hidden;
      args.g = x.data() + 3 * hidden;
      args.gate_stride = gates;
      args.c_before = c0.data(), args.c = c.data(), args.h = h.data();
      args.state_stride = state, args.h_stride = hidden;
      if (peephole) {
        args.peephole_i = p.data(), args.peephole_f = p.data() + hidden;
        args.peephole_o = p.data() + 2 * hidden;
      }
      args.batch = batch, args.hidden = hidden, args.clip = limit;
      kernels().lstm_cell(args, 0, tasks(args));
      c.check(), h.check();
      for (int b = 0; b < batch; ++b) {
        for (int j = 0; j < hidden; ++j) {
          const double before = c0[b * state + j];
          const auto gate = [&](int index, int weight, double value) {
            return clip(
                x[b * gates + index * hidden + j] + (peephole ? p[weight * hidden + j] * value : 0),
                limit);
          };
          const double candidate = std::tanh(clip(x[b * gates + 3 * hidden + j], limit));
          const double want_c =
              sigmoid(gate(2, 1, before)) * before + sigmoid(gate(0, 0, before)) * candidate;
          ASSERT_NEAR(c[b * state + j], want_c, 1e-6);
          ASSERT_NEAR(h[b * hidden + j], sigmoid(gate(1, 2, want_c)) * std::tanh(want_c), 1e-6);
        }
        ASSERT_EQ(c[b * state + hidden], 77);
      }
    }
  }
}

TEST_P(RecurrentTest, GruCellBothWaysOfReset) {
  for (int hidden : {1, 8, 21}) {
    const int batch = 2, gates = 3 * hidden;
    const auto x = random_floats(batch * gates, 1, -2, 2), r = random_floats(batch * gates, 2);
    const auto h0 = random_floats(batch * hidden, 3);
    Guarded<float> h(batch * hidden), reset(batch * hidden), h2(batch * hidden);
    GruCellArgs args;
    args.xz = x.data(), args.xr = x.data() + hidden, args.xn = x.data() + 2 * hidden;
    args.hz = r.data(), args.hr = r.data() + hidden, args.hn = r.data() + 2 * hidden;
    args.x_stride = args.h_gate_stride = gates;
    args.h_before = h0.data(), args.h = h.data(), args.h_stride = hidden;
    args.batch = batch, args.hidden = hidden;
    kernels().gru_cell(args, 0, tasks(args));
    GruCellArgs first = args, second = args;
    first.reset_out = reset.data();
    kernels().gru_cell(first, 0, tasks(first));
    second.hn_is_reset = true;
    second.h = h2.data();
    kernels().gru_cell(second, 0, tasks(second));
    h.check(), reset.check(), h2.check();
    for (int b = 0; b < batch; ++b) {
      for (int j = 0; j < hidden; ++j) {
        const auto sum = [&](int gate) {
          return double(x[b * gates + gate * hidden + j]) + r[b * gates + gate * hidden + j];
        };
        const double z = sigmoid(sum(0)), g = sigmoid(sum(1)), before = h0[b * hidden + j];
        const double xn = x[b * gates + 2 * hidden + j], hn = r[b * gates + 2 * hidden + j];
        const int at = b * hidden + j;
        ASSERT_NEAR(h[at], (1 - z) * std::tanh(xn + g * hn) + z * before, 1e-6);
        ASSERT_NEAR(reset[at], g * before, 1e-6);
        ASSERT_NEAR(h2[at], (1 - z) * std::tanh(xn + hn) + z * before, 1e-6);
      }
    }
  }
}

POLDER_FOR_EACH_ISA(ReduceTest);
POLDER_FOR_EACH_ISA(SoftmaxTest);
POLDER_FOR_EACH_ISA(LayerNormTest);
POLDER_FOR_EACH_ISA(RecurrentTest);

}  // namespace
}  // namespace polder::kernel
