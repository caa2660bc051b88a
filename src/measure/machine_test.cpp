#include "measure/machine.h"

#include <gtest/gtest.h>

namespace polder {
namespace {

constexpr char kV3Flags[] = "flags\t\t: fpu avx f16c fma avx2 bmi1 bmi2 abm movbe xsave";

TEST(Machine, NameOfTheFirstProcessor) {
  EXPECT_EQ(cpu_name("processor\t: 0\nmodel name\t: Some CPU @ 2.0GHz\nmodel name\t: Other\n"),
            "Some CPU @ 2.0GHz");
  EXPECT_EQ(cpu_name("CPU implementer\t: 0x41\nCPU part\t: 0xd0b\n"),
            "arm implementer 0x41 part 0xd0b");
  EXPECT_EQ(cpu_name(""), "");
}

TEST(Machine, InstructionSetNeedsEveryFlag) {
  const std::string v3 = kV3Flags;
  EXPECT_EQ(cpu_isa(v3), "x86-64-v3");
  EXPECT_EQ(cpu_isa("flags : fpu avx2 fma"), "x86-64");
  const std::string v4 = v3 + " avx512f avx512dq avx512cd avx512bw avx512vl";
  EXPECT_EQ(cpu_isa(v4), "x86-64-v4");
  EXPECT_EQ(cpu_isa(v4 + " avx512_vnni"), "x86-64-v4+vnni");
  EXPECT_EQ(cpu_isa(v3 + " avx512f avx512dq avx512cd avx512bw"), "x86-64-v3");
  EXPECT_EQ(cpu_isa("Features\t: fp asimd asimddp\n"), "arm64+dotprod");
  EXPECT_EQ(cpu_isa("Features\t: fp asimd\n"), "arm64");
}

TEST(Machine, ThisOneHasCoresAndAKernel) {
  const Machine machine = describe_machine();
  EXPECT_GE(machine.cores, 1);
  EXPECT_GT(machine.kernel.size(), 6u);
  EXPECT_NE(machine.text().find(machine.kernel), std::string::npos);
}

}  // namespace
}  // namespace polder
