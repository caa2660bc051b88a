#include <gtest/gtest.h>

#include "kernel/table.h"

namespace polder::kernel {
namespace {

TEST(Isa, NamesGoThereAndBack) {
  for (Isa isa : kAllIsas) EXPECT_EQ(isa_from_name(isa_name(isa)), isa);
  EXPECT_FALSE(isa_from_name("sparc"));
}

TEST(Isa, DetectionAgreesWithTheCompilersOwn) {
  EXPECT_TRUE(cpu_supports(Isa::kGeneric));
#if defined(__x86_64__)
  __builtin_cpu_init();
  EXPECT_EQ(cpu_supports(Isa::kX86V3), __builtin_cpu_supports("avx2") &&
                                           __builtin_cpu_supports("fma") &&
                                           __builtin_cpu_supports("bmi2"));
  EXPECT_EQ(cpu_supports(Isa::kX86V4),
            __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
                __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512cd"));
#elif defined(__aarch64__)
  EXPECT_TRUE(cpu_supports(Isa::kArm64Neon));
#endif
}

}  // namespace
}  // namespace polder::kernel
