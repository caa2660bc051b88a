// The kernels for arm64: NEON with FMA, which every 64-bit Arm has.
#include "kernel/body.h"
#include "kernel/isa.h"

#if defined(__aarch64__)
#include <arm_neon.h>

namespace polder::kernel {
namespace {

constexpr Isa kIsa = Isa::kArm64Neon;
constexpr int kLanes = 4;
typedef float V __attribute__((vector_size(16)));
typedef std::int32_t I __attribute__((vector_size(16)));

// Tiles of 6 x 16: 24 sums, 4 vectors of weights, the rest for broadcasts, of 32 registers.
constexpr int kTileVectors = 4, kWideTileVectors = 4, kMaxTileVectors = 4;
constexpr bool kFetchAhead = false;
constexpr int tile_rows(int) { return 6; }

// The second operand where either is NaN, as the bodies expect (FMAX would also give a NaN from the
// first; a select does what x86 does).
inline V vmax(V a, V b) { return a > b ? a : b; }
inline V vmin(V a, V b) { return a < b ? a : b; }
inline V vsqrt(V v) { return vsqrtq_f32(v); }
inline V vround(V v) { return vrndnq_f32(v); }
inline V vfloor(V v) { return vrndmq_f32(v); }
inline V vceil(V v) { return vrndpq_f32(v); }
inline I to_int(V v) { return vcvtnq_s32_f32(v); }
inline V half_load(const std::uint16_t* p) {
  return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)));
}
inline void half_store(std::uint16_t* p, V v) {
  vst1_u16(p, vreinterpret_u16_f16(vcvt_f16_f32(v)));
}

#include "kernel/body.inl"

}  // namespace

const Kernels* arm64_neon_kernels() { return &kTable; }

}  // namespace polder::kernel

#else
namespace polder::kernel {
const Kernels* arm64_neon_kernels() { return nullptr; }
}  // namespace polder::kernel
#endif
