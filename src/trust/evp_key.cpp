#include "trust/evp_key.h"

#include <openssl/ec.h>
#include <openssl/x509.h>

#include "base/fail.h"

namespace polder::trust {

Result<PublicKey> public_half(EVP_PKEY* key, std::string_view where) {
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(key, &der);
  if (size <= 0) {
    return fail(Code::kCorrupt, "{}: the public half cannot be told: {}", where, openssl_reason());
  }
  const unsigned char* at = der;
  OwnedKey half(d2i_PUBKEY(nullptr, &at, size));
  OPENSSL_free(der);
  if (!half) return fail(Code::kCorrupt, "{}: no public key: {}", where, openssl_reason());
  auto wrapped = KeyAccess::wrap(std::move(half));
  if (!wrapped) return std::move(wrapped).error().at(where);
  return wrapped;
}

namespace {

Error refused(const std::string& where, const char* action, const EvpContext& context) {
  const std::string detail = openssl_detail();
  // In the words of the TPM software stack.
  if (detail.find("auth") != detail.npos) {
    return fail(Code::kDenied, "{}: cannot {}: {} ({})", where, action, context.hint, detail);
  }
  return fail(Code::kIo, "{}: cannot {}: {}", where, action, detail);
}

class EvpSigner final : public Signer {
 public:
  EvpSigner(OwnedKey key, PublicKey half, EvpContext context, std::string where)
      : context_(std::move(context)),
        key_(std::move(key)),
        public_(std::move(half)),
        where_(std::move(where)) {}

  const PublicKey& public_key() const override { return public_; }

  Result<std::string> sign(std::string_view message) override {
    const OwnedDigest digest(EVP_MD_CTX_new());
    EVP_PKEY_CTX* key_context = nullptr;  // the digest context's
    const Scheme scheme = public_.scheme();
    const char* hash = scheme == Scheme::kEd25519 ? nullptr : "SHA256";
    std::size_t size = 0;
    std::string signature;
    const bool ready =
        digest != nullptr &&
        EVP_DigestSignInit_ex(digest.get(), &key_context, hash, context_.library,
                              context_.properties, key_.get(), nullptr) == 1 &&
        set_padding(scheme, key_context) &&
        EVP_DigestSign(digest.get(), nullptr, &size, bytes_of(message), message.size()) == 1;
    if (ready) signature.resize(size);
    if (!ready || EVP_DigestSign(digest.get(), bytes_of(signature), &size, bytes_of(message),
                                 message.size()) != 1) {
      return refused(where_, "sign", context_);
    }
    signature.resize(size);
    // A damaged key, or a fault while it was used, must give nothing away.
    if (public_.verify(message, signature).ok()) return signature;
    return fail(Code::kCorrupt, "{}: its signature does not fit its public half: it is damaged",
                where_);
  }

  Result<std::string> sign_digest(const Sha256& digest) override {
    if (public_.scheme() != Scheme::kEcdsaP256) return Signer::sign_digest(digest);
    const OwnedKeyContext signing(
        EVP_PKEY_CTX_new_from_pkey(context_.library, key_.get(), context_.properties));
    std::size_t size = 0;
    std::string signature;
    const bool ready =
        signing != nullptr && EVP_PKEY_sign_init(signing.get()) == 1 &&
        EVP_PKEY_CTX_set_signature_md(signing.get(), EVP_sha256()) == 1 &&
        EVP_PKEY_sign(signing.get(), nullptr, &size, digest.data(), digest.size()) == 1;
    if (ready) signature.resize(size);
    if (!ready ||
        EVP_PKEY_sign(signing.get(), bytes_of(signature), &size, digest.data(), digest.size()) != 1)
      return refused(where_, "sign", context_);
    signature.resize(size);
    return signature;
  }

 private:
  EvpContext context_;  // outlives the key
  OwnedKey key_;
  PublicKey public_;
  std::string where_;
};

class EvpDecrypter final : public Decrypter {
 public:
  EvpDecrypter(OwnedKey key, PublicKey half, EvpContext context, std::string where)
      : context_(std::move(context)),
        key_(std::move(key)),
        public_(std::move(half)),
        where_(std::move(where)) {}

  const PublicKey& public_key() const override { return public_; }

  Result<Secret> agree(const PublicKey& ephemeral) override {
    if (ephemeral.scheme() != Scheme::kEcdsaP256) {
      return fail(Code::kInvalid, "{}: agrees with a key on P-256 only, {} given", where_,
                  scheme_name(ephemeral.scheme()));
    }
    const OwnedKeyContext derivation(
        EVP_PKEY_CTX_new_from_pkey(context_.library, key_.get(), context_.properties));
    Secret shared(kSharedBytes);
    std::size_t size = shared.size();
    const bool agreed =
        derivation != nullptr && EVP_PKEY_derive_init(derivation.get()) == 1 &&
        EVP_PKEY_derive_set_peer(derivation.get(), KeyAccess::handle(ephemeral)) == 1 &&
        EVP_PKEY_derive(derivation.get(), shared.data(), &size) == 1;
    if (agreed && size == kSharedBytes) return shared;
    return refused(where_, "agree on a secret", context_);
  }

 private:
  static constexpr std::size_t kSharedBytes = 32;
  EvpContext context_;  // outlives the key
  OwnedKey key_;
  PublicKey public_;
  std::string where_;
};

}  // namespace

Result<std::unique_ptr<Signer>> evp_signer(OwnedKey key, EvpContext context, std::string where) {
  TRY_VALUE(PublicKey half, public_half(key.get(), where));
  return std::unique_ptr<Signer>(std::make_unique<EvpSigner>(std::move(key), std::move(half),
                                                             std::move(context), std::move(where)));
}

Result<std::unique_ptr<Decrypter>> evp_decrypter(OwnedKey key, EvpContext context,
                                                 std::string where) {
  TRY_VALUE(PublicKey half, public_half(key.get(), where));
  if (half.scheme() != Scheme::kEcdsaP256) {
    return fail(
        Code::kUnsupported,
        "{}: a key of {}; to open what is sealed, a P-256 key is needed: polder keys create "
        "--type p256",
        where, scheme_name(half.scheme()));
  }
  return std::unique_ptr<Decrypter>(std::make_unique<EvpDecrypter>(
      std::move(key), std::move(half), std::move(context), std::move(where)));
}

}  // namespace polder::trust
