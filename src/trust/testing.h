// For tests: keys that are made on the spot and sign.
#pragma once

#include <openssl/ec.h>
#include <openssl/rsa.h>

#include <memory>
#include <random>
#include <string>
#include <string_view>

#include "base/check.h"
#include "trust/digest.h"
#include "trust/evp_key.h"
#include "trust/key.h"
#include "trust/openssl.h"

namespace polder::trust {

// Bytes without a pattern, as trained weights are; the same in every run.
inline std::string noise(std::size_t size, unsigned seed = 1) {
  std::mt19937_64 random(seed);
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = char(random() >> 56);
  return bytes;
}

class TestSigner final : public Signer {
 public:
  // A new key.
  explicit TestSigner(Scheme scheme) : TestSigner(generate(scheme)) {}
  // The Ed25519 key of a name, the same in every run.
  explicit TestSigner(std::string_view name) : TestSigner(derive(name)) {}

  const PublicKey& public_key() const override { return public_key_; }
  Result<std::string> sign(std::string_view message) override {
    const OwnedDigest context(EVP_MD_CTX_new());
    EVP_PKEY_CTX* key_context = nullptr;
    const Scheme scheme = public_key_.scheme();
    POLDER_CHECK(EVP_DigestSignInit(context.get(), &key_context, digest_of(scheme), nullptr,
                                    key_.get()) == 1);
    POLDER_CHECK(set_padding(scheme, key_context));
    std::size_t size = 1024;
    std::string signature(size, '\0');
    POLDER_CHECK(EVP_DigestSign(context.get(), bytes_of(signature), &size, bytes_of(message),
                                message.size()) == 1);
    signature.resize(size);
    return signature;
  }

 private:
  explicit TestSigner(EVP_PKEY* key) : key_(key), public_key_(public_half(key)) {}
  static EVP_PKEY* generate(Scheme scheme) {
    if (scheme == Scheme::kEcdsaP256) return EVP_EC_gen("P-256");
    if (scheme == Scheme::kRsaPss) return EVP_RSA_gen(2048);
    return EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
  }
  static EVP_PKEY* derive(std::string_view name) {
    const Sha256 seed = sha256(name);
    return EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, seed.data(), seed.size());
  }
  static PublicKey public_half(EVP_PKEY* key) {
    POLDER_CHECK(key != nullptr);
    EVP_PKEY_up_ref(key);
    return KeyAccess::wrap(OwnedKey(key)).value();
  }

  OwnedKey key_;
  PublicKey public_key_;
};

// The decryption key of a new device.
inline std::unique_ptr<Decrypter> new_device() {
  return evp_decrypter(OwnedKey(EVP_EC_gen("P-256")), {}, "a device's key").value();
}

}  // namespace polder::trust
