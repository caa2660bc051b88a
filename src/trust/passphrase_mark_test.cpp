#include "trust/passphrase_mark.h"

#include <gtest/gtest.h>

namespace polder::trust {
namespace {

TEST(PassphraseMark, FitsItsPassphraseAlone) {
  const std::string mark = passphrase_mark("1234").value(), again = passphrase_mark("1234").value();
  EXPECT_NE(mark, again);  // salted
  EXPECT_TRUE(fits_mark("1234", mark));
  EXPECT_TRUE(fits_mark("1234", again));
  EXPECT_FALSE(fits_mark("1235", mark));
  EXPECT_FALSE(fits_mark("", mark));
  for (const std::string& none : {std::string(), std::string("zz 00"), mark.substr(1), mark + "0",
                                  mark.substr(0, 32), mark.substr(0, mark.size() - 1)})
    EXPECT_FALSE(fits_mark("1234", none)) << none;
}

}  // namespace
}  // namespace polder::trust
