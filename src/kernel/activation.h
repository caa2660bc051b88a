// Functions of one number, and what a kernel does to a sum before storing it (its epilogue).
#pragma once

#include <cstdint>
#include <limits>

namespace polder::kernel {

// "n ulp": the largest error against the exact result, in units of the last place of an f32, that
// the tests allow over all finite inputs with a normal result. Those without a figure are exact or
// correctly rounded. alpha and beta are the fields of Activation. NaN gives NaN everywhere, except
// that kClamp of a NaN is unspecified between NaN and a bound.
enum class Unary : std::uint8_t {
  kNone,         // x
  kClamp,        // min(max(x, alpha), beta): relu, relu6, clip
  kSigmoid,      // 1 / (1 + exp(-x)), 4 ulp
  kTanh,         // 4 ulp
  kSilu,         // x sigmoid(x), 4 ulp
  kHardSigmoid,  // min(max(alpha x + beta, 0), 1); absolute error 1 ulp of the larger of |x| and 1
  kHardSwish,    // x min(max(x / 6 + 0.5, 0), 1)
  kGelu,         // x (1 + erf(x / sqrt 2)) / 2; absolute error 4 ulp of |x|
  kGeluTanh,     // x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) / 2; absolute error 4 ulp of |x|
  kLeakyRelu,    // x < 0 ? alpha x : x
  kElu,          // x < 0 ? alpha (exp(x) - 1) : x, 4 ulp for alpha 1
  kSelu,         // beta (x < 0 ? alpha (exp(x) - 1) : x), 4 ulp
  kCelu,         // x < 0 ? alpha (exp(x / alpha) - 1) : x, 4 ulp
  kSoftplus,     // log(1 + exp(x)), 4 ulp
  kSoftsign,     // x / (1 + |x|), 2 ulp
  kMish,         // x tanh(softplus(x)), 8 ulp
  kThresholded,  // x > alpha ? x : 0
  kExp,          // 2 ulp
  kLog,          // 2 ulp; -inf at 0, NaN below
  kSqrt,
  kRsqrt,       // 1 / sqrt(x), 2 ulp
  kReciprocal,  // 1 / x
  kErf,         // 4 ulp
  kNegate,
  kAbs,
  kSign,  // -1, 0 or 1
  kFloor,
  kCeil,
  kRound,   // to nearest, halves to even
  kSquare,  // x x
  kLinear,  // alpha x + beta
};

// A function with its parameters.
struct Activation {
  Unary op = Unary::kNone;
  float alpha = 0;
  float beta = 0;
};

inline constexpr Activation kRelu{Unary::kClamp, 0, std::numeric_limits<float>::infinity()};
inline constexpr Activation kRelu6{Unary::kClamp, 0, 6};

// The last step of convolution, depthwise convolution and matrix products, done on the tile that
// is still in registers or in L1:
//   out = activation(sum + bias [+ residual])                        by default
//   out = activation(sum + bias) + residual                          when residual_after
struct Epilogue {
  const float* bias = nullptr;       // [output channels], or null
  const float* residual = nullptr;   // the output's shape, or null; may be the output itself
  std::int64_t residual_stride = 0;  // elements between two rows (pixels) of the residual
  Activation activation;
  bool residual_after = false;
};

}  // namespace polder::kernel
