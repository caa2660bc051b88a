// Sizes and order of packed weights.
#include "ops/pack.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <vector>

namespace polder::ops {
namespace {

TEST(Pack, SizesFollowGroupsAndDepth) {
  EXPECT_EQ(packed_bytes({}, {3, 5}), 15 * sizeof(float));
  // 3 outputs fill a panel of 16; in two groups of 17 outputs each fills two.
  EXPECT_EQ(packed_bytes({Layout::kPanels}, {3, 5}), 16 * 5 * sizeof(float));
  EXPECT_EQ(packed_bytes({Layout::kPanels, 2}, {34, 5}), 2 * 32 * 5 * sizeof(float));
  EXPECT_EQ(packed_bytes({Layout::kPanels, 2, 4}, {2, 3, 4}), 2 * 16 * 4 * sizeof(float));
  EXPECT_EQ(packed_bytes({Layout::kTaps}, {7, 3, 3, 1}), 9 * 16 * sizeof(float));
}

TEST(Pack, ShapesThatDoNotDivideHaveNoSize) {
  EXPECT_EQ(packed_bytes({Layout::kPanels, 2}, {3, 5}), SIZE_MAX);
  EXPECT_EQ(packed_bytes({Layout::kPanels, 1, 7}, {3, 5}), SIZE_MAX);
  EXPECT_EQ(packed_bytes({Layout::kPanels}, {0, 5}), SIZE_MAX);
}

TEST(Pack, EachGroupHasPanelsOfItsOwn) {
  const Shape shape = {4, 3};
  std::vector<float> plain(12);
  std::iota(plain.begin(), plain.end(), 1.0f);
  const Packing packing{Layout::kPanels, 2};
  std::vector<float> packed(packed_bytes(packing, shape) / sizeof(float));
  pack(packing, shape, plain.data(), packed.data());
  for (std::int64_t o = 0; o < 4; ++o) {
    for (std::int64_t k = 0; k < 3; ++k) {
      EXPECT_EQ(packed[std::size_t(o / 2 * 48 + k * 16 + o % 2)], plain[std::size_t(o * 3 + k)]);
    }
  }
  EXPECT_EQ(std::ranges::count(packed, 0.0f), 96 - 12);
}

}  // namespace
}  // namespace polder::ops
