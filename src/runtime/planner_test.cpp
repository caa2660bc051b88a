// Placement never overlaps what is alive together, and stays near the least possible.
#include "runtime/planner.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace polder {

TEST(Planner, RandomLifetimesNeverOverlap) {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    std::vector<Buffer> buffers(1 + random() % 60);
    for (Buffer& buffer : buffers) {
      buffer.bytes = random() % 5000;
      buffer.first = int(random() % 50);
      buffer.last = buffer.first + int(random() % 8);
    }
    const std::size_t arena = place(buffers, 64);
    EXPECT_GE(arena, lower_bound(buffers, 64));
    for (std::size_t a = 0; a < buffers.size(); ++a) {
      EXPECT_EQ(buffers[a].offset % 64, 0u);
      EXPECT_LE(buffers[a].offset + buffers[a].bytes, arena);
      for (std::size_t b = 0; b < a; ++b) {
        const Buffer &x = buffers[a], &y = buffers[b];
        const bool together = x.first <= y.last && y.first <= x.last;
        const bool overlap = x.offset < y.offset + y.bytes && y.offset < x.offset + x.bytes;
        EXPECT_FALSE(together && overlap && x.bytes && y.bytes);
      }
    }
  }
}

TEST(Planner, AChainNeedsItsTwoLargestNeighbours) {
  std::vector<Buffer> chain = {{640, 0, 1}, {6400, 1, 2}, {1280, 2, 3}, {64, 3, 4}};
  EXPECT_EQ(place(chain, 64), 6400u + 1280u);
}

}  // namespace polder
