// Conversion to 16-bit floats, bit by bit.
#include "ops/cast.h"

#include <gtest/gtest.h>

namespace polder::ops {

TEST(Cast, Bf16RoundsToNearestEven) {
  struct Case {
    std::uint32_t f32;
    std::uint16_t bf16;
  };
  for (const auto& [f32, bf16] : {Case{0x3ef5eeb3, 0x3ef6},  // 0.48033667: up
                                  Case{0x3ef57fff, 0x3ef5},  // just below half: down
                                  Case{0x3ef58000, 0x3ef6},  // half, odd: up
                                  Case{0x3ef68000, 0x3ef6},  // half, even: down
                                  Case{0xbef58001, 0xbef6},  // away from zero alike
                                  Case{0x7f7fffff, 0x7f80},  // the largest f32: infinity
                                  Case{0x7f800000, 0x7f80}}) {
    EXPECT_EQ(f32_to_bf16(std::bit_cast<float>(f32)), bf16) << std::hex << f32;
  }
  // A NaN stays one, also when its payload is in the bits that go.
  EXPECT_TRUE(std::isnan(bf16_to_f32(f32_to_bf16(std::bit_cast<float>(0x7f800001u)))));
}

}  // namespace polder::ops
