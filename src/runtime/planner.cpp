// The memory planner: places buffers with known lifetimes in one arena.
#include "runtime/planner.h"

#include <algorithm>
#include <numeric>
#include <vector>

namespace polder {

namespace {
std::size_t rounded(std::size_t bytes, std::size_t alignment) {
  return (bytes + alignment - 1) / alignment * alignment;
}
}  // namespace

std::size_t place(std::span<Buffer> buffers, std::size_t alignment) {
  std::vector<int> order(buffers.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order,
                           [&](int a, int b) { return buffers[a].bytes > buffers[b].bytes; });

  std::size_t arena = 0;
  std::vector<int> placed;  // by rising offset
  for (const int index : order) {
    Buffer& buffer = buffers[std::size_t(index)];
    const std::size_t bytes = rounded(buffer.bytes, alignment);
    if (bytes == 0) continue;
    std::size_t end = 0, best = SIZE_MAX, best_gap = SIZE_MAX;
    for (const int other_index : placed) {
      const Buffer& other = buffers[std::size_t(other_index)];
      if (other.last < buffer.first || other.first > buffer.last) continue;
      if (other.offset >= end + bytes && other.offset - end < best_gap) {
        best_gap = other.offset - end;
        best = end;
      }
      end = std::max(end, other.offset + rounded(other.bytes, alignment));
    }
    buffer.offset = best == SIZE_MAX ? end : best;
    arena = std::max(arena, buffer.offset + bytes);
    const auto position = std::ranges::upper_bound(
        placed, buffer.offset, {}, [&](int i) { return buffers[std::size_t(i)].offset; });
    placed.insert(position, index);
  }
  return arena;
}

std::size_t lower_bound(std::span<const Buffer> buffers, std::size_t alignment) {
  std::size_t most = 0;
  for (const Buffer& at : buffers) {
    std::size_t alive = 0;
    for (const Buffer& other : buffers) {
      if (other.first <= at.first && at.first <= other.last)
        alive += rounded(other.bytes, alignment);
    }
    most = std::max(most, alive);
  }
  return most;
}

}  // namespace polder
