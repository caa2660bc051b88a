// XXH3, 64 bits: the checksum of plan files. The same number on every machine.
#pragma once

#include <cstddef>
#include <cstdint>

namespace polder::kernel {

// With AVX2 where the CPU has it, at about the speed of memory.
std::uint64_t xxh3(const void* data, std::size_t size, std::uint64_t seed);

// Requires cpu_supports(Isa::kX86V3); elsewhere xxh3() never asks for it.
std::uint64_t xxh3_x86_v3(const void* data, std::size_t size, std::uint64_t seed);

}  // namespace polder::kernel
