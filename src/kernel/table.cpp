#include "kernel/table.h"

#include "kernel/isa.h"

namespace polder::kernel {

const Kernels* kernels_for(Isa isa) {
  switch (isa) {
    case Isa::kGeneric: return generic_kernels();
    case Isa::kX86V3: return x86_v3_kernels();
    case Isa::kX86V4: return x86_v4_kernels();
    case Isa::kArm64Neon: return arm64_neon_kernels();
  }
  return nullptr;
}

bool machine_runs(Isa isa) { return kernels_for(isa) && cpu_supports(isa); }

Isa best_isa() {
  for (Isa isa : {Isa::kX86V4, Isa::kX86V3, Isa::kArm64Neon}) {
    if (machine_runs(isa)) return isa;
  }
  return Isa::kGeneric;
}

}  // namespace polder::kernel
