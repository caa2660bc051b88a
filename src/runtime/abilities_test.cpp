#include "runtime/abilities.h"

#include <gtest/gtest.h>

#include "kernel/table.h"

namespace polder {
namespace {

TEST(Abilities, TheBestTargetIsFirstAndGenericLast) {
  const Abilities abilities = machine_abilities();
  ASSERT_FALSE(abilities.targets.empty());
  EXPECT_EQ(abilities.targets.front(), kernel::isa_name(kernel::best_isa()));
  EXPECT_EQ(abilities.targets.back(), "generic");
  EXPECT_GT(abilities.plan_format, 0);
  EXPECT_TRUE(abilities.operators.empty() || abilities.operators.begin()->second >= 1);
}

}  // namespace
}  // namespace polder
