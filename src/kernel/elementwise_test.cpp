// Functions of one and two tensors, and f16, against the C library in double precision.
#include <bit>
#include <functional>

#include "kernel/testing.h"

namespace polder::kernel {
namespace {

class UnaryTest : public IsaTest {};
class BinaryTest : public IsaTest {};
class HalfTest : public IsaTest {};

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

struct Function {
  Activation f;
  const char* name;
  double ulp;  // as activation.h promises
  std::function<double(double)> exact;
  bool of_input = false;        // the error is counted in units of the input's last place
  float lo = -kInf, hi = kInf;  // where it is tested
};

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
double softplus(double x) { return std::fmax(x, 0) + std::log1p(std::exp(-std::fabs(x))); }

std::vector<Function> functions() {
  const float a = 0.7f, b = 1.3f;
  const double da = a, db = b;
  return {
      {{Unary::kNone}, "none", 0, [](double x) { return x; }},
      {{Unary::kClamp, -a, b},
       "clamp",
       0,
       [=](double x) { return std::fmin(std::fmax(x, -da), db); }},
      {{Unary::kSigmoid}, "sigmoid", 4, sigmoid},
      {{Unary::kTanh}, "tanh", 4, [](double x) { return std::tanh(x); }},
      {{Unary::kSilu}, "silu", 4, [](double x) { return x * sigmoid(x); }},
      {{Unary::kHardSigmoid, 0.2f, 0.5f},
       "hard sigmoid",
       2,
       [](double x) { return std::fmin(std::fmax(double(0.2f) * x + 0.5, 0), 1); },
       true},
      {{Unary::kHardSwish},
       "hard swish",
       3,
       [](double x) { return x * std::fmin(std::fmax(x / 6 + 0.5, 0), 1); },
       true},
      {{Unary::kGelu},
       "gelu",
       4,
       [](double x) { return x * (1 + std::erf(x / std::sqrt(2.0))) / 2; },
       true},
      {{Unary::kGeluTanh},
       "gelu tanh",
       4,
       [](double x) { return x * sigmoid(2 * std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)); },
       true},
      {{Unary::kLeakyRelu, a}, "leaky relu", 0.5, [=](double x) { return x < 0 ? da * x : x; }},
      {{Unary::kElu, 1}, "elu", 4, [](double x) { return x < 0 ? std::expm1(x) : x; }},
      {{Unary::kSelu, a, b},
       "selu",
       4,
       [=](double x) { return db * (x < 0 ? da * std::expm1(x) : x); }},
      {{Unary::kCelu, a},
       "celu",
       4,
       [=](double x) { return x < 0 ? da * std::expm1(double(float(x) / a)) : x; }},
      {{Unary::kSoftplus}, "softplus", 4, softplus},
      {{Unary::kSoftsign},
       "softsign",
       2,
       [](double x) { return x / (1 + std::fabs(x)); },
       false,
       -1e37f,
       1e37f},
      {{Unary::kMish}, "mish", 8, [](double x) { return x * std::tanh(softplus(x)); }},
      {{Unary::kThresholded, a}, "thresholded", 0, [=](double x) { return x > da ? x : 0; }},
      {{Unary::kExp}, "exp", 2, [](double x) { return std::exp(x); }},
      {{Unary::kLog}, "log", 2, [](double x) { return std::log(x); }},
      {{Unary::kSqrt}, "sqrt", 0.5, [](double x) { return std::sqrt(x); }},
      {{Unary::kRsqrt}, "rsqrt", 2, [](double x) { return 1 / std::sqrt(x); }},
      {{Unary::kReciprocal}, "reciprocal", 0.5, [](double x) { return 1 / x; }},
      {{Unary::kErf}, "erf", 4, [](double x) { return std::erf(x); }},
      {{Unary::kNegate}, "negate", 0, [](double x) { return -x; }},
      {{Unary::kAbs}, "abs", 0, [](double x) { return std::fabs(x); }},
      {{Unary::kSign}, "sign", 0, [](double x) { return x > 0   ? 1
                                                        : x < 0 ? -1
                                                                : 0; }},
      {{Unary::kFloor}, "floor", 0, [](double x) { return std::floor(x); }},
      {{Unary::kCeil}, "ceil", 0, [](double x) { return std::ceil(x); }},
      {{Unary::kRound}, "round", 0, [](double x) { return std::nearbyint(x); }},
      {{Unary::kSquare}, "square", 0.5, [](double x) { return x * x; }},
      {{Unary::kLinear, a, b}, "linear", 1, [=](double x) { return da * x + db; }, true, -1, 1e30f},
  };
}

// Every 1,009th float of either sign, and numbers that are special to some function.
std::vector<float> probes(const Function& f) {
  std::vector<float> values = {0.0f,       -0.0f,       1.0f,   -1.0f, 0.5f,   1.5f,
                               2.5f,       -2.5f,       0.625f, 88.0f, -87.0f, 16777216.0f,
                               8388609.0f, -8388607.5f, 3.0f,   -3.0f, 4.0f};
  for (std::uint32_t i = 0; i < 0x7f800000; i += 1009 * 16) {
    values.push_back(std::bit_cast<float>(i));
    values.push_back(-std::bit_cast<float>(i));
  }
  for (float x = -20; x < 20; x += 0.0037f) values.push_back(x);
  std::erase_if(values, [&](float x) { return x < f.lo || x > f.hi; });
  return values;
}

double last_place(double x) {
  const float magnitude = std::fmax(std::fabs(float(x)), 1.17549435e-38f);
  return double(std::nextafter(magnitude, kInf)) - magnitude;
}

TEST_P(UnaryTest, ErrorIsWithinThePromise) {
  for (const Function& f : functions()) {
    SCOPED_TRACE(f.name);
    const std::vector<float> in = probes(f);
    Guarded<float> out(std::int64_t(in.size()));
    const UnaryArgs args{f.f, in.data(), out.data(), out.size()};
    kernels().unary(args, 0, tasks(args));
    out.check();
    double worst = 0;
    float worst_at = 0;
    for (std::size_t i = 0; i < in.size(); ++i) {
      const double want = f.exact(in[i]);
      const float got = out[std::int64_t(i)];
      if (std::isnan(want) || std::fabs(want) > 3.4028234e38) {
        ASSERT_FALSE(std::isnan(want) && !std::isnan(got)) << "at " << in[i] << " got " << got;
        ASSERT_FALSE(want > 3.5e38 && got != kInf) << "at " << in[i] << " got " << got;
        ASSERT_FALSE(want < -3.5e38 && got != -kInf) << "at " << in[i] << " got " << got;
        continue;
      }
      if (std::fabs(want) < 1e-36) {  // last bits of what is nearly subnormal may be lost
        ASSERT_NEAR(got, want, 1e-37) << "at " << in[i];
        continue;
      }
      const double unit =
          last_place(f.of_input ? std::fmax(std::fabs(in[i]), std::fabs(want)) : want);
      const double error = std::fabs(got - want) / unit;
      if (error > worst || std::isnan(error)) worst = error, worst_at = in[i];
      ASSERT_FALSE(std::isnan(got)) << "at " << in[i];
    }
    EXPECT_LE(worst, f.ulp + 1e-6) << "at " << worst_at;
    RecordProperty(f.name, std::to_string(worst));
  }
}

TEST_P(UnaryTest, SpecialValues) {
  const auto at = [&](Unary op, float x) {
    Guarded<float> out(1);
    const UnaryArgs args{{op, 1, 1}, &x, out.data(), 1};
    kernels().unary(args, 0, tasks(args));
    out.check();
    return out[0];
  };
  EXPECT_EQ(at(Unary::kExp, kInf), kInf);
  EXPECT_EQ(at(Unary::kExp, -kInf), 0);
  EXPECT_EQ(at(Unary::kExp, 89), kInf);
  EXPECT_EQ(at(Unary::kLog, 0), -kInf);
  EXPECT_EQ(at(Unary::kLog, kInf), kInf);
  EXPECT_TRUE(std::isnan(at(Unary::kLog, -1)));
  EXPECT_EQ(at(Unary::kTanh, kInf), 1);
  EXPECT_EQ(at(Unary::kTanh, -kInf), -1);
  EXPECT_EQ(at(Unary::kSigmoid, -kInf), 0);
  EXPECT_EQ(at(Unary::kSigmoid, kInf), 1);
  EXPECT_EQ(at(Unary::kErf, -kInf), -1);
  EXPECT_TRUE(std::signbit(at(Unary::kNegate, 0)));
  for (Unary op : {Unary::kExp, Unary::kLog, Unary::kTanh, Unary::kSigmoid, Unary::kErf,
                   Unary::kElu, Unary::kSoftplus, Unary::kMish, Unary::kGelu, Unary::kSilu}) {
    EXPECT_TRUE(std::isnan(at(op, kNan))) << int(op);
  }
}

TEST_P(UnaryTest, AnyCountAndInPlace) {
  for (std::int64_t count : {0, 1, 3, 7, 8, 9, 15, 16, 17, 31, 33, 40000, 100001}) {
    const std::vector<float> in = random_floats(count, 5, -3, 3);
    Guarded<float> out(count), in_place(count);
    UnaryArgs args{{Unary::kSilu}, in.data(), out.data(), count};
    kernels().unary(args, 0, tasks(args));
    out.check();
    std::copy(in.begin(), in.end(), in_place.data());
    args.in = args.out = in_place.data();
    run_tasks_apart(kernels().unary, args);
    in_place.check();
    for (std::int64_t i = 0; i < count; ++i) {
      ASSERT_NEAR(out[i], in[i] * sigmoid(in[i]), 1e-6);
      ASSERT_EQ(out[i], in_place[i]);
    }
  }
}

float exact_binary(Binary op, float a, float b) {
  switch (op) {
    case Binary::kAdd: return a + b;
    case Binary::kSub: return a - b;
    case Binary::kMul: return a * b;
    case Binary::kDiv: return a / b;
    case Binary::kMin: return std::isnan(a) || std::isnan(b) ? kNan : std::min(a, b);
    case Binary::kMax: return std::isnan(a) || std::isnan(b) ? kNan : std::max(a, b);
    case Binary::kSquaredDifference: return (a - b) * (a - b);
    case Binary::kPrelu: return a < 0 ? a * b : a;
    case Binary::kPow: return std::pow(a, b);
  }
  return 0;
}

constexpr Binary kBinaries[] = {Binary::kAdd,
                                Binary::kSub,
                                Binary::kMul,
                                Binary::kDiv,
                                Binary::kMin,
                                Binary::kMax,
                                Binary::kSquaredDifference,
                                Binary::kPrelu,
                                Binary::kPow};

// `mask_a`, `mask_b`: bit d set where the operand is broadcast along dimension d.
void check_binary(const Kernels& kernels, Binary op, std::vector<std::int64_t> dims, int mask_a,
                  int mask_b, Activation activation = {}) {
  SCOPED_TRACE(testing::Message() << int(op) << " masks " << mask_a << ' ' << mask_b << " dims "
                                  << testing::PrintToString(dims));
  BinaryArgs args;
  args.op = op;
  args.rank = int(dims.size());
  args.activation = activation;
  std::int64_t a_size = 1, b_size = 1, size = 1;
  for (int d = args.rank - 1; d >= 0; --d) {
    args.dims[d] = dims[d];
    args.a_strides[d] = mask_a >> d & 1 ? 0 : a_size;
    args.b_strides[d] = mask_b >> d & 1 ? 0 : b_size;
    if (args.a_strides[d]) a_size *= dims[d];
    if (args.b_strides[d]) b_size *= dims[d];
    size *= dims[d];
  }
  const bool positive = op == Binary::kPow;
  const auto a = random_floats(a_size, 1, positive ? 0.1f : -2, 2), b = random_floats(b_size, 2);
  const BinaryArgs plain = args;
  merge_dims(args);
  Guarded<float> out(size), apart(size);
  args.a = a.data(), args.b = b.data(), args.out = out.data();
  kernels.binary(args, 0, tasks(args));
  out.check();
  for (std::int64_t i = 0; i < size; ++i) {
    std::int64_t rest = i, at_a = 0, at_b = 0;
    for (int d = plain.rank - 1; d >= 0; --d) {
      at_a += rest % dims[d] * plain.a_strides[d];
      at_b += rest % dims[d] * plain.b_strides[d];
      rest /= dims[d];
    }
    float want = exact_binary(op, a[at_a], b[at_b]);
    if (activation.op == Unary::kClamp)
      want = std::min(std::max(want, activation.alpha), activation.beta);
    ASSERT_FLOAT_EQ(out[i], want) << i;
  }
  args.out = apart.data();
  run_tasks_apart(kernels.binary, args);
  ASSERT_EQ(std::memcmp(apart.data(), out.data(), std::size_t(size) * 4), 0);
}

TEST_P(BinaryTest, AllBroadcasts) {
  for (Binary op : kBinaries) {
    check_binary(kernels(), op, {3, 4, 21}, 0, 0);
    check_binary(kernels(), op, {}, 0, 0);
  }
  for (int a = 0; a < 8; ++a) {
    for (int b = 0; b < 8; ++b) check_binary(kernels(), Binary::kSub, {3, 5, 19}, a, b, kRelu);
  }
  check_binary(kernels(), Binary::kAdd, {200, 301}, 0, 1);
  check_binary(kernels(), Binary::kMul, {1, 70001}, 0, 2, kRelu6);
  check_binary(kernels(), Binary::kMul, {2, 0, 3}, 0, 0);
  check_binary(kernels(), Binary::kDiv, {2, 1, 3, 1, 2, 2, 1, 7}, 0, 0x14);
}

TEST_P(BinaryTest, TransposedOperandAndNan) {
  const auto a = random_floats(6 * 11, 1), b = random_floats(6 * 11, 2);
  Guarded<float> out(6 * 11);
  BinaryArgs args{Binary::kAdd, a.data(), b.data(), out.data(), 2, {6, 11}, {1, 6}, {11, 1}};
  merge_dims(args);
  kernels().binary(args, 0, tasks(args));
  out.check();
  for (int i = 0; i < 6; ++i) {
    for (int j = 0; j < 11; ++j) ASSERT_EQ(out[i * 11 + j], a[j * 6 + i] + b[i * 11 + j]);
  }
  const float x[] = {kNan, 1}, y[] = {1, kNan};
  for (Binary op : {Binary::kMin, Binary::kMax}) {
    Guarded<float> two(2);
    BinaryArgs nan{op, x, y, two.data(), 1, {2}, {1}, {1}};
    kernels().binary(nan, 0, tasks(nan));
    EXPECT_TRUE(std::isnan(two[0]) && std::isnan(two[1]));
  }
}

double half_value(std::uint16_t half) {
  const int exponent = half >> 10 & 31, mantissa = half & 1023;
  const double sign = half & 0x8000 ? -1 : 1;
  if (exponent == 31) return mantissa ? double(kNan) : sign * double(kInf);
  return sign * (exponent ? std::ldexp(1024 + mantissa, exponent - 25) : std::ldexp(mantissa, -24));
}

TEST_P(HalfTest, EveryHalfGoesThereAndBack) {
  std::vector<std::uint16_t> in(65536);
  for (int i = 0; i < 65536; ++i) in[std::size_t(i)] = std::uint16_t(i);
  Guarded<float> wide(65535);  // a count with a tail
  Guarded<std::uint16_t> back(65535);
  const F16ToF32Args widen{in.data() + 1, wide.data(), 65535};
  run_tasks_apart(kernels().f16_to_f32, widen);
  wide.check();
  const F32ToF16Args narrow{wide.data(), back.data(), 65535};
  run_tasks_apart(kernels().f32_to_f16, narrow);
  back.check();
  for (int i = 1; i < 65536; ++i) {
    const double want = half_value(std::uint16_t(i));
    if (std::isnan(want)) {
      ASSERT_TRUE(std::isnan(wide[i - 1]));
      ASSERT_TRUE(std::isnan(half_value(back[i - 1])));
      continue;
    }
    ASSERT_EQ(wide[i - 1], want) << i;
    ASSERT_EQ(back[i - 1], i);
  }
}

TEST_P(HalfTest, RoundsToNearestEven) {
  std::vector<float> in;
  for (int i = 0; i < 0x7c00; ++i) {
    const auto low = float(half_value(std::uint16_t(i)));
    const float high = i == 0x7bff ? 65536.0f : float(half_value(std::uint16_t(i + 1)));
    const float middle = (low + high) / 2;
    in.insert(in.end(), {middle, std::nextafter(middle, 0.0f), std::nextafter(middle, kInf)});
  }
  Guarded<std::uint16_t> out(std::int64_t(in.size()));
  const F32ToF16Args args{in.data(), out.data(), out.size()};
  kernels().f32_to_f16(args, 0, tasks(args));
  for (int i = 0; i < 0x7c00; ++i) {
    ASSERT_EQ(out[3 * i], i % 2 == 0 ? i : i + 1);
    ASSERT_EQ(out[3 * i + 1], i);
    ASSERT_EQ(out[3 * i + 2], i + 1);
  }
}

POLDER_FOR_EACH_ISA(UnaryTest);
POLDER_FOR_EACH_ISA(BinaryTest);
POLDER_FOR_EACH_ISA(HalfTest);

}  // namespace
}  // namespace polder::kernel
