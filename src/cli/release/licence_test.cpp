#include "cli/release/licence.h"

#include <gtest/gtest.h>

namespace polder::cli {
namespace {

TEST(Licences, OfSpdxAreKnown) {
  for (const char* text :
       {"MIT", "Apache-2.0", "GPL-2.0+", "GPL-3.0-only WITH Classpath-exception-2.0 AND MIT",
        "(BSD-3-Clause OR ISC)", "LicenseRef-Acme", "DocumentRef-x:LicenseRef-y OR 0BSD", "ZPL-2.1",
        "CC-BY-4.0", "x11vnc-openssl-exception"}) {
    EXPECT_EQ(unknown_licences(text), std::vector<std::string>()) << text;
  }
}

TEST(Licences, OthersAreToldWithTheNearest) {
  const auto expect = [](const char* text, const char* near) {
    const auto warnings = unknown_licences(text);
    ASSERT_EQ(warnings.size(), 1u) << text;
    EXPECT_NE(warnings[0].find(near), std::string::npos) << warnings[0];
  };
  expect("Apache-2", "'Apache-2.0'");
  expect("apache-2.0", "'Apache-2.0'");
  expect("Apache2", "'Apache-2.0'");
  expect("GPLv3", "'GPL-3.0-only'");
  expect("gpl-3", "'GPL-3.0-only'");
  expect("LGPLv2.1", "'LGPL-2.1-only'");
  expect("MPL2", "'MPL-2.0'");
  expect("MIT OR BSD-3-Claus", "'BSD-3-Clause'");
  expect("Proprietary", "LicenseRef-NAME");
}

}  // namespace
}  // namespace polder::cli
