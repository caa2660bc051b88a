#include "trust/digest.h"

#include <gtest/gtest.h>

namespace polder::trust {
namespace {

// FIPS 180-4's example.
TEST(Digest, IsSha256) {
  const char* abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
  EXPECT_EQ(hex(sha256("abc")), abc);
  Sha256Stream stream;
  stream.update("a");
  stream.update("");
  stream.update("bc");
  EXPECT_EQ(hex(stream.finish()), abc);
  EXPECT_EQ(hex(sha512("abc")).substr(0, 16), "ddaf35a193617aba");
}

TEST(Digest, ReadsHexadecimal) {
  EXPECT_EQ(from_hex("00ff4A").value(), std::string("\0\xffJ", 3));
  EXPECT_EQ(from_hex("").value(), "");
  EXPECT_FALSE(from_hex("0"));
  EXPECT_NE(from_hex("0g").error().message.find("position 1"), std::string::npos);
}

TEST(Digest, ReadsOnlyTheBase64ThatItWrites) {
  for (const std::string text : {"", "a", "ab", "abc", "\xff\xfe\xfd\xfc"}) {
    EXPECT_EQ(from_base64(base64(text)).value(), text);
  }
  EXPECT_EQ(base64("ab"), "YWI=");
  for (const char* bad : {"YWI", "YW I=", "YWJ=", "=WI=", "YWI=YWI=", "YW==\n", "____", "===="}) {
    EXPECT_FALSE(from_base64(bad)) << bad;
  }
}

TEST(Digest, ComparesSecrets) {
  EXPECT_TRUE(equal_in_constant_time("abc", "abc"));
  EXPECT_FALSE(equal_in_constant_time("abc", "abd"));
  EXPECT_FALSE(equal_in_constant_time("abc", "ab"));
}

}  // namespace
}  // namespace polder::trust
