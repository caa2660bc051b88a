// Sizes and order of packed weights.
#include "ops/pack.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
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

// What lies as in a model file, one byte off every boundary, packs as its plain copy does.
struct InFile {
  Layout layout;
  Shape shape;  // [O, spatial..., C]
};

std::vector<std::byte> in_file(const InFile& c, const std::vector<float>& plain) {
  const std::int64_t outputs = c.shape[0], channels = c.shape[c.shape.rank() - 1];
  const std::int64_t taps = c.shape.elements() / outputs / channels;
  std::vector<std::byte> file(plain.size() * sizeof(float) + 1);
  std::int64_t at = 0;
  for (std::int64_t o = 0; o < outputs; ++o) {
    for (std::int64_t tap = 0; tap < taps; ++tap) {
      for (std::int64_t channel = 0; channel < channels; ++channel, ++at) {
        std::int64_t to = at;
        if (c.layout == Layout::kChannelsFirst) to = (o * channels + channel) * taps + tap;
        if (c.layout == Layout::kOutputsLast) to = channel * outputs + o;
        std::memcpy(file.data() + 1 + to * std::int64_t(sizeof(float)), &plain[std::size_t(at)],
                    sizeof(float));
      }
    }
  }
  return file;
}

TEST(Pack, WeightsMayLieAsTheModelFileHasThem) {
  const InFile cases[] = {
      {Layout::kUnaligned, {19, 7}},           {Layout::kUnaligned, {34, 3, 2, 5}},
      {Layout::kChannelsFirst, {34, 3, 3, 5}}, {Layout::kChannelsFirst, {16, 1, 1, 8}},
      {Layout::kChannelsFirst, {35, 3, 2, 1}}, {Layout::kChannelsFirst, {18, 2, 3, 2, 4}},
      {Layout::kOutputsLast, {22, 9}}};
  const Packing packings[] = {{}, {Layout::kPanels}, {Layout::kPanels, 2}, {Layout::kTaps}};
  for (const InFile& c : cases) {
    std::vector<float> plain(std::size_t(c.shape.elements()));
    std::iota(plain.begin(), plain.end(), 1.0f);
    const std::vector<std::byte> file = in_file(c, plain);
    for (const Packing& packing : packings) {
      if (packing.layout == Layout::kTaps && c.shape[c.shape.rank() - 1] != 1) continue;
      if (packing.groups == 2 && (c.shape[0] % 2)) continue;
      std::vector<float> expected(packed_bytes(packing, c.shape) / sizeof(float), -1.0f);
      std::vector<float> found = expected;
      pack(packing, c.shape, plain.data(), expected.data());
      pack(packing, c.shape, file.data() + 1, found.data(), c.layout);
      EXPECT_EQ(found, expected) << int(c.layout) << " " << c.shape.text();
    }
  }
}

TEST(Pack, MakesAPlainConstantOfOneInAFile) {
  const InFile c{Layout::kChannelsFirst, {4, 3, 2, 5}};
  std::vector<float> plain(std::size_t(c.shape.elements()));
  std::iota(plain.begin(), plain.end(), 1.0f);
  const std::vector<std::byte> file = in_file(c, plain);
  Value value;
  value.type = DataType::kF32;
  value.dims = Dims(c.shape);
  value.layout = c.layout;
  value.data = {nullptr, std::span(file).subspan(1)};
  ASSERT_TRUE(make_plain(value));
  EXPECT_EQ(value.layout, Layout::kPlain);
  ASSERT_EQ(value.data.view.size(), plain.size() * sizeof(float));
  EXPECT_EQ(std::memcmp(value.data.view.data(), plain.data(), value.data.view.size()), 0);
  const std::byte* before = value.data.view.data();
  ASSERT_TRUE(make_plain(value));
  EXPECT_EQ(value.data.view.data(), before);
}

}  // namespace
}  // namespace polder::ops
