// The kernels for x86-64-v3: AVX2 and FMA.
#include "kernel/body.h"
#include "kernel/isa.h"

#if defined(__x86_64__)
#include <immintrin.h>

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c,bmi2"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma,f16c,bmi2")
#endif

namespace polder::kernel {
namespace {

constexpr Isa kIsa = Isa::kX86V3;
constexpr int kLanes = 8;
typedef float V __attribute__((vector_size(32)));
typedef std::int32_t I __attribute__((vector_size(32)));

// Tiles of 6 x 16: 12 sums, 2 vectors of weights, 1 broadcast of 16 registers; 4 x 24 where the
// outputs end in half a panel.
constexpr int kTileVectors = 2, kWideTileVectors = 3, kMaxTileVectors = 3;
constexpr bool kFetchAhead = false;
constexpr int tile_rows(int vectors) { return vectors == 3 ? 4 : 6; }

inline V vmax(V a, V b) { return _mm256_max_ps(a, b); }
inline V vmin(V a, V b) { return _mm256_min_ps(a, b); }
inline V vsqrt(V v) { return _mm256_sqrt_ps(v); }
inline V vround(V v) { return _mm256_round_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
inline V vfloor(V v) { return _mm256_floor_ps(v); }
inline V vceil(V v) { return _mm256_ceil_ps(v); }
inline I to_int(V v) { return reinterpret_cast<I>(_mm256_cvtps_epi32(v)); }
inline V half_load(const std::uint16_t* p) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
inline void half_store(std::uint16_t* p, V v) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}

#include "kernel/body.inl"

}  // namespace
}  // namespace polder::kernel

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

namespace polder::kernel {
const Kernels* x86_v3_kernels() { return &kTable; }
}  // namespace polder::kernel

#else
namespace polder::kernel {
const Kernels* x86_v3_kernels() { return nullptr; }
}  // namespace polder::kernel
#endif
