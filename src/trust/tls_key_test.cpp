#include "trust/tls_key.h"

#include <gtest/gtest.h>

#include "base/fail.h"
#include "trust/openssl.h"
#include "trust/testing.h"

namespace polder::trust {
namespace {

// A key elsewhere: it sees digests alone.
class Elsewhere final : public Signer {
 public:
  explicit Elsewhere(std::unique_ptr<Signer> key, int* asked)
      : key_(std::move(key)), asked_(asked) {}
  const PublicKey& public_key() const override { return key_->public_key(); }
  Result<std::string> sign(std::string_view) override { return fail(Code::kIo, "not that way"); }
  Result<std::string> sign_digest(const Sha256& digest) override {
    ++*asked_;
    return refuses ? fail(Code::kUnavailable, "the token was pulled out")
                   : key_->sign_digest(digest);
  }
  bool refuses = false;

 private:
  std::unique_ptr<Signer> key_;
  int* asked_;
};

std::unique_ptr<Signer> new_signer(const char* type, const char* curve) {
  OwnedKey key(curve ? EVP_PKEY_Q_keygen(nullptr, nullptr, type, curve)
                     : EVP_PKEY_Q_keygen(nullptr, nullptr, type));
  return evp_signer(std::move(key), {}, "test").value();
}

// As a handshake does; empty: it could not.
std::string signature_of(EVP_PKEY* key, std::string_view message) {
  const OwnedDigest digest(EVP_MD_CTX_new());
  std::string signature(256, '\0');
  std::size_t size = signature.size();
  if (EVP_DigestSignInit_ex(digest.get(), nullptr, "SHA256", nullptr, nullptr, key, nullptr) != 1 ||
      EVP_DigestSign(digest.get(), bytes_of(signature), &size, bytes_of(message), message.size()) !=
          1)
    return "";
  signature.resize(size);
  return signature;
}

TEST(TlsKey, SignsWhereTheKeyIs) {
  int asked = 0;
  auto signer = std::make_shared<Elsewhere>(new_signer("EC", "P-256"), &asked);
  const PublicKey half = signer->public_key();
  auto key = tls_key(signer);
  ASSERT_TRUE(key.ok()) << key.error().message;
  auto* const handle = static_cast<EVP_PKEY*>(key->get());
  EXPECT_EQ(EVP_PKEY_eq(handle, KeyAccess::handle(half)), 1);
  const std::string signature = signature_of(handle, "a handshake");
  EXPECT_TRUE(half.verify("a handshake", signature).ok());
  EXPECT_FALSE(half.verify("another one", signature).ok());
  EXPECT_EQ(asked, 1);
  signer->refuses = true;
  EXPECT_EQ(signature_of(handle, "a handshake"), "");
  // It holds the signer for as long as it is there.
  std::weak_ptr<Signer> watched = signer;
  signer.reset();
  EXPECT_FALSE(watched.expired());
  key->reset();
  EXPECT_TRUE(watched.expired());
}

TEST(TlsKey, OfAnotherSchemeThereIsNone) {
  const std::shared_ptr<Signer> signer = new_signer("ED25519", nullptr);
  EXPECT_EQ(tls_key(signer).error().code, Code::kUnsupported);
  EXPECT_EQ(signer->sign_digest({}).error().code, Code::kUnsupported);
}

}  // namespace
}  // namespace polder::trust
