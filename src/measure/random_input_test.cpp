#include "measure/random_input.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace polder {
namespace {

std::vector<float> floats(std::uint64_t seed) {
  std::vector<float> values(10'000);
  fill_random({values.data(), DataType::kF32, Shape({100, 100})}, seed);
  return values;
}

TEST(RandomInput, FloatsAreSpreadAndRepeatable) {
  const auto values = floats(1);
  EXPECT_EQ(values, floats(1));
  EXPECT_NE(values, floats(2));
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  EXPECT_GE(*least, -1);
  EXPECT_LT(*least, -0.99);
  EXPECT_LT(*most, 1);
  EXPECT_GT(*most, 0.99);
}

TEST(RandomInput, IntegersAreZeroOrOne) {
  for (const DataType type :
       {DataType::kI8, DataType::kBool, DataType::kI16, DataType::kI32, DataType::kI64}) {
    std::vector<std::uint8_t> bytes(64 * size_of(type), 0xff);
    fill_random({bytes.data(), type, Shape({64})}, 3);
    int ones = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      EXPECT_LE(bytes[i], i % size_of(type) == 0 ? 1 : 0);
      ones += bytes[i];
    }
    EXPECT_GT(ones, 16) << type_name(type);
    EXPECT_LT(ones, 48) << type_name(type);
  }
}

TEST(RandomInput, HalfPrecisionIsFiniteAndSmall) {
  std::vector<std::uint16_t> halves(1000);
  fill_random({halves.data(), DataType::kF16, Shape({1000})}, 4);
  for (const std::uint16_t half : halves) EXPECT_EQ(half & 0x7c00, 0x3000);  // 1/8 <= |x| < 1/4
  fill_random({halves.data(), DataType::kBF16, Shape({1000})}, 4);
  for (const std::uint16_t half : halves) EXPECT_EQ(half & 0x7f00, 0x3e00);  // 1/8 <= |x| < 1/2
}

}  // namespace
}  // namespace polder
