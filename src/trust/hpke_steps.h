// The steps of RFC 9180, for hpke.cpp and the test vectors of its appendix A. Inside this room.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "trust/hpke.h"
#include "trust/openssl.h"
#include "trust/secret.h"

namespace polder::trust {

// The AEADs of section 7.3 that the vectors and we use.
enum class HpkeAead : std::uint16_t { kAes128Gcm = 1, kAes256Gcm = 2 };

// Section 5.1: what encrypts the one message.
struct HpkeKeys {
  Secret key, nonce;
};

// Section 4.1: from the secret that was agreed on and both public points to the shared secret.
Result<Secret> kem_secret(const Secret& agreed, std::string_view enc, std::string_view recipient);
Result<HpkeKeys> hpke_schedule(HpkeAead aead, const Secret& shared, std::string_view info);

// The point of a public key on P-256, 65 bytes, and back. Errors: kInvalid for other keys; kCorrupt
// for what is no point of the curve.
Result<std::string> p256_point(const PublicKey& key);
Result<PublicKey> p256_from_point(std::string_view point);

// hpke_seal() with the ephemeral key given.
Result<HpkeMessage> hpke_seal_with(EVP_PKEY* ephemeral, HpkeAead aead, const PublicKey& recipient,
                                   std::string_view info, std::string_view aad,
                                   std::string_view plaintext);
Result<Secret> hpke_open_with(HpkeAead aead, Decrypter& recipient, const HpkeMessage& message,
                              std::string_view info, std::string_view aad);

}  // namespace polder::trust
