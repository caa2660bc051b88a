// Conversion of numbers: saturating, and between f32 or f64 and the 16-bit floats.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

namespace polder::ops {

// x as a T: integers truncate towards zero and stop at their limits, NaN becomes 0.
template <class T>
T saturate(double x) {
  if constexpr (std::is_floating_point_v<T>) {
    return T(x);
  } else {
    // 2^63 and 2^64 are the first values out of range; max() itself is not an f64.
    if (!(x > double(std::numeric_limits<T>::min()))) {
      return std::isnan(x) ? T(0) : std::numeric_limits<T>::min();
    }
    if (x >= double(std::numeric_limits<T>::max())) return std::numeric_limits<T>::max();
    return T(x);
  }
}

inline float f16_to_f32(std::uint16_t half) {
  const std::uint32_t sign = std::uint32_t(half & 0x8000u) << 16;
  const std::uint32_t exponent = half >> 10 & 31u, fraction = half & 0x3ffu;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000u | fraction << 13);
  if (exponent != 0) return std::bit_cast<float>(sign | (exponent + 112) << 23 | fraction << 13);
  const float tiny = float(fraction) * 0x1p-24f;
  return sign ? -tiny : tiny;
}

// Rounds to nearest even; too large becomes infinity.
inline std::uint16_t f32_to_f16(float x) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(x);
  const std::uint16_t sign = std::uint16_t(bits >> 16 & 0x8000u);
  const std::uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return std::uint16_t(sign | 0x7e00u);
  if (magnitude >= 0x477ff000u) return std::uint16_t(sign | 0x7c00u);  // 65520 and above
  if (magnitude < 0x38800000u) {  // subnormal: the sum rounds at 2^-24
    const float sum = std::bit_cast<float>(magnitude) + 0.5f;
    return std::uint16_t(sign | (std::bit_cast<std::uint32_t>(sum) - 0x3f000000u));
  }
  const std::uint32_t even = magnitude >> 13 & 1u;
  return std::uint16_t(sign | ((magnitude - 0x38000000u + 0xfffu + even) >> 13));
}

inline float bf16_to_f32(std::uint16_t x) { return std::bit_cast<float>(std::uint32_t(x) << 16); }

inline std::uint16_t f32_to_bf16(float x) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(x);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return std::uint16_t(bits >> 16 | 0x40u);
  return std::uint16_t((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

// f64 to f32 with the lowest bit set when anything was lost, so that a second rounding to a
// narrower format gives the nearest value.
inline float narrow_to_odd(double x) {
  float y = float(x);
  if (double(y) == x || std::isnan(x) || std::isinf(y)) return y;
  std::uint32_t bits = std::bit_cast<std::uint32_t>(y);
  if (std::abs(double(y)) > std::abs(x)) --bits;
  return std::bit_cast<float>(bits | 1u);
}

}  // namespace polder::ops
