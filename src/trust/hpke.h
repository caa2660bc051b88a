// Hybrid public key encryption, RFC 9180, base mode, of single messages to a key on P-256:
// DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-256-GCM. Anybody can seal; the message says nothing
// of who did.
//
//   TRY_VALUE(const HpkeMessage message, hpke_seal(device_key, "example 1", "", content_key));
//   TRY_VALUE(const Secret content_key, hpke_open(decrypter, message, "example 1", ""));
#pragma once

#include <polder/error.h>

#include <string>
#include <string_view>

#include "trust/key.h"
#include "trust/secret.h"
#include "trust/unwrap.h"

namespace polder::trust {

inline constexpr std::size_t kHpkeEncBytes = 65;  // an uncompressed point
inline constexpr std::size_t kHpkeTagBytes = 16;

struct HpkeMessage {
  std::string enc;         // the ephemeral public key
  std::string ciphertext;  // as long as the plaintext, and a tag
};

// `info` says what for, `aad` is bound to the message; both are needed to open it. Errors:
// kInvalid for a recipient that is not on P-256.
Result<HpkeMessage> hpke_seal(const PublicKey& recipient, std::string_view info,
                              std::string_view aad, std::string_view plaintext);
// Errors: kDenied when it is not for this key, or was changed; what the decrypter says.
Result<Secret> hpke_open(Decrypter& recipient, const HpkeMessage& message, std::string_view info,
                         std::string_view aad);

}  // namespace polder::trust
