#include "platform/owner.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "platform/testing.h"

namespace polder {
namespace {

TEST(Owner, OfAFolder) {
  EXPECT_EQ(owner_of("/nowhere/at/all").error().code, Code::kNotFound);
  const auto root = owner_of("/");
  ASSERT_TRUE(root.ok());
  EXPECT_EQ(root->is_us, ::geteuid() == 0);
  EXPECT_EQ(root->name, "root");
}

}  // namespace
}  // namespace polder
