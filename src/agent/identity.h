// Who a device is: a key that was made on it and never leaves it.
//
//   TRY_VALUE(const Identity identity, create_identity(config, passphrase));
//   TRY_VALUE(const std::unique_ptr<trust::Signer> signer, open_identity(config, passphrase));
//   TRY_VALUE(const std::string pem, trust::certificate_request(*signer, config.device));
#pragma once

#include <polder/error.h>

#include <memory>
#include <optional>
#include <string>

#include "agent/config.h"
#include "trust/key.h"
#include "trust/passphrase.h"
#include "trust/unwrap.h"

namespace polder::agent {

struct Identity {
  std::string device;
  std::string key_uri;
  trust::PublicKey key;
  // With which models are sealed for the device; none: there is no such key.
  std::string decryption_uri;
  std::optional<trust::PublicKey> decryption;
};

// Makes the keys where the configuration says, each that is not there: P-256 in a file of mode
// 0600, on a token or in the TPM. Errors: kDenied when both are there already; those of
// trust::create_key().
Result<Identity> create_identity(const Config& config, trust::PassphraseSource& passphrase);
// Errors: kNotFound, saying how to make one; those of trust::open_signer().
Result<Identity> show_identity(const Config& config, trust::PassphraseSource& passphrase);
// Of keys that are open; nullptr: there is none to decrypt with.
Identity identity_of(const Config& config, const trust::Signer& signer,
                     const trust::Decrypter* decrypter);
Result<std::unique_ptr<trust::Signer>> open_identity(const Config& config,
                                                     trust::PassphraseSource& passphrase);

}  // namespace polder::agent
