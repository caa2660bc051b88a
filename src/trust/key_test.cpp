#include "trust/key.h"

#include <gtest/gtest.h>

#include "trust/digest.h"

namespace polder::trust {
namespace {

// RFC 8032, section 7.1, test 2.
constexpr char kEd25519[] = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
constexpr char kSignature[] =
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";
// secp256k1: a curve that is not P-256.
constexpr char kOtherCurve[] =
    "-----BEGIN PUBLIC KEY-----\n"
    "MFYwEAYHKoZIzj0CAQYFK4EEAAoDQgAEeb5mfvncu6xVoGKVzocLBwKb/NstzijZ\n"
    "WfKBWxb4F5hIOtp3JqPEZV2k+/wOEQio/Re0SKaFVBmcR9CP+xDUuA==\n"
    "-----END PUBLIC KEY-----\n";

TEST(Key, VerifiesEd25519) {
  const PublicKey key = PublicKey::from_ed25519(from_hex(kEd25519).value()).value();
  std::string signature = from_hex(kSignature).value();
  EXPECT_EQ(key.scheme(), Scheme::kEd25519);
  EXPECT_TRUE(key.verify("\x72", signature));
  EXPECT_EQ(key.verify("\x73", signature).error().code, Code::kDenied);
  signature[3] ^= 1;
  EXPECT_FALSE(key.verify("\x72", signature));
  EXPECT_FALSE(key.verify("\x72", ""));
  EXPECT_FALSE(key.verify("\x72", std::string(200, 'x')));
}

TEST(Key, GoesThroughPem) {
  const PublicKey key = PublicKey::from_ed25519(from_hex(kEd25519).value()).value();
  const PublicKey again = PublicKey::from_pem(key.pem()).value();
  EXPECT_EQ(again, key);
  EXPECT_EQ(again.id(), key.id());
  EXPECT_EQ(key_json(key).compact(), std::string(R"({"keytype":"ed25519","keyval":{"public":")") +
                                         kEd25519 + R"("},"scheme":"ed25519"})");
}

TEST(Key, RefusesOthersByName) {
  EXPECT_EQ(PublicKey::from_pem("hello").error().code, Code::kCorrupt);
  EXPECT_EQ(PublicKey::from_pem(std::string(20000, 'A')).error().code, Code::kCorrupt);
  EXPECT_EQ(PublicKey::from_pem(kOtherCurve).error().code, Code::kUnsupported);
  EXPECT_EQ(PublicKey::from_ed25519("short").error().code, Code::kCorrupt);
  EXPECT_EQ(scheme_from_name("rsa-md5").error().code, Code::kUnsupported);
  for (const char* name : {"ed25519", "ecdsa-sha2-nistp256", "rsassa-pss-sha256"}) {
    EXPECT_EQ(scheme_name(scheme_from_name(name).value()), name);
  }
}

}  // namespace
}  // namespace polder::trust
