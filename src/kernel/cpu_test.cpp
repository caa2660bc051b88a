#include <gtest/gtest.h>

#include <cstdio>
#include <string>

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

TEST(Isa, BestIsTheLastThatRunsHere) {
  const Isa best = best_isa();
  ASSERT_NE(kernels_for(best), nullptr);
  EXPECT_EQ(kernels_for(best)->isa, best);
  EXPECT_TRUE(cpu_supports(best));
  EXPECT_EQ(cpu_supports(Isa::kX86V3) && best == Isa::kGeneric, false);
  std::string absent;
  for (Isa isa : kAllIsas)
    if (!kernels_for(isa) || !cpu_supports(isa)) absent.append(" ").append(isa_name(isa));
  std::printf("kernels not tested, as this CPU cannot run them:%s\n",
              absent.empty() ? " none" : absent.c_str());
}

}  // namespace
}  // namespace polder::kernel
