// Private keys in files: PKCS#8 in PEM, encrypted with a passphrase (PBES2: scrypt, AES-256-CBC),
// as OpenSSL 1.1 and later read them. Inside this room: others use trust/signer.h.
#pragma once

#include <string>
#include <string_view>

#include "trust/openssl.h"
#include "trust/passphrase.h"

namespace polder::trust {

constexpr std::size_t kMaxKeyFileBytes = 64 * 1024;

// Reads a key from PEM; `where` names it. Asks for the passphrase only when the key is encrypted.
// Errors: kCorrupt (no PEM, truncated, damaged); kInvalid for a public key or a certificate;
// kUnsupported for other formats, with the command that converts it; kDenied for a wrong
// passphrase or none.
Result<OwnedKey> parse_private_key(std::string_view pem, std::string_view where,
                                   PassphraseSource& passphrase);
// The same from a file that only its owner may read (platform/private_file.h).
Result<OwnedKey> read_private_key(const std::string& path, PassphraseSource& passphrase);

// PEM of the key, encrypted when there is a passphrase.
Result<Secret> write_private_key(EVP_PKEY* key, const std::optional<Secret>& passphrase);

}  // namespace polder::trust
