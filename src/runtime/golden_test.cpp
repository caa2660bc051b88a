#include "runtime/golden.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace polder {
namespace {

template <class T>
TensorView view(std::vector<T>& values, DataType type) {
  return {values.data(), type, {std::int64_t(values.size())}};
}

Status close(std::vector<float> found, std::vector<float> expected, double absolute = 0.5,
             double relative = 0.1) {
  double largest = 0;
  return check_close(view(found, DataType::kF32), view(expected, DataType::kF32), absolute,
                     relative, largest);
}

TEST(Golden, IsHeldWithinItsTolerance) {
  EXPECT_TRUE(close({1, 2}, {1, 2}, 0, 0).ok());
  EXPECT_TRUE(close({100 + 10.5f}, {100}).ok());
  EXPECT_TRUE(close({-100 - 10.5f}, {-100}).ok());
  EXPECT_FALSE(close({100 + 10.75f}, {100}).ok());
  const Status status = close({0, 11, 0, 30}, {0, 10, 0, 10}, 0.5, 0);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().message,
            "2 of 4 elements are beyond 0.5 + 0 * |expected|; the worst is element 3: 10 expected, "
            "30 found");
}

TEST(Golden, WhatIsNotFiniteMustBeTheSame) {
  const float nan = std::nanf(""), inf = std::numeric_limits<float>::infinity();
  EXPECT_TRUE(close({nan, inf, -inf}, {nan, inf, -inf}, 0, 0).ok());
  for (const auto& [found, expected] :
       {std::pair{nan, 0.f}, {0.f, nan}, {inf, 0.f}, {0.f, inf}, {inf, -inf}, {nan, inf}}) {
    EXPECT_FALSE(close({0, found}, {0, expected}, 1e30, 1).ok()) << found << " " << expected;
  }
}

TEST(Golden, TypesAndShapesMustFit) {
  std::vector<float> six(6);
  std::vector<std::int32_t> integers(6);
  double largest = 0;
  const TensorView flat = view(six, DataType::kF32);
  EXPECT_EQ(check_close({six.data(), DataType::kF32, {2, 3}}, flat, 1, 1, largest).error().code,
            Code::kInvalid);
  EXPECT_EQ(check_close(view(integers, DataType::kI32), flat, 1, 1, largest).error().message,
            "f32 [6] expected, i32 [6] found");
}

TEST(Golden, IntegersAreHeldExactly) {
  std::vector<std::int64_t> big{(std::int64_t(1) << 60) + 1}, other{std::int64_t(1) << 60};
  double largest = -1;
  EXPECT_TRUE(check_close(view(big, DataType::kI64), view(big, DataType::kI64), 0, 0, largest));
  EXPECT_EQ(largest, 0);
  const Status status =
      check_close(view(big, DataType::kI64), view(other, DataType::kI64), 0, 0, largest);
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.error().message.find(
                "element 0: 1152921504606846976 expected, 1152921504606846977 found"),
            std::string::npos)
      << status.error().message;
  std::vector<std::uint8_t> a{3, 250}, b{3, 255};
  EXPECT_TRUE(check_close(view(a, DataType::kU8), view(b, DataType::kU8), 5, 0, largest));
  EXPECT_EQ(largest, 5);
  EXPECT_FALSE(check_close(view(a, DataType::kU8), view(b, DataType::kU8), 4, 0, largest));
  std::vector<std::uint16_t> halves{0x3c00}, others{0x3c01};
  EXPECT_FALSE(
      check_close(view(others, DataType::kF16), view(halves, DataType::kF16), 0, 0, largest));
  EXPECT_TRUE(
      check_close(view(others, DataType::kF16), view(halves, DataType::kF16), 0, 0.001, largest));
}

}  // namespace
}  // namespace polder
