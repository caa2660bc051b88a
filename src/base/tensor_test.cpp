#include <gtest/gtest.h>
#include <polder/port.h>
#include <polder/tensor.h>

namespace polder {

TEST(Shape, ElementsAndText) {
  EXPECT_EQ(Shape({2, 3, 4}).elements(), 24);
  EXPECT_EQ(Shape{}.elements(), 1);
  EXPECT_EQ(Shape({2, 0, 4}).elements(), 0);
  EXPECT_EQ(Shape({1, 3}).text(), "[1,3]");
}

TEST(Port, FreeExtentsShowTheirBounds) {
  const Port port{"x", DataType::kF32, {1, -1, 3}, {1, 640, 3}};
  EXPECT_EQ(port.extents_text(), "[1,?<=640,3]");
}

TEST(Shape, HugeProductsSaturate) {
  EXPECT_GT(Shape({1LL << 40, 1LL << 40, 7}).elements(), 1LL << 50);
}

}  // namespace polder
