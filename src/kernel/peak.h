// The most that one core can compute, measured: what kernels are held against in profiles.
#pragma once

#include "kernel/table.h"

namespace polder::kernel {

// Billions of f32 operations a second of one core with this instruction set, a fused multiply-add
// counted as two: the best of several bursts of independent multiply-adds on registers, 20 ms in
// all. 0 when this CPU or build has not got the instruction set.
double peak_gflops(Isa isa);

}  // namespace polder::kernel
