// Keys that sign, and the public halves that verify: one interface for keys in files, on PKCS#11
// tokens and in a TPM.
//
//   TRY_VALUE(std::unique_ptr<Signer> signer, open_signer("file:root-1.pem", passphrase));
//   TRY_VALUE(const std::string signature, signer->sign(message));
//   TRY(signer->public_key().verify(message, signature));
#pragma once

#include <polder/error.h>

#include <memory>
#include <string>
#include <string_view>

#include "trust/digest.h"
#include "trust/json.h"

namespace polder::trust {

// How a key signs; the names are those of TUF metadata (specification 1.0.34, section 4.2).
enum class Scheme {
  kEd25519,    // "ed25519": RFC 8032, signatures of 64 bytes
  kEcdsaP256,  // "ecdsa-sha2-nistp256": SHA-256, signatures in DER
  kRsaPss,     // "rsassa-pss-sha256": MGF1 and salt of SHA-256
};
std::string_view scheme_name(Scheme scheme);
// Errors: kUnsupported, naming the schemes that exist.
Result<Scheme> scheme_from_name(std::string_view name);

// A public key. Copies share it; immutable, so any thread may use it.
class PublicKey {
 public:
  // SubjectPublicKeyInfo in PEM. Errors: kCorrupt; kUnsupported for another type or curve and for
  // RSA below 2,048 or above 8,192 bits.
  static Result<PublicKey> from_pem(std::string_view pem);
  // 32 bytes of Ed25519. Errors: kCorrupt.
  static Result<PublicKey> from_ed25519(std::string_view bytes);

  Scheme scheme() const { return scheme_; }
  // SubjectPublicKeyInfo in PEM, as OpenSSL writes it, with its final newline.
  std::string pem() const;
  // SubjectPublicKeyInfo in DER.
  std::string der() const;
  // The 32 bytes of an Ed25519 key; empty for others.
  std::string ed25519() const;
  // TUF's key id: SHA-256 of the canonical JSON of the key object, in hexadecimal.
  std::string id() const;
  // Errors: kDenied when the signature does not fit; nothing else.
  Status verify(std::string_view message, std::string_view signature) const;
  // Whether it is the same key.
  bool operator==(const PublicKey& other) const;

 private:
  friend struct KeyAccess;
  PublicKey() = default;
  std::shared_ptr<void> handle_;  // EVP_PKEY
  Scheme scheme_ = Scheme::kEd25519;
};

// The key as TUF metadata hold it: {"keytype", "scheme", "keyval": {"public"}}.
Json key_json(const PublicKey& key);

// A private key, wherever it is. Not thread-safe.
class Signer {
 public:
  virtual ~Signer() = default;
  virtual const PublicKey& public_key() const = 0;
  // Errors: kIo or kUnavailable when the token or TPM does not answer.
  virtual Result<std::string> sign(std::string_view message) = 0;
  // What sign() of an ECDSA key gives for the message of this digest: for TLS (trust/tls_key.h).
  // Errors: kUnsupported for another scheme; as sign().
  virtual Result<std::string> sign_digest(const Sha256& digest);
};

}  // namespace polder::trust
