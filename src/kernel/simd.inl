// What every kernel body builds on: loads, stores, splats and partial vectors. Each instruction
// set's file defines, before including this: kLanes, V (a vector of kLanes f32), I (of int32), and
// vmax, vmin (the second operand where either is NaN), vsqrt, vfloor, vceil, vround (ties to even),
// to_int (to nearest), half_load, half_store. One that defines POLDER_AVX512 has its own load_part,
// store_part, scaled and inverse.

#define POLDER_UNROLL _Pragma("GCC unroll 32")
#define POLDER_INLINE inline __attribute__((always_inline))

typedef float UnalignedV __attribute__((vector_size(kLanes * 4), aligned(4), may_alias));

POLDER_INLINE V load(const float* p) { return *reinterpret_cast<const UnalignedV*>(p); }
POLDER_INLINE void store(float* p, V v) { *reinterpret_cast<UnalignedV*>(p) = v; }
POLDER_INLINE V splat(float x) { return x - V{}; }  // x - 0 is x even for -0

// The ends of rows.
#if !defined(POLDER_AVX512)
constexpr bool kMasks = false;
// Out of line: they are rare, and would otherwise be most of the code.
__attribute__((noinline)) V load_part(const float* p, std::int64_t count) {
  float lanes[kLanes] = {};
  for (std::int64_t i = 0; i < count; ++i) lanes[i] = p[i];
  return load(lanes);
}
__attribute__((noinline)) void store_part(float* p, V v, std::int64_t count) {
  float lanes[kLanes];
  store(lanes, v);
  for (std::int64_t i = 0; i < count; ++i) p[i] = lanes[i];
}
#endif

// All of a vector, or its first `count` lanes.
template <bool Whole>
POLDER_INLINE V load_lanes(const float* p, std::int64_t count) {
  return Whole ? load(p) : load_part(p, count);
}
template <bool Whole>
POLDER_INLINE void store_lanes(float* p, V v, std::int64_t count) {
  if (Whole) store(p, v);
  else store_part(p, v, count);
}

POLDER_INLINE I bits(V v) { return reinterpret_cast<I>(v); }
POLDER_INLINE V from_bits(I i) { return reinterpret_cast<V>(i); }
POLDER_INLINE I splat_int(std::int32_t x) { return x - I{}; }
POLDER_INLINE V to_float(I i) { return __builtin_convertvector(i, V); }
POLDER_INLINE V vabs(V v) { return from_bits(bits(v) & splat_int(0x7fffffff)); }
POLDER_INLINE V with_sign_of(V magnitude, V sign) {
  return from_bits(bits(magnitude) | (bits(sign) & splat_int(std::int32_t(0x80000000))));
}

POLDER_INLINE float sum_lanes(V v) {
  float lanes[kLanes];
  store(lanes, v);
  for (int width = kLanes / 2; width > 0; width /= 2)
    for (int i = 0; i < width; ++i) lanes[i] += lanes[i + width];
  return lanes[0];
}
