// The key with which a device opens what is sealed for it: agrees on a secret (ECDH on P-256), in
// the TPM where the key is in one.
#pragma once

#include <polder/error.h>

#include <memory>
#include <string>

#include "trust/key.h"
#include "trust/passphrase.h"
#include "trust/secret.h"

namespace polder::trust {

// A private key that decrypts. Not thread-safe.
class Decrypter {
 public:
  virtual ~Decrypter() = default;
  virtual const PublicKey& public_key() const = 0;
  // The x-coordinate of the shared point, 32 bytes, big-endian (SEC 1, section 3.3.1). It is not
  // uniform: derive keys from it. Errors: kInvalid when `ephemeral` is not on P-256; kIo or
  // kUnavailable when the TPM does not answer.
  virtual Result<Secret> agree(const PublicKey& ephemeral) = 0;
};

// A URI as for open_signer() (trust/signer.h): file:PATH or tpm:HANDLE of a P-256 key. Errors: as
// open_signer(); kUnsupported for another type of key, and for pkcs11:.
Result<std::unique_ptr<Decrypter>> open_decrypter(const std::string& uri,
                                                  PassphraseSource& passphrase);

}  // namespace polder::trust
