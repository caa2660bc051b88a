#include "kernel/peak.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <utility>

namespace polder::kernel {
namespace {

constexpr int kBursts = 10;
constexpr double kBurstSeconds = 2e-3;

typedef float V4 __attribute__((vector_size(16)));
typedef float V8 __attribute__((vector_size(32)));
typedef float V16 __attribute__((vector_size(64)));

// Sums that do not depend on each other: enough to fill the pipelines, few enough for the
// registers. They converge to 1 from above, so no value grows or becomes subnormal; one that starts
// at 1 would be a constant. A fold and no loop over them: where a compiler keeps the loop, the sums
// lie in memory, and loads are measured. tests/peak_test.py reads the machine code.
template <class V, int... chain>
[[gnu::always_inline]] inline float multiply_add(std::int64_t rounds,
                                                 std::integer_sequence<int, chain...>) {
  V sums[] = {V{} + float(2 + chain)...};
  const V factor = V{} + 0.75f, term = V{} + 0.25f;
  for (std::int64_t r = 0; r < rounds; ++r) ((sums[chain] = sums[chain] * factor + term), ...);
  return (sums[chain][0] + ...);
}

template <class V, int chains>
[[gnu::always_inline]] inline float multiply_add(std::int64_t rounds) {
  return multiply_add<V>(rounds, std::make_integer_sequence<int, chains>());
}

struct Burst {
  float (*run)(std::int64_t rounds) = nullptr;
  int flops = 0;  // of one round
};

float generic(std::int64_t rounds) { return multiply_add<V4, 8>(rounds); }
#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) float x86_v3(std::int64_t rounds) {
  return multiply_add<V8, 12>(rounds);
}
__attribute__((target("avx512f,avx512vl,avx512dq,avx512bw,fma"))) float x86_v4(
    std::int64_t rounds) {
  return multiply_add<V16, 24>(rounds);
}
#elif defined(__aarch64__)
float neon(std::int64_t rounds) { return multiply_add<V4, 24>(rounds); }
#endif

Burst burst_for(Isa isa) {
  switch (isa) {
    case Isa::kGeneric: return {generic, 2 * 4 * 8};
#if defined(__x86_64__)
    case Isa::kX86V3: return {x86_v3, 2 * 8 * 12};
    case Isa::kX86V4: return {x86_v4, 2 * 16 * 24};
#elif defined(__aarch64__)
    case Isa::kArm64Neon: return {neon, 2 * 4 * 24};
#endif
    default: return {};
  }
}

double seconds_of(const Burst& burst, std::int64_t rounds) {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  // Volatile: the same sums twice would be made once, before the clock is read.
  const volatile std::int64_t asked = rounds;
  volatile float sink = burst.run(asked);
  (void)sink;
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace

double peak_gflops(Isa isa) {
  const Burst burst = burst_for(isa);
  if (!burst.run || !cpu_supports(isa)) return 0;
  std::int64_t rounds = 1000;
  while (seconds_of(burst, rounds) < kBurstSeconds / 2) rounds *= 2;
  double best = 0;
  for (int i = 0; i < kBursts; ++i)
    best = std::max(best, double(rounds) * burst.flops / seconds_of(burst, rounds));
  return best * 1e-9;
}

}  // namespace polder::kernel
