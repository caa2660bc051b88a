#include "kernel/checksum.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "kernel/table.h"

namespace polder::kernel {

std::uint64_t xxh3(const void* data, std::size_t size, std::uint64_t seed) {
#if defined(__x86_64__)
  if (cpu_supports(Isa::kX86V3)) return xxh3_x86_v3(data, size, seed);
#endif
  return XXH3_64bits_withSeed(data, size, seed);
}

}  // namespace polder::kernel
