// Vector functions of one number, one struct each, and their loop over rows. The polynomials are
// minimax fits (Remez exchange, error in their comments relative to the function's value).

POLDER_INLINE V vclamp(V lo, V hi, V x) { return vmin(hi, vmax(lo, x)); }

constexpr float kLog2E = 1.44269504f;
constexpr float kLn2High = 0.693359375f;  // few bits, so that n * kLn2High is exact
constexpr float kLn2Low = -2.12194440e-4f;

// 2^n for n in [-126, 127]
POLDER_INLINE V exp2_int(I n) { return from_bits((n + 127) << 23); }

#if !defined(POLDER_AVX512)
// x 2^n for n in [-252, 254]: two factors, so that subnormal and infinite results come out right.
POLDER_INLINE V scaled(V x, I n) { return x * exp2_int(n >> 1) * exp2_int(n - (n >> 1)); }
// 1 / x for x in [1, 2], 1 ulp
POLDER_INLINE V inverse(V x) { return 1.0f / x; }
#endif

// exp(r) - 1 for |r| <= ln(2) / 2: r + r^2 P(r), 3e-9
POLDER_INLINE V expm1_reduced(V r) {
  V p = splat(0.00138144649f) * r + splat(0.008368780384f);
  p = p * r + splat(0.04166839424f);
  p = p * r + splat(0.1666652011f);
  p = p * r + splat(0.4999999341f);
  return p * (r * r) + r;
}

POLDER_INLINE V exp_reduce(V x, I* n) {
  *n = to_int(x * splat(kLog2E));
  const V k = to_float(*n);
  return x - k * splat(kLn2High) - k * splat(kLn2Low);
}

POLDER_INLINE V vexp(V x) {
  I n;
  const V r = exp_reduce(vclamp(splat(-104), splat(89), x), &n);
  return scaled(expm1_reduced(r) + 1.0f, n);
}

// exp(x) - 1, accurate near 0; overflows at 88.
POLDER_INLINE V vexpm1(V x) {
  I n;
  const V r = exp_reduce(vclamp(splat(-80), splat(88), x), &n);
  const V scale = exp2_int(n);
  return expm1_reduced(r) * scale + (scale - 1.0f);
}

POLDER_INLINE V vlog(V x) {
  const auto small = x < splat(1.17549435e-38f);
  const V scaled = small ? x * splat(8388608.0f) : x;
  // x = m 2^e with m in [sqrt(1/2), sqrt(2))
  const I e = (bits(scaled) - 0x3f3504f3) >> 23;
  const V f = from_bits(bits(scaled) - (e << 23)) - 1.0f;
  const V exponent = to_float(e) + (small ? splat(-23) : V{});
  V p = splat(0.06915395369f) * f + splat(-0.1178964068f);  // 7e-10
  p = p * f + splat(0.1187286564f);
  p = p * f + splat(-0.123843708f);
  p = p * f + splat(0.142186782f);
  p = p * f + splat(-0.1666925016f);
  p = p * f + splat(0.2000222543f);
  p = p * f + splat(-0.249999866f);
  p = p * f + splat(0.3333331046f);
  V y = f * f * (f * p - 0.5f) + exponent * splat(kLn2Low);
  y = (y + f) + exponent * splat(kLn2High);
  const V infinity = splat(std::numeric_limits<float>::infinity());
  y = x == infinity ? infinity : y;
  y = x == V{} ? -infinity : y;
  y = x < V{} ? splat(std::numeric_limits<float>::quiet_NaN()) : y;
  return x != x ? x : y;
}

// log(1 + u) for u in [0, 1]
POLDER_INLINE V vlog1p(V u) {
  const V y = u + 1.0f;
  return vlog(y) + (u - (y - 1.0f)) / y;
}

#define POLDER_EACH(body) POLDER_UNROLL for (int j = 0; j < N; ++j) { body; }
// N vectors step by step: each is a chain of dependent operations that is longer than what a core
// looks ahead, so one after the other they would wait for themselves.
template <int N>
POLDER_INLINE void vsigmoids(const V (&x)[N], V (&y)[N]) {
  V k[N], r[N], p[N];
  I n[N];
  POLDER_EACH(r[j] = vmax(splat(-104), with_sign_of(x[j], splat(-0.0f))))  // -|x|
  POLDER_EACH(n[j] = to_int(r[j] * splat(kLog2E)))
  POLDER_EACH(k[j] = to_float(n[j]))
  POLDER_EACH(r[j] = r[j] - k[j] * splat(kLn2High))
  POLDER_EACH(r[j] = r[j] - k[j] * splat(kLn2Low))
  POLDER_EACH(p[j] = splat(0.00138144649f) * r[j] + splat(0.008368780384f))  // as expm1_reduced()
  POLDER_EACH(p[j] = p[j] * r[j] + splat(0.04166839424f))
  POLDER_EACH(p[j] = p[j] * r[j] + splat(0.1666652011f))
  POLDER_EACH(p[j] = p[j] * r[j] + splat(0.4999999341f))
  POLDER_EACH(p[j] = p[j] * r[j] + 1.0f)
  POLDER_EACH(p[j] = p[j] * r[j] + 1.0f)
  POLDER_EACH(p[j] = scaled(p[j], n[j]))
  POLDER_EACH(r[j] = inverse(p[j] + 1.0f))
  POLDER_EACH(y[j] = x[j] < V{} ? p[j] * r[j] : r[j])
}
#undef POLDER_EACH

POLDER_INLINE V vsigmoid(V x) {
  const V in[1] = {x};
  V out[1];
  vsigmoids(in, out);
  return out[0];
}

POLDER_INLINE V vtanh(V x) {
  const V a = vabs(x), t = x * x;
  V p = splat(-0.005704982326f) * t + splat(0.02063908247f);  // 4e-9, |x| < 0.625
  p = p * t + splat(-0.05373971337f);
  p = p * t + splat(0.1333144217f);
  p = p * t + splat(-0.3333328194f);
  const V near = p * t * x + x;
  const V far = 1.0f - 2.0f / (vexp(a + a) + 1.0f);
  return a < splat(0.625f) ? near : with_sign_of(far, x);
}

POLDER_INLINE V verf(V x) {
  const V a = vabs(x), t = x * x;
  V p = splat(7.853839756e-5f) * t + splat(-0.0008010186862f);  // x P(x^2), 1e-9, |x| < 1
  p = p * t + splat(0.005188326884f);
  p = p * t + splat(-0.02685381149f);
  p = p * t + splat(0.1128358514f);
  p = p * t + splat(-0.3761262582f);
  p = p * t + splat(1.128379166f);
  const V u = vmin(splat(4), a) - 2.5f;  // log(erfc(u + 2.5)), 2e-11 of erf
  V q = splat(-2.168669179e-5f) * u + splat(6.181731826e-5f);
  q = q * u + splat(-0.0004309136947f);
  q = q * u + splat(0.002166523933f);
  q = q * u + splat(-0.01085349909f);
  q = q * u + splat(-0.9438918402f);
  q = q * u + splat(-5.352680614f);
  q = q * u + splat(-7.806815304f);
  return a < splat(1) ? x * p : with_sign_of(1.0f - vexp(q), x);
}

#define POLDER_UNARY(Name, body)                            \
  struct Name {                                             \
    V alpha, beta;                                          \
    POLDER_INLINE explicit Name(const Activation& f)        \
        : alpha(splat(f.alpha)), beta(splat(f.beta)) {}     \
    POLDER_INLINE V operator()(V x) const { return body; }  \
  };
POLDER_UNARY(None, x)
POLDER_UNARY(Clamp, vclamp(alpha, beta, x))
POLDER_UNARY(Tanh, vtanh(x))
POLDER_UNARY(HardSigmoid, vclamp(V{}, splat(1), alpha * x + beta))
POLDER_UNARY(HardSwish, x * (vclamp(V{}, splat(6), x + 3.0f) * (1.0f / 6)))
POLDER_UNARY(Gelu, 0.5f * x * (verf(x * 0.70710678f) + 1.0f))
POLDER_UNARY(GeluTanh, x * vsigmoid(1.59576912f * (x + 0.044715f * x * x * x)))
POLDER_UNARY(LeakyRelu, x < V{} ? alpha * x : x)
POLDER_UNARY(Elu, x < V{} ? alpha * vexpm1(x) : x)
POLDER_UNARY(Selu, beta * (x < V{} ? alpha * vexpm1(x) : x))
POLDER_UNARY(Celu, x < V{} ? alpha * vexpm1(x / alpha) : x)
POLDER_UNARY(Softplus, vmax(V{}, x) + vlog1p(vexp(-vabs(x))))
POLDER_UNARY(Softsign, x / (vabs(x) + 1.0f))
POLDER_UNARY(Thresholded, x > alpha ? x : V{})
POLDER_UNARY(Exp, vexp(x))
POLDER_UNARY(Log, vlog(x))
POLDER_UNARY(Sqrt, vsqrt(x))
POLDER_UNARY(Rsqrt, 1.0f / vsqrt(x))
POLDER_UNARY(Reciprocal, 1.0f / x)
POLDER_UNARY(Erf, verf(x))
POLDER_UNARY(Negate, -x)
POLDER_UNARY(Abs, vabs(x))
POLDER_UNARY(Sign, x > V{} ? splat(1) : (x < V{} ? splat(-1) : x))
POLDER_UNARY(Floor, vfloor(x))
POLDER_UNARY(Ceil, vceil(x))
POLDER_UNARY(Round, vround(x))
POLDER_UNARY(Square, x * x)
POLDER_UNARY(Linear, alpha * x + beta)
#undef POLDER_UNARY

// tanh(log(1 + e)) = n / (n + 2) with n = e (e + 2)
struct Mish {
  POLDER_INLINE explicit Mish(const Activation&) {}
  POLDER_INLINE V operator()(V x) const {
    const V e = vexp(vmin(splat(20), x));
    const V n = e * (e + 2.0f);
    return x * (n / (n + 2.0f));
  }
};

// out[i] = f(in[i]) for a whole number of vectors; in and out may be the same.
template <class F>
void each_vector(const Activation& activation, const float* in, float* out, std::int64_t count) {
  const F f(activation);
  for (std::int64_t i = 0; i < count; i += kLanes) store(out + i, f(load(in + i)));
}

template <bool kTimesX>
void each_sigmoid(const Activation&, const float* in, float* out, std::int64_t count) {
  constexpr int kTogether = 4;
  std::int64_t i = 0;
  for (; i + kTogether * kLanes <= count; i += kTogether * kLanes) {
    V x[kTogether], y[kTogether];
    POLDER_UNROLL for (int j = 0; j < kTogether; ++j) x[j] = load(in + i + j * kLanes);
    vsigmoids(x, y);
    POLDER_UNROLL for (int j = 0; j < kTogether; ++j) {
      store(out + i + j * kLanes, kTimesX ? x[j] * y[j] : y[j]);
    }
  }
  for (; i < count; i += kLanes) {
    const V x = load(in + i);
    store(out + i, kTimesX ? x * vsigmoid(x) : vsigmoid(x));
  }
}

using VectorLoop = void (*)(const Activation&, const float*, float*, std::int64_t);

VectorLoop loop_of(Unary op) {
  switch (op) {
#define POLDER_CASE(Name) \
  case Unary::k##Name: return each_vector<Name>;
    case Unary::kSigmoid: return each_sigmoid<false>;
    case Unary::kSilu: return each_sigmoid<true>;
    POLDER_CASE(None) POLDER_CASE(Clamp) POLDER_CASE(Tanh)
    POLDER_CASE(HardSigmoid) POLDER_CASE(HardSwish) POLDER_CASE(Gelu) POLDER_CASE(GeluTanh)
    POLDER_CASE(LeakyRelu) POLDER_CASE(Elu) POLDER_CASE(Selu) POLDER_CASE(Celu)
    POLDER_CASE(Softplus) POLDER_CASE(Softsign) POLDER_CASE(Mish) POLDER_CASE(Thresholded)
    POLDER_CASE(Exp) POLDER_CASE(Log) POLDER_CASE(Sqrt) POLDER_CASE(Rsqrt)
    POLDER_CASE(Reciprocal) POLDER_CASE(Erf) POLDER_CASE(Negate) POLDER_CASE(Abs)
    POLDER_CASE(Sign) POLDER_CASE(Floor) POLDER_CASE(Ceil) POLDER_CASE(Round)
    POLDER_CASE(Square) POLDER_CASE(Linear)
#undef POLDER_CASE
  }
  return each_vector<None>;
}

// Any number of elements; in and out may be the same.
void apply(const Activation& f, const float* in, float* out, std::int64_t count) {
  const VectorLoop loop = loop_of(f.op);
  const std::int64_t whole = count / kLanes * kLanes;
  loop(f, in, out, whole);
  if (whole == count) return;
  float lanes[kLanes];
  store(lanes, load_part(in + whole, count - whole));
  loop(f, lanes, lanes, kLanes);
  std::copy(lanes, lanes + (count - whole), out + whole);
}

POLDER_INLINE std::int64_t whole_vectors(std::int64_t count) {
  return (count + kLanes - 1) / kLanes * kLanes;
}

// Sums on the stack that wait for an activation: [rows][width], width a number of vectors. All of
// it is computed with, so columns that do not exist must hold a number.
struct Stage {
  float* sums;
  std::int64_t rows, width;
};

void add_rows(const Stage& stage, const float* more, std::int64_t stride, std::int64_t columns) {
  for (std::int64_t i = 0; i < stage.rows; ++i) {
    float* row = stage.sums + i * stage.width;
    for (std::int64_t j = 0; j < columns; ++j) row[j] += more[i * stride + j];
  }
}

// out = activation(sums) [+ residual] for the first `columns` of each row; residual or null.
void finish_stage(const Stage& stage, const Activation& f, const float* residual,
                  std::int64_t residual_stride, float* out, std::int64_t out_stride,
                  std::int64_t columns) {
  apply(f, stage.sums, stage.sums, stage.rows * stage.width);
  for (std::int64_t i = 0; i < stage.rows; ++i) {
    const float* from = stage.sums + i * stage.width;
    std::int64_t j = 0;
    for (; j + kLanes <= columns; j += kLanes) {
      V y = load(from + j);
      if (residual) y += load(residual + i * residual_stride + j);
      store(out + i * out_stride + j, y);
    }
    for (; j < columns; ++j) {
      out[i * out_stride + j] = from[j] + (residual ? residual[i * residual_stride + j] : 0);
    }
  }
}
