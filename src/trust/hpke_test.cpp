#include "trust/hpke.h"

#include <gtest/gtest.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>

#include "trust/digest.h"
#include "trust/evp_key.h"
#include "trust/hpke_steps.h"
#include "trust/openssl.h"

namespace polder::trust {
namespace {

struct Vector {
  HpkeAead aead;
  const char *sk_e, *pk_e, *sk_r, *pk_r, *shared_secret, *key, *base_nonce, *ciphertext;
};
constexpr char kInfo[] = "4f6465206f6e2061204772656369616e2055726e";
constexpr char kPlaintext[] = "4265617574792069732074727574682c20747275746820626561757479";
constexpr char kAad[] = "436f756e742d30";

constexpr Vector kVectors[] = {
    // RFC 9180, appendix A.3.1: DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-128-GCM, base.
    {HpkeAead::kAes128Gcm, "4995788ef4b9d6132b249ce59a77281493eb39af373d236a1fe415cb0c2d7beb",
     "04a92719c6195d5085104f469a8b9814d5838ff72b60501e2c4466e5e67b325ac98536d7b61a1af4b78e5b7f951c0"
     "9"
     "00be863c403ce65c9bfcb9382657222d18c4",
     "f3ce7fdae57e1a310d87f1ebbde6f328be0a99cdbcadf4d6589cf29de4b8ffd2",
     "04fe8c19ce0905191ebc298a9245792531f26f0cece2460639e8bc39cb7f706a826a779b4cf969b8a0e539c7f62fb"
     "3"
     "d30ad6aa8f80e30f1d128aafd68a2ce72ea0",
     "c0d26aeab536609a572b07695d933b589dcf363ff9d93c93adea537aeabb8cb8",
     "868c066ef58aae6dc589b6cfdd18f97e", "4e0bc5018beba4bf004cca59",
     "5ad590bb8baa577f8619db35a36311226a896e7342a6d836d8b7bcd2f20b6c7f9076ac232e3ab2523f39513434"},
    // The same keys with AES-256-GCM, which is what we use, as PyPI's pyhpke 0.6.5 encrypts; that
    // gives the vector above, too.
    {HpkeAead::kAes256Gcm, "4995788ef4b9d6132b249ce59a77281493eb39af373d236a1fe415cb0c2d7beb",
     "04a92719c6195d5085104f469a8b9814d5838ff72b60501e2c4466e5e67b325ac98536d7b61a1af4b78e5b7f951c0"
     "9"
     "00be863c403ce65c9bfcb9382657222d18c4",
     "f3ce7fdae57e1a310d87f1ebbde6f328be0a99cdbcadf4d6589cf29de4b8ffd2",
     "04fe8c19ce0905191ebc298a9245792531f26f0cece2460639e8bc39cb7f706a826a779b4cf969b8a0e539c7f62fb"
     "3"
     "d30ad6aa8f80e30f1d128aafd68a2ce72ea0",
     "c0d26aeab536609a572b07695d933b589dcf363ff9d93c93adea537aeabb8cb8", nullptr,
     "883881320125125689d28047",
     "518c46e6810fbc55362f7d5995b0f54339d93664ca44e5c74d0f289c4f7983b4781b193de04ad3319f177244de"}};

std::string bytes(const char* digits) { return from_hex(digits).value(); }

OwnedKey private_key(const std::string& scalar, const std::string& point) {
  char group[] = "P-256";
  BIGNUM* number = BN_bin2bn(bytes_of(scalar), int(scalar.size()), nullptr);
  unsigned char native[32];
  BN_bn2nativepad(number, native, sizeof native);
  BN_free(number);
  OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
      OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_PRIV_KEY, native, sizeof native),
      OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, const_cast<char*>(point.data()),
                                        point.size()),
      OSSL_PARAM_construct_end()};
  const OwnedKeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr));
  EVP_PKEY* key = nullptr;
  EXPECT_EQ(EVP_PKEY_fromdata_init(context.get()), 1);
  EXPECT_EQ(EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_KEYPAIR, parameters), 1);
  return OwnedKey(key);
}

TEST(Hpke, GivesThePublishedVectors) {
  for (const Vector& v : kVectors) {
    const std::string info = bytes(kInfo), aad = bytes(kAad), plaintext = bytes(kPlaintext);
    auto recipient =
        evp_decrypter(private_key(bytes(v.sk_r), bytes(v.pk_r)), {}, "recipient").value();
    EXPECT_EQ(p256_point(recipient->public_key()).value(), bytes(v.pk_r));
    const Secret agreed = recipient->agree(p256_from_point(bytes(v.pk_e)).value()).value();
    const Secret shared = kem_secret(agreed, bytes(v.pk_e), bytes(v.pk_r)).value();
    EXPECT_EQ(shared.view(), bytes(v.shared_secret));
    const HpkeKeys keys = hpke_schedule(v.aead, shared, info).value();
    if (v.key != nullptr) {
      EXPECT_EQ(keys.key.view(), bytes(v.key));
    }
    EXPECT_EQ(keys.nonce.view(), bytes(v.base_nonce));
    const OwnedKey ephemeral = private_key(bytes(v.sk_e), bytes(v.pk_e));
    const HpkeMessage message =
        hpke_seal_with(ephemeral.get(), v.aead, recipient->public_key(), info, aad, plaintext)
            .value();
    EXPECT_EQ(message.enc, bytes(v.pk_e));
    EXPECT_EQ(message.ciphertext, bytes(v.ciphertext));
    EXPECT_EQ(hpke_open_with(v.aead, *recipient, message, info, aad).value().view(), plaintext);
  }
}

TEST(Hpke, OpensForItsRecipientOnly) {
  auto mine = evp_decrypter(OwnedKey(EVP_EC_gen("P-256")), {}, "mine").value();
  auto other = evp_decrypter(OwnedKey(EVP_EC_gen("P-256")), {}, "other").value();
  const HpkeMessage message = hpke_seal(mine->public_key(), "info", "aad", "secret").value();
  EXPECT_EQ(hpke_open(*mine, message, "info", "aad").value().view(), "secret");
  EXPECT_EQ(hpke_open(*other, message, "info", "aad").error().code, Code::kDenied);
  EXPECT_EQ(hpke_open(*mine, message, "infa", "aad").error().code, Code::kDenied);
  EXPECT_EQ(hpke_open(*mine, message, "info", "").error().code, Code::kDenied);
  for (std::size_t bit = 0; bit < message.ciphertext.size() * 8; ++bit) {
    HpkeMessage bad = message;
    bad.ciphertext[bit / 8] = char(bad.ciphertext[bit / 8] ^ (1 << bit % 8));
    EXPECT_FALSE(hpke_open(*mine, bad, "info", "aad").ok());
  }
  for (std::size_t bit = 0; bit < message.enc.size() * 8; ++bit) {
    HpkeMessage bad = message;
    bad.enc[bit / 8] = char(bad.enc[bit / 8] ^ (1 << bit % 8));
    EXPECT_FALSE(hpke_open(*mine, bad, "info", "aad").ok());
  }
  EXPECT_NE(hpke_seal(mine->public_key(), "info", "aad", "secret").value().enc, message.enc);
  EXPECT_EQ(hpke_open(*mine, {message.enc, "short"}, "", "").error().code, Code::kCorrupt);
  EXPECT_EQ(p256_from_point(std::string(1, '\0')).error().code, Code::kCorrupt);
  EXPECT_EQ(p256_from_point(std::string(65, '\x04')).error().code, Code::kCorrupt);
  const PublicKey ed25519 =
      PublicKey::from_ed25519(
          bytes("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"))
          .value();
  EXPECT_EQ(hpke_seal(ed25519, "", "", "x").error().code, Code::kInvalid);
}

}  // namespace
}  // namespace polder::trust
