// Opens and makes private keys, wherever they are.
//
//   SystemSecretInput input;
//   GivenPassphrase passphrase(input, {});
//   TRY_VALUE(auto signer, open_signer("file:root-1.pem", passphrase));
//   TRY_VALUE(const std::string signature, signer->sign(message));
//
// A key is named by a URI:
//   file:PATH or a plain path     PKCS#8 in PEM; Ed25519, ECDSA P-256, RSA-PSS
//   pkcs11:token=T;object=K       RFC 7512, with ?module-path=FILE; ECDSA P-256, RSA-PSS
//   tpm:0x81000001                a persistent handle of the TPM 2.0; ECDSA P-256
//   tpm:0x81000001?pass           the same of a key with a passphrase
#pragma once

#include <polder/error.h>

#include <memory>
#include <string>

#include "trust/key.h"
#include "trust/passphrase.h"

namespace polder::trust {

// `passphrase` is asked only when the key needs one (of a token: its PIN; of a TPM: the key's
// authorisation). Errors: kInvalid for a URI that is none; kNotFound; kDenied for a file that
// others may read and for a wrong or missing passphrase; kCorrupt; kUnsupported for another type of
// key; kUnavailable without the library, token or TPM, naming the package to install.
Result<std::unique_ptr<Signer>> open_signer(const std::string& uri, PassphraseSource& passphrase);

struct OpenedPublicKey {
  PublicKey key;
  bool from_private = false;
};

// The public key of a PEM file that holds one (which anybody may read), or of the private key that
// a URI names. Errors: as open_signer().
Result<OpenedPublicKey> open_public_key(const std::string& uri, PassphraseSource& passphrase);

// Whether a private key in PEM, of any kind, begins in the first 64 KiB of a file: what must not be
// written over or published. False for what is no file, or cannot be read.
bool holds_private_key(const std::string& path);

// Makes a private key of a scheme at a place where none is, and returns its public half. RSA keys
// have 3,072 bits. In a file it is encrypted with a passphrase unless passphrase.chosen() says
// otherwise; on a token and in a TPM it is made there and never leaves it. Errors: kDenied when
// there is a key already; kUnsupported for a scheme that the place does not know; as open_signer().
Result<PublicKey> create_key(const std::string& uri, Scheme scheme, PassphraseSource& passphrase);

// Encrypts the key of a file anew: asks `before` for its passphrase, if it has one, and `after` for
// the one to come. The file is replaced only when the new one is complete. Returns the public half.
Result<PublicKey> change_passphrase(const std::string& uri, PassphraseSource& before,
                                    PassphraseSource& after);

}  // namespace polder::trust
