// SHA-256 and SHA-512, at once or piece by piece, and bytes as text.
#pragma once

#include <polder/error.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace polder::trust {

using Sha256 = std::array<std::uint8_t, 32>;
using Sha512 = std::array<std::uint8_t, 64>;

Sha256 sha256(std::string_view bytes);
Sha512 sha512(std::string_view bytes);

// A digest of data that comes in pieces. Not thread-safe.
template <class Digest>
class DigestStream {
 public:
  DigestStream();
  DigestStream(DigestStream&&) noexcept;
  DigestStream& operator=(DigestStream&&) noexcept;
  ~DigestStream();
  void update(std::string_view bytes);
  // The digest of all updates; the stream may not be used after it.
  Digest finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};
using Sha256Stream = DigestStream<Sha256>;
using Sha512Stream = DigestStream<Sha512>;

// Lower-case hexadecimal digits.
std::string hex(std::span<const std::uint8_t> bytes);
// The bytes of an even number of hexadecimal digits of either case. Errors: kInvalid.
Result<std::string> from_hex(std::string_view text);

// RFC 4648 section 4, with padding.
std::string base64(std::string_view bytes);
// Errors: kInvalid for anything but RFC 4648 section 4 with its padding; no white space.
Result<std::string> from_base64(std::string_view text);

// Whether two secrets are the same, in a time that depends on their lengths alone.
bool equal_in_constant_time(std::string_view a, std::string_view b);

}  // namespace polder::trust
