// Keys that a passphrase makes for the files of a folder.
#include "trust/passphrase_keys.h"

#include <gtest/gtest.h>

namespace polder::trust {
namespace {

std::string id_of(const PassphraseKeys& keys, std::string_view name) {
  return hex(keys.of(name).value().file_id());
}

TEST(PassphraseKeys, AreThoseOfThePassphraseTheSaltAndTheName) {
  const PassphraseKeys made = PassphraseKeys::create("secret").value();
  const auto again = PassphraseKeys::parse(made.text(), "keys", "secret");
  ASSERT_TRUE(again.ok()) << again.error().message;
  EXPECT_EQ(id_of(*again, "a"), id_of(made, "a"));
  EXPECT_NE(id_of(made, "b"), id_of(made, "a"));
  EXPECT_NE(id_of(PassphraseKeys::parse(made.text(), "keys", "Secret").value(), "a"),
            id_of(made, "a"));
  EXPECT_NE(id_of(PassphraseKeys::create("secret").value(), "a"), id_of(made, "a"));
}

// By Python: hashlib.scrypt(b"secret", salt=bytes(16), n=1 << 17, r=8, p=1, maxmem=1 << 28,
// dklen=32), and HKDF of that and the same salt with "polder passphrase keys 1: a"; then the file
// id (sealed_file.h). The text as this was first written, and by another program: what was made
// once is opened for ever.
TEST(PassphraseKeys, AreThoseThatOthersMake) {
  for (const char* text : {R"({
  "format": 1,
  "kdf": "scrypt",
  "n": 131072,
  "p": 1,
  "r": 8,
  "salt": "00000000000000000000000000000000"
})",
                           R"({"salt":"00000000000000000000000000000000","format":1,)"
                           R"("kdf":"scrypt","n":131072,"r":8,"p":1})"}) {
    const auto keys = PassphraseKeys::parse(text, "keys", "secret");
    ASSERT_TRUE(keys.ok()) << keys.error().message;
    EXPECT_EQ(id_of(*keys, "a"),
              "b742463921525177a55d4dc7d1ec8283b20cab21084ff28bab9d8d90f426beb8");
  }
}

TEST(PassphraseKeys, WhatIsMadeOtherwiseIsRefused) {
  const std::string text = PassphraseKeys::create("secret").value().text();
  const auto refused = [&](std::string_view from, std::string_view to) {
    std::string odd = text;
    const std::size_t at = odd.find(from);
    EXPECT_NE(at, odd.npos) << from;
    return PassphraseKeys::parse(odd.replace(at, from.size(), to), "keys", "secret").error().code;
  };
  EXPECT_EQ(refused("131072", "1024"), Code::kIncompatible);
  EXPECT_EQ(refused("131072", "1099511627776"), Code::kIncompatible);
  EXPECT_EQ(refused("\"format\": 1", "\"format\": 2"), Code::kIncompatible);
  EXPECT_EQ(refused("\"salt\"", "\"sand\""), Code::kCorrupt);
  EXPECT_EQ(refused("\"salt\": \"", "\"salt\": \"00"), Code::kCorrupt);
  EXPECT_EQ(PassphraseKeys::parse("", "keys", "secret").error().code, Code::kCorrupt);
}

}  // namespace
}  // namespace polder::trust
