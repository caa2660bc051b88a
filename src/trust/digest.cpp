#include "trust/digest.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include "base/check.h"
#include "base/fail.h"
#include "trust/openssl.h"

namespace polder::trust {

namespace {

// Looked up once: OpenSSL 3 otherwise searches its providers for every digest.
const EVP_MD* fetched(const char* name) {
  EVP_MD* kind = EVP_MD_fetch(nullptr, name, nullptr);  // kept until the process ends
  POLDER_CHECK(kind != nullptr);
  return kind;
}
const EVP_MD* kind_sha256() {
  static const EVP_MD* const kind = fetched("SHA256");
  return kind;
}

template <class Digest>
Digest digest(const EVP_MD* kind, std::string_view bytes) {
  Digest result;
  unsigned size = 0;
  POLDER_CHECK(EVP_Digest(bytes.data(), bytes.size(), result.data(), &size, kind, nullptr) == 1);
  POLDER_CHECK(size == result.size());
  return result;
}

int hex_value(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

}  // namespace

Sha256 sha256(std::string_view bytes) { return digest<Sha256>(kind_sha256(), bytes); }
Sha512 sha512(std::string_view bytes) { return digest<Sha512>(EVP_sha512(), bytes); }

template <class Digest>
struct DigestStream<Digest>::Impl {
  OwnedDigest context{EVP_MD_CTX_new()};
};

template <class Digest>
DigestStream<Digest>::DigestStream() : impl_(std::make_unique<Impl>()) {
  POLDER_CHECK(impl_->context != nullptr);
  const EVP_MD* kind = sizeof(Digest) == sizeof(Sha256) ? kind_sha256() : EVP_sha512();
  POLDER_CHECK(EVP_DigestInit_ex(impl_->context.get(), kind, nullptr) == 1);
}
template <class Digest>
DigestStream<Digest>::DigestStream(DigestStream&&) noexcept = default;
template <class Digest>
DigestStream<Digest>& DigestStream<Digest>::operator=(DigestStream&&) noexcept = default;
template <class Digest>
DigestStream<Digest>::~DigestStream() = default;

template <class Digest>
void DigestStream<Digest>::update(std::string_view bytes) {
  POLDER_CHECK(EVP_DigestUpdate(impl_->context.get(), bytes.data(), bytes.size()) == 1);
}

template <class Digest>
Digest DigestStream<Digest>::finish() {
  Digest result;
  unsigned size = 0;
  POLDER_CHECK(EVP_DigestFinal_ex(impl_->context.get(), result.data(), &size) == 1);
  POLDER_CHECK(size == result.size());
  return result;
}

template class DigestStream<Sha256>;
template class DigestStream<Sha512>;

std::string hex(std::span<const std::uint8_t> bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const std::uint8_t byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

Result<std::string> from_hex(std::string_view text) {
  if (text.size() % 2 != 0) {
    return fail(Code::kInvalid, "an even number of hexadecimal digits expected, {} found",
                text.size());
  }
  std::string bytes;
  bytes.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = hex_value(text[i]), low = hex_value(text[i + 1]);
    if (high < 0 || low < 0) {
      return fail(Code::kInvalid, "no hexadecimal digit at position {}", high < 0 ? i : i + 1);
    }
    bytes += char(high << 4 | low);
  }
  return bytes;
}

std::string base64(std::string_view bytes) {
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');
  const int size = EVP_EncodeBlock(bytes_of(text), bytes_of(bytes), int(bytes.size()));
  text.resize(std::size_t(size));
  return text;
}

Result<std::string> from_base64(std::string_view text) {
  const auto bad = [] {
    return fail(Code::kInvalid, "base64 (RFC 4648, with padding) expected, something else found");
  };
  if (text.size() % 4 != 0 || text.size() > (1u << 30)) return bad();
  // OpenSSL takes white space and padding anywhere; only what it would write itself is accepted.
  std::string bytes(text.size() / 4 * 3, '\0');
  if (text.empty()) return bytes;
  const int size = EVP_DecodeBlock(bytes_of(bytes), bytes_of(text), int(text.size()));
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with("=") ? 1 : 0;
  if (size < int(padding)) return bad();
  bytes.resize(std::size_t(size) - padding);
  if (base64(bytes) != text) return bad();
  return bytes;
}

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace polder::trust
