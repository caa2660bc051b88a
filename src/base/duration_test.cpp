#include "base/duration.h"

#include <gtest/gtest.h>

namespace polder {
namespace {

TEST(Duration, HasTheUnitsThatItNeeds) {
  EXPECT_EQ(duration_text(0), "0 s");
  EXPECT_EQ(duration_text(59), "59 s");
  EXPECT_EQ(duration_text(60), "1 min");
  EXPECT_EQ(duration_text(90), "1 min 30 s");
  EXPECT_EQ(duration_text(3600 + 59), "1 h");
  EXPECT_EQ(duration_text(8 * 3600 + 20 * 60), "8 h 20 min");
  EXPECT_EQ(duration_text(3 * 86400 + 60), "3 d 1 min");
}

}  // namespace
}  // namespace polder
