// Which instruction sets this CPU and its operating system can run.
#include "kernel/table.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace polder::kernel {
namespace {

#if defined(__x86_64__)
struct X86Levels {
  bool v3 = false, v4 = false;
};

std::uint64_t enabled_state() {
  std::uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (std::uint64_t(high) << 32) | low;
}

X86Levels detect() {
  constexpr std::uint32_t kLeaf1Ecx =
      bit_FMA | bit_SSE4_2 | bit_MOVBE | bit_POPCNT | bit_OSXSAVE | bit_AVX | bit_F16C;
  constexpr std::uint32_t kV3Leaf7Ebx = bit_BMI | bit_AVX2 | bit_BMI2;
  constexpr std::uint32_t kV4Leaf7Ebx =
      bit_AVX512F | bit_AVX512DQ | bit_AVX512CD | bit_AVX512BW | bit_AVX512VL;
  constexpr std::uint64_t kYmmState = 0x6, kZmmState = 0xe6;  // XCR0: SSE, AVX; opmask, ZMM
  X86Levels levels;
  std::uint32_t eax, ebx, ecx, edx;
  if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || (ecx & kLeaf1Ecx) != kLeaf1Ecx) return levels;
  const std::uint64_t state = enabled_state();
  if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) return levels;
  levels.v3 = (ebx & kV3Leaf7Ebx) == kV3Leaf7Ebx && (state & kYmmState) == kYmmState;
  levels.v4 = levels.v3 && (ebx & kV4Leaf7Ebx) == kV4Leaf7Ebx && (state & kZmmState) == kZmmState;
  return levels;
}
#endif

}  // namespace

std::string_view isa_name(Isa isa) {
  switch (isa) {
    case Isa::kGeneric: return "generic";
    case Isa::kX86V3: return "x86-64-v3";
    case Isa::kX86V4: return "x86-64-v4";
    case Isa::kArm64Neon: return "arm64";
  }
  return "unknown";
}

std::optional<Isa> isa_from_name(std::string_view name) {
  for (Isa isa : kAllIsas)
    if (isa_name(isa) == name) return isa;
  return std::nullopt;
}

bool cpu_supports(Isa isa) {
  if (isa == Isa::kGeneric) return true;
#if defined(__x86_64__)
  // Asked once: under a hypervisor each CPUID costs as much as opening a small model.
  static const X86Levels levels = detect();
  return isa == Isa::kX86V3 ? levels.v3 : isa == Isa::kX86V4 && levels.v4;
#elif defined(__aarch64__)
  return isa == Isa::kArm64Neon;  // NEON is part of the architecture
#else
  return false;
#endif
}

}  // namespace polder::kernel
