// The memory planner: places buffers with known lifetimes in one arena.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace polder {

// A buffer that is alive from step `first` to step `last`, both included.
struct Buffer {
  std::size_t bytes = 0;
  int first = 0;
  int last = 0;
  std::size_t offset = 0;  // set by place()
};

// Places all buffers so that no two that are alive in the same step overlap, at multiples of
// `alignment`; returns the arena's size. Greedy by size, each at the lowest gap that fits it best
// (Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net Inference", 2020).
std::size_t place(std::span<Buffer> buffers, std::size_t alignment);

// The least any placement needs: the largest sum of sizes alive in one step.
std::size_t lower_bound(std::span<const Buffer> buffers, std::size_t alignment);

}  // namespace polder
