// The kernels for x86-64-v4: AVX-512 F, BW, CD, DQ, VL.
#include "kernel/body.h"
#include "kernel/isa.h"

#if defined(__x86_64__)
#include <immintrin.h>

#if defined(__clang__)
#pragma clang attribute push(                                                                  \
    __attribute__((target("avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,fma,f16c,bmi2"))), \
    apply_to = function)
#else
#pragma GCC push_options
// g++ 12's own avx512fintrin.h passes undefined vectors to masked instructions that ignore them.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC target("avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,fma,f16c,bmi2")
#endif

namespace polder::kernel {
namespace {

constexpr Isa kIsa = Isa::kX86V4;
constexpr int kLanes = 16;
typedef float V __attribute__((vector_size(64)));
typedef std::int32_t I __attribute__((vector_size(64)));

// Tiles of 12 x 32 over two panels: 24 sums of 32 registers; more rows than that would want more
// pointers than there are registers.
constexpr int kTileVectors = 2, kWideTileVectors = 2, kMaxTileVectors = 2;
constexpr bool kFetchAhead = true;
constexpr int tile_rows(int) { return 12; }

inline V vmax(V a, V b) { return _mm512_max_ps(a, b); }
inline V vmin(V a, V b) { return _mm512_min_ps(a, b); }
inline V vsqrt(V v) { return _mm512_sqrt_ps(v); }
inline V vround(V v) {
  return _mm512_roundscale_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
inline V vfloor(V v) { return _mm512_roundscale_ps(v, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC); }
inline V vceil(V v) { return _mm512_roundscale_ps(v, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC); }
inline I to_int(V v) { return reinterpret_cast<I>(_mm512_cvtps_epi32(v)); }
inline V half_load(const std::uint16_t* p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
inline void half_store(std::uint16_t* p, V v) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}

// What the bodies otherwise build from the rest.
#define POLDER_AVX512
constexpr bool kMasks = true;
inline __mmask16 first_lanes(std::int64_t count) {
  return __mmask16(_bzhi_u32(0xffff, unsigned(count)));
}
inline V load_part(const float* p, std::int64_t count) {
  return _mm512_maskz_loadu_ps(first_lanes(count), p);
}
inline void store_part(float* p, V v, std::int64_t count) {
  _mm512_mask_storeu_ps(p, first_lanes(count), v);
}
inline V scaled(V x, I n) { return _mm512_scalef_ps(x, __builtin_convertvector(n, V)); }
// A division keeps one of the two ports busy for 16 cycles; an estimate of 14 bits and a step of
// Newton's do not.
inline V inverse(V x) {
  const V estimate = _mm512_rcp14_ps(x);
  return estimate + estimate * (1.0f - x * estimate);
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
const Kernels* x86_v4_kernels() { return &kTable; }
}  // namespace polder::kernel

#else
namespace polder::kernel {
const Kernels* x86_v4_kernels() { return nullptr; }
}  // namespace polder::kernel
#endif
