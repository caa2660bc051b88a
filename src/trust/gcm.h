// AES-GCM with a nonce that the caller never uses twice. Inside this room.
#pragma once

#include <polder/error.h>

#include <cstddef>
#include <span>
#include <string_view>

#include "trust/openssl.h"

namespace polder::trust {

inline constexpr std::size_t kGcmNonceBytes = 12;
inline constexpr std::size_t kGcmTagBytes = 16;

// A key that is ready to encrypt, or to decrypt, one message after the other. Not thread-safe.
class Gcm {
 public:
  enum class Direction { kEncrypt, kDecrypt };
  // `key`: 16 or 32 bytes.
  static Result<Gcm> create(Direction direction, std::string_view key);

  // `out` takes the ciphertext and the tag: plaintext.size() + kGcmTagBytes.
  Status seal(std::string_view nonce, std::string_view aad, std::string_view plaintext,
              std::span<char> out);
  // `out` takes sealed.size() - kGcmTagBytes bytes, and is all zero when false is returned: the
  // message is not what was sealed with this key, nonce and aad.
  bool open(std::string_view nonce, std::string_view aad, std::string_view sealed,
            std::span<char> out);

 private:
  explicit Gcm(OwnedCipher context) : context_(std::move(context)) {}
  OwnedCipher context_;
};

}  // namespace polder::trust
