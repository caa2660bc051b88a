// Functions of one or two tensors, element by element, and conversions of their type.
// Conventions: see conv.h. The output may be the same memory as an input of its size.
#pragma once

#include <cstdint>

#include "kernel/activation.h"

namespace polder::kernel {

// out[i] = f(in[i])
struct UnaryArgs {
  Activation f;
  const float* in = nullptr;
  float* out = nullptr;
  std::int64_t count = 0;
};
int tasks(const UnaryArgs& args);

enum class Binary : std::uint8_t {
  kAdd,
  kSub,
  kMul,
  kDiv,
  kMin,
  kMax,
  kSquaredDifference,  // (a - b)^2
  kPrelu,              // a < 0 ? a * b : a
  kPow,                // the C library's powf, not vectorised
};

inline constexpr int kMaxBinaryRank = 8;

// out = activation(a op b), broadcast: `out` is dense with extents dims[0..rank), outermost first;
// a and b have one stride per dimension, 0 where they are broadcast. Call merge_dims() once after
// filling it in: it joins dimensions, so that the inner loop is as long as can be. The usual cases
// (same shape, a scalar, a vector along the last axis, one value per channel plane) then run at
// memory speed. rank 0 is one element. A dimension may be 0 (nothing is done).
struct BinaryArgs {
  Binary op = Binary::kAdd;
  const float* a = nullptr;
  const float* b = nullptr;
  float* out = nullptr;
  int rank = 0;
  std::int64_t dims[kMaxBinaryRank] = {};
  std::int64_t a_strides[kMaxBinaryRank] = {};
  std::int64_t b_strides[kMaxBinaryRank] = {};
  Activation activation;
};
void merge_dims(BinaryArgs& args);
int tasks(const BinaryArgs& args);

// out[i] = in[i], converted. f32 to f16 rounds to nearest even; too large becomes infinity.
struct F16ToF32Args {
  const std::uint16_t* in = nullptr;
  float* out = nullptr;
  std::int64_t count = 0;
};
int tasks(const F16ToF32Args& args);

struct F32ToF16Args {
  const float* in = nullptr;
  std::uint16_t* out = nullptr;
  std::int64_t count = 0;
};
int tasks(const F32ToF16Args& args);

}  // namespace polder::kernel
