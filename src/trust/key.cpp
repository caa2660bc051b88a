#include "trust/key.h"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "base/fail.h"
#include "base/text.h"
#include "trust/json.h"
#include "trust/openssl.h"

namespace polder::trust {

namespace {

constexpr int kMinRsaBits = 2048, kMaxRsaBits = 8192;
constexpr std::size_t kMaxPemBytes = 16 * 1024;

struct SchemeName {
  Scheme scheme;
  std::string_view scheme_name, key_type;
};
constexpr SchemeName kSchemes[] = {{Scheme::kEd25519, "ed25519", "ed25519"},
                                   {Scheme::kEcdsaP256, "ecdsa-sha2-nistp256", "ecdsa"},
                                   {Scheme::kRsaPss, "rsassa-pss-sha256", "rsa"}};

bool is_p256(EVP_PKEY* key) {
  char name[80];
  std::size_t size = 0;
  if (EVP_PKEY_get_group_name(key, name, sizeof name, &size) != 1) return false;
  return OBJ_txt2nid(name) == NID_X9_62_prime256v1;
}

Result<Scheme> scheme_of(EVP_PKEY* key) {
  if (EVP_PKEY_is_a(key, "ED25519") == 1) return Scheme::kEd25519;
  if (EVP_PKEY_is_a(key, "EC") == 1) {
    if (is_p256(key)) return Scheme::kEcdsaP256;
    return fail(Code::kUnsupported,
                "an elliptic curve other than P-256: make an Ed25519, "
                "ECDSA P-256 or RSA key");
  }
  if (EVP_PKEY_is_a(key, "RSA") == 1) {
    const int bits = EVP_PKEY_get_bits(key);
    if (bits >= kMinRsaBits && bits <= kMaxRsaBits) return Scheme::kRsaPss;
    return fail(Code::kUnsupported, "an RSA key of {} bits: from {} to {} are accepted", bits,
                kMinRsaBits, kMaxRsaBits);
  }
  const char* type = EVP_PKEY_get0_type_name(key);
  return fail(Code::kUnsupported, "a key of type {}: Ed25519, ECDSA P-256 and RSA are supported",
              type != nullptr ? type : "unknown");
}

}  // namespace

std::string_view scheme_name(Scheme scheme) { return kSchemes[int(scheme)].scheme_name; }

Result<Scheme> scheme_from_name(std::string_view name) {
  for (const SchemeName& known : kSchemes) {
    if (known.scheme_name == name) return known.scheme;
  }
  return fail(Code::kUnsupported,
              "signature scheme '{}': ed25519, ecdsa-sha2-nistp256 and rsassa-pss-sha256 exist",
              clipped(name));
}

Result<PublicKey> KeyAccess::wrap(OwnedKey key) {
  TRY_VALUE(const Scheme scheme, scheme_of(key.get()));
  PublicKey result;
  result.scheme_ = scheme;
  result.handle_ = std::shared_ptr<void>(
      key.release(), [](void* pointer) { EVP_PKEY_free(static_cast<EVP_PKEY*>(pointer)); });
  return result;
}

Result<PublicKey> PublicKey::from_pem(std::string_view pem) {
  if (pem.size() > kMaxPemBytes) {
    return fail(Code::kCorrupt, "a public key in PEM expected, {} bytes found", pem.size());
  }
  const OwnedBio bio(BIO_new_mem_buf(pem.data(), int(pem.size())));
  OwnedKey key(PEM_read_bio_PUBKEY(bio.get(), nullptr, nullptr, nullptr));
  if (!key) {
    return fail(Code::kCorrupt, "a public key in PEM (BEGIN PUBLIC KEY) expected: {}",
                openssl_reason());
  }
  return KeyAccess::wrap(std::move(key));
}

Result<PublicKey> PublicKey::from_ed25519(std::string_view bytes) {
  if (bytes.size() != 32) {
    return fail(Code::kCorrupt, "32 bytes of an Ed25519 key expected, {} found", bytes.size());
  }
  OwnedKey key(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, bytes_of(bytes), 32));
  if (!key) return fail(Code::kCorrupt, "no Ed25519 key: {}", openssl_reason());
  return KeyAccess::wrap(std::move(key));
}

std::string PublicKey::pem() const {
  const OwnedBio bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_PUBKEY(bio.get(), KeyAccess::handle(*this));
  return text_of(bio.get());
}

std::string PublicKey::der() const {
  const OwnedBio bio(BIO_new(BIO_s_mem()));
  i2d_PUBKEY_bio(bio.get(), KeyAccess::handle(*this));
  return text_of(bio.get());
}

std::string PublicKey::ed25519() const {
  if (scheme_ != Scheme::kEd25519) return {};
  std::string bytes(32, '\0');
  std::size_t size = bytes.size();
  EVP_PKEY_get_raw_public_key(KeyAccess::handle(*this), bytes_of(bytes), &size);
  return bytes;
}

Json key_json(const PublicKey& key) {
  const SchemeName& names = kSchemes[int(key.scheme())];
  std::string value =
      key.scheme() == Scheme::kEd25519 ? hex({bytes_of(key.ed25519()), 32}) : key.pem();
  return Json::Members{{"keytype", names.key_type},
                       {"scheme", names.scheme_name},
                       {"keyval", Json::Members{{"public", std::move(value)}}}};
}

std::string PublicKey::id() const {
  auto canonical = key_json(*this).canonical();
  return hex(sha256(canonical.value()));
}

Status PublicKey::verify(std::string_view message, std::string_view signature) const {
  const OwnedDigest context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* key_context = nullptr;  // the digest context's
  const bool good = context != nullptr &&
                    EVP_DigestVerifyInit(context.get(), &key_context, digest_of(scheme_), nullptr,
                                         KeyAccess::handle(*this)) == 1 &&
                    set_padding(scheme_, key_context) &&
                    EVP_DigestVerify(context.get(), bytes_of(signature), signature.size(),
                                     bytes_of(message), message.size()) == 1;
  if (good) return {};
  const std::string reason = openssl_reason();  // clears the queue
  return fail(Code::kDenied, "the signature is not this key's over this text");
}

bool PublicKey::operator==(const PublicKey& other) const {
  return EVP_PKEY_eq(KeyAccess::handle(*this), KeyAccess::handle(other)) == 1;
}

Result<std::string> Signer::sign_digest(const Sha256&) {
  return fail(Code::kUnsupported, "a key of {} signs no digests: ecdsa-sha2-nistp256 expected",
              scheme_name(public_key().scheme()));
}

}  // namespace polder::trust
