#include "kernel/peak.h"

#include <gtest/gtest.h>

namespace polder::kernel {

TEST(Peak, EveryInstructionSetOfThisMachineComputes) {
  for (const Isa isa : kAllIsas) {
    const double gflops = peak_gflops(isa);
    if (!cpu_supports(isa)) {
      EXPECT_EQ(gflops, 0) << isa_name(isa);
    } else {
      EXPECT_GT(gflops, 0.01) << isa_name(isa);
      EXPECT_LT(gflops, 10'000) << isa_name(isa);  // more: the work was optimised away
    }
    RecordProperty(std::string(isa_name(isa)), std::to_string(gflops));
  }
}

}  // namespace polder::kernel
