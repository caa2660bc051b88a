#include "trust/hpke.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>

#include <cstring>

#include "base/check.h"
#include "base/fail.h"
#include "trust/evp_key.h"
#include "trust/gcm.h"
#include "trust/hkdf.h"
#include "trust/hpke_steps.h"

namespace polder::trust {

namespace {

using OwnedNumber = Owned<BIGNUM, BN_free>;

constexpr std::size_t kHashBytes = 32;        // of SHA-256: Nh, Nsecret
constexpr std::size_t kCoordinateBytes = 32;  // of P-256
constexpr std::string_view kVersion = "HPKE-v1";
// Section 4.1 and 5.1: which algorithms, bound to every label.
constexpr std::string_view kKemSuite("KEM\x00\x10", 5);

std::string suite(HpkeAead aead) {
  std::string id("HPKE\x00\x10\x00\x01\x00", 9);
  id += char(aead);
  return id;
}

// Section 4: with an empty salt where there is none.
Result<Secret> labeled_extract(std::string_view suite_id, std::string_view label,
                               std::string_view salt, std::string_view key) {
  Secret labeled(kVersion.size() + suite_id.size() + label.size() + key.size());
  char* at = labeled.span().data();
  for (const std::string_view part : {kVersion, suite_id, label, key}) {
    if (!part.empty()) std::memcpy(at, part.data(), part.size());
    at += part.size();
  }
  return hkdf_extract(salt, labeled.view());
}

Result<Secret> labeled_expand(std::string_view suite_id, std::string_view label,
                              const Secret& secret, std::string_view info, std::size_t size) {
  std::string labeled{char(size >> 8), char(size & 255)};
  for (const std::string_view part : {kVersion, suite_id, label, info}) labeled += part;
  return hkdf_expand(secret.view(), labeled, size);
}

}  // namespace

Result<Secret> kem_secret(const Secret& agreed, std::string_view enc, std::string_view recipient) {
  TRY_VALUE(const Secret extracted, labeled_extract(kKemSuite, "eae_prk", "", agreed.view()));
  const std::string context = std::string(enc) + std::string(recipient);
  return labeled_expand(kKemSuite, "shared_secret", extracted, context, kHashBytes);
}

Result<HpkeKeys> hpke_schedule(HpkeAead aead, const Secret& shared, std::string_view info) {
  const std::string id = suite(aead);
  TRY_VALUE(const Secret psk_id_hash, labeled_extract(id, "psk_id_hash", "", ""));
  TRY_VALUE(const Secret info_hash, labeled_extract(id, "info_hash", "", info));
  std::string context(1, '\0');  // mode_base
  context += psk_id_hash.view();
  context += info_hash.view();
  TRY_VALUE(const Secret secret, labeled_extract(id, "secret", shared.view(), ""));
  HpkeKeys keys;
  const std::size_t key_bytes = aead == HpkeAead::kAes128Gcm ? 16 : 32;
  TRY_VALUE(keys.key, labeled_expand(id, "key", secret, context, key_bytes));
  TRY_VALUE(keys.nonce, labeled_expand(id, "base_nonce", secret, context, kGcmNonceBytes));
  return keys;
}

Result<std::string> p256_point(const PublicKey& key) {
  if (key.scheme() != Scheme::kEcdsaP256) {
    return fail(Code::kInvalid,
                "only a P-256 key can be sealed for, this is one of {}: polder keys create --type "
                "p256",
                scheme_name(key.scheme()));
  }
  std::string point(kHpkeEncBytes, '\x04');
  std::size_t at = 1;
  for (const char* name : {OSSL_PKEY_PARAM_EC_PUB_X, OSSL_PKEY_PARAM_EC_PUB_Y}) {
    BIGNUM* value = nullptr;
    const bool found = EVP_PKEY_get_bn_param(KeyAccess::handle(key), name, &value) == 1;
    const OwnedNumber number(value);
    if (!found || BN_bn2binpad(value, bytes_of(point) + at, int(kCoordinateBytes)) < 0) {
      return fail(Code::kInvalid, "the point of a public key cannot be told: {}", openssl_reason());
    }
    at += kCoordinateBytes;
  }
  return point;
}

Result<PublicKey> p256_from_point(std::string_view point) {
  // Also anything but an uncompressed point: there is one way to write each.
  if (point.size() != kHpkeEncBytes || point[0] != '\x04') {
    return fail(Code::kCorrupt, "an uncompressed point of P-256 expected");
  }
  char group[] = "P-256";
  OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
      OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, const_cast<char*>(point.data()),
                                        point.size()),
      OSSL_PARAM_construct_end()};
  const OwnedKeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr));
  EVP_PKEY* made = nullptr;
  if (!context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &made, EVP_PKEY_PUBLIC_KEY, parameters) != 1) {
    return fail(Code::kCorrupt, "no point of P-256: {}", openssl_reason());
  }
  OwnedKey key(made);
  const OwnedKeyContext check(EVP_PKEY_CTX_new_from_pkey(nullptr, key.get(), nullptr));
  if (!check || EVP_PKEY_public_check(check.get()) != 1) {
    return fail(Code::kCorrupt, "no point of P-256: {}", openssl_reason());
  }
  return KeyAccess::wrap(std::move(key));
}

Result<HpkeMessage> hpke_seal_with(EVP_PKEY* ephemeral, HpkeAead aead, const PublicKey& recipient,
                                   std::string_view info, std::string_view aad,
                                   std::string_view plaintext) {
  TRY_VALUE(const std::string to, p256_point(recipient));
  POLDER_CHECK(EVP_PKEY_up_ref(ephemeral) == 1);
  TRY_VALUE(auto sender, evp_decrypter(OwnedKey(ephemeral), {}, "an ephemeral key"));
  HpkeMessage message;
  TRY_VALUE(message.enc, p256_point(sender->public_key()));
  TRY_VALUE(const Secret agreed, sender->agree(recipient));
  TRY_VALUE(const Secret shared, kem_secret(agreed, message.enc, to));
  TRY_VALUE(const HpkeKeys keys, hpke_schedule(aead, shared, info));
  TRY_VALUE(Gcm gcm, Gcm::create(Gcm::Direction::kEncrypt, keys.key.view()));
  message.ciphertext.resize(plaintext.size() + kHpkeTagBytes);
  TRY(gcm.seal(keys.nonce.view(), aad, plaintext, message.ciphertext));
  return message;
}

Result<Secret> hpke_open_with(HpkeAead aead, Decrypter& recipient, const HpkeMessage& message,
                              std::string_view info, std::string_view aad) {
  if (message.ciphertext.size() < kHpkeTagBytes) {
    return fail(Code::kCorrupt, "a sealed message of {} bytes; {} at least expected",
                message.ciphertext.size(), kHpkeTagBytes);
  }
  TRY_VALUE(const PublicKey ephemeral, p256_from_point(message.enc));
  TRY_VALUE(const std::string to, p256_point(recipient.public_key()));
  TRY_VALUE(const Secret agreed, recipient.agree(ephemeral));
  TRY_VALUE(const Secret shared, kem_secret(agreed, message.enc, to));
  TRY_VALUE(const HpkeKeys keys, hpke_schedule(aead, shared, info));
  TRY_VALUE(Gcm gcm, Gcm::create(Gcm::Direction::kDecrypt, keys.key.view()));
  Secret plaintext(message.ciphertext.size() - kHpkeTagBytes);
  if (gcm.open(keys.nonce.view(), aad, message.ciphertext, plaintext.span())) return plaintext;
  return fail(Code::kDenied, "it was not sealed for this key, or was changed");
}

Result<HpkeMessage> hpke_seal(const PublicKey& recipient, std::string_view info,
                              std::string_view aad, std::string_view plaintext) {
  const OwnedKey ephemeral(EVP_EC_gen("P-256"));
  if (!ephemeral) return fail(Code::kUnavailable, "cannot make a key: {}", openssl_reason());
  return hpke_seal_with(ephemeral.get(), HpkeAead::kAes256Gcm, recipient, info, aad, plaintext);
}

Result<Secret> hpke_open(Decrypter& recipient, const HpkeMessage& message, std::string_view info,
                         std::string_view aad) {
  return hpke_open_with(HpkeAead::kAes256Gcm, recipient, message, info, aad);
}

}  // namespace polder::trust
