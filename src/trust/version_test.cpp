#include "trust/version.h"

#include <gtest/gtest.h>

namespace polder::trust {
namespace {

TEST(Version, OrdersAsTheSpecificationSays) {
  const char* const kAscending[] = {
      "0.0.0",        "0.0.9",         "0.0.10",           "0.1.0",
      "1.0.0-0",      "1.0.0-9",       "1.0.0-10",         "1.0.0--",
      "1.0.0-alpha",  "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta",
      "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1",       "1.0.0",
      "1.0.1-x",      "1.10.0",        "999999999.0.0"};
  for (const char* a : kAscending) {
    for (const char* b : kAscending) {
      const Version left = Version::parse(a, "a").value(), right = Version::parse(b, "b").value();
      EXPECT_EQ(left.text(), a);
      const auto expected = &*std::find(std::begin(kAscending), std::end(kAscending), a) <=>
                            &*std::find(std::begin(kAscending), std::end(kAscending), b);
      EXPECT_EQ(left <=> right, expected) << a << " " << b;
      EXPECT_EQ(left == right, expected == 0);
    }
  }
}

TEST(Version, WhatIsNoneIsRefused) {
  for (const char* text :
       {"", "1", "1.0", "1.0.", "1.0.0.0", "01.0.0", "1.00.0", "v1.0.0", "1.0.0-", "1.0.0-a..b",
        "1.0.0-a.", "1.0.0-01", "1.0.0+build", "1.0.0-a_b", " 1.0.0", "1.0.0 ", "1.-1.0",
        "1000000000.0.0", "1.0.0-\xc3\xa9"}) {
    const auto version = Version::parse(text, "here");
    ASSERT_FALSE(version.ok()) << text;
    EXPECT_EQ(version.error().message.rfind("here: a version such as", 0), 0u);
  }
  EXPECT_FALSE(Version::parse("1.0.0-" + std::string(kMaxVersionBytes, 'a'), "x").ok());
}

}  // namespace
}  // namespace polder::trust
