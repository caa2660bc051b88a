// The kernels for whatever the compiler targets by default: four lanes, no instruction named.
#include "kernel/body.h"
#include "kernel/isa.h"

#include <bit>

namespace polder::kernel {
namespace {

constexpr Isa kIsa = Isa::kGeneric;
constexpr int kLanes = 4;
typedef float V __attribute__((vector_size(16)));
typedef std::int32_t I __attribute__((vector_size(16)));

// Tiles of 4 x 8: eight sums, as SSE2 has 16 registers.
constexpr int kTileVectors = 2, kWideTileVectors = 2, kMaxTileVectors = 2;
constexpr bool kFetchAhead = false;
constexpr int tile_rows(int) { return 4; }

inline V vmax(V a, V b) { return a > b ? a : b; }
inline V vmin(V a, V b) { return a < b ? a : b; }
inline V vsqrt(V v) {
  for (int i = 0; i < kLanes; ++i) v[i] = std::sqrt(v[i]);
  return v;
}
// To the nearest integer, halves to even, for |v| < 2^22: there the sum's last place is 1.
inline V nearest_small(V v) { return (v + 12582912.0f) - 12582912.0f; }
inline I to_int(V v) {
  V clamped = v > 4194304.0f ? V{} + 4194304.0f : v;
  clamped = clamped > -4194304.0f ? clamped : V{} - 4194304.0f;
  return __builtin_convertvector(nearest_small(clamped), I);
}
inline V round_with(V v, float (*f)(float)) {
  for (int i = 0; i < kLanes; ++i) v[i] = f(v[i]);
  return v;
}
inline V vround(V v) { return round_with(v, std::nearbyint); }
inline V vfloor(V v) { return round_with(v, std::floor); }
inline V vceil(V v) { return round_with(v, std::ceil); }

inline float from_half(std::uint16_t half) {
  const std::uint32_t sign = std::uint32_t(half & 0x8000) << 16;
  const std::uint32_t magnitude = half & 0x7fff;
  if (magnitude < 0x0400) {  // zero and subnormals: a multiple of 2^-24
    const float value = float(magnitude) * 0x1p-24f;
    return sign ? -value : value;
  }
  if (magnitude < 0x7c00) return std::bit_cast<float>(sign | ((magnitude + 0x1c000) << 13));
  const std::uint32_t quiet = magnitude > 0x7c00 ? 0x400000 : 0;
  return std::bit_cast<float>(sign | 0x7f800000 | ((magnitude & 0x3ff) << 13) | quiet);
}

inline std::uint16_t to_half(float value) {
  const auto word = std::bit_cast<std::uint32_t>(value);
  const auto sign = std::uint16_t((word >> 16) & 0x8000);
  const std::uint32_t magnitude = word & 0x7fffffff;
  if (magnitude > 0x7f800000) return std::uint16_t(sign | 0x7e00 | ((magnitude >> 13) & 0x3ff));
  if (magnitude >= 0x477ff000) return sign | 0x7c00;  // 65520 and more round to infinity
  if (magnitude < 0x38800000) {                       // below 2^-14: 0.5 has a last place of 2^-24
    const float sum = std::bit_cast<float>(magnitude) + 0.5f;
    return std::uint16_t(sign | (std::bit_cast<std::uint32_t>(sum) - 0x3f000000));
  }
  const std::uint32_t rounded = magnitude + 0xfff + ((magnitude >> 13) & 1);
  return std::uint16_t(sign | ((rounded - 0x38000000) >> 13));
}

inline V half_load(const std::uint16_t* p) {
  V v{};
  for (int i = 0; i < kLanes; ++i) v[i] = from_half(p[i]);
  return v;
}
inline void half_store(std::uint16_t* p, V v) {
  for (int i = 0; i < kLanes; ++i) p[i] = to_half(v[i]);
}

#include "kernel/body.inl"

}  // namespace

const Kernels* generic_kernels() { return &kTable; }

}  // namespace polder::kernel
