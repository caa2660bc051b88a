#include "trust/spdx.h"

#include <gtest/gtest.h>

namespace polder::trust {
namespace {

TEST(Spdx, ExpressionsAreAccepted) {
  for (const char* text :
       {"MIT", "Apache-2.0", "GPL-2.0+", "LicenseRef-Acme.1", "DocumentRef-x:LicenseRef-y",
        "MIT OR Apache-2.0", "(MIT AND (BSD-3-Clause OR ISC))",
        "GPL-3.0-only WITH Classpath-exception-2.0 AND MIT", "  MIT  "}) {
    EXPECT_TRUE(check_spdx(text, "licence").ok()) << text;
  }
  EXPECT_TRUE(is_spdx_id("MIT"));
  EXPECT_FALSE(is_spdx_id("MIT OR ISC"));
}

TEST(Spdx, WhatIsNoneIsRefused) {
  for (const char* text :
       {"", " ", "MIT OR", "OR MIT", "MIT ISC", "(MIT", "MIT)", "()", "MIT WITH", "WITH", "M/T",
        "MIT WITH (ISC)", "see LICENSE", "a:b", "+", "MIT or ISC", "MIT\n"}) {
    EXPECT_FALSE(check_spdx(text, "licence").ok()) << text;
  }
  EXPECT_FALSE(check_spdx(std::string(200, '(') + "MIT" + std::string(200, ')'), "x").ok());
  EXPECT_FALSE(check_spdx(std::string(kMaxLicenceBytes + 1, 'x'), "x").ok());
  const auto status = check_spdx("MIT or ISC", "release.toml: licence");
  EXPECT_NE(status.error().message.find("from 'or' on"), std::string::npos);
}

}  // namespace
}  // namespace polder::trust
