#include "trust/passphrase_mark.h"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <array>

#include "base/fail.h"
#include "trust/digest.h"
#include "trust/openssl.h"

namespace polder::trust {

namespace {

constexpr std::uint64_t kScryptN = 1 << 14, kScryptR = 8, kScryptP = 1;
constexpr std::uint64_t kMaxScryptBytes = 32 << 20;
constexpr std::size_t kSaltBytes = 16;

Result<std::string> mark_with(std::string_view passphrase, std::string_view salt) {
  Sha256 key{};
  if (EVP_PBE_scrypt(passphrase.data(), passphrase.size(),
                     reinterpret_cast<const unsigned char*>(salt.data()), salt.size(), kScryptN,
                     kScryptR, kScryptP, kMaxScryptBytes, key.data(), key.size()) != 1)
    return fail(Code::kUnavailable, "scrypt failed: {}", openssl_reason());
  return fmt::format(
      "{} {}", hex({reinterpret_cast<const std::uint8_t*>(salt.data()), salt.size()}), hex(key));
}

}  // namespace

Result<std::string> passphrase_mark(std::string_view passphrase) {
  std::array<char, kSaltBytes> salt{};
  if (RAND_bytes(reinterpret_cast<unsigned char*>(salt.data()), int(salt.size())) != 1)
    return fail(Code::kUnavailable, "no random bytes: {}", openssl_reason());
  return mark_with(passphrase, {salt.data(), salt.size()});
}

bool fits_mark(std::string_view passphrase, std::string_view mark) {
  const auto salt = from_hex(mark.substr(0, mark.find(' ')));
  if (!salt.ok() || salt->size() != kSaltBytes) return false;
  const auto same = mark_with(passphrase, *salt);
  return same.ok() && equal_in_constant_time(*same, mark);
}

}  // namespace polder::trust
