// The tables that the instruction sets' files define; null where the build is for another CPU.
#pragma once

#include "kernel/table.h"

namespace polder::kernel {

const Kernels* generic_kernels();
const Kernels* x86_v3_kernels();
const Kernels* x86_v4_kernels();
const Kernels* arm64_neon_kernels();

}  // namespace polder::kernel
