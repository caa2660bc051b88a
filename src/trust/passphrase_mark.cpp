#include "trust/passphrase_mark.h"

#include "base/fail.h"
#include "trust/digest.h"
#include "trust/scrypt.h"

namespace polder::trust {

namespace {

constexpr ScryptCost kCost{.n = 1 << 14};

std::string hex_of(std::string_view bytes) {
  return hex({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
}

Result<std::string> mark_with(std::string_view passphrase, std::string_view salt) {
  TRY_VALUE(const Secret key, scrypt(passphrase, salt, kCost, sizeof(Sha256)));
  return fmt::format("{} {}", hex_of(salt), hex_of(key.view()));
}

}  // namespace

Result<std::string> passphrase_mark(std::string_view passphrase) {
  TRY_VALUE(const std::string salt, random_salt());
  return mark_with(passphrase, salt);
}

bool fits_mark(std::string_view passphrase, std::string_view mark) {
  const auto salt = from_hex(mark.substr(0, mark.find(' ')));
  if (!salt.ok() || salt->size() != kSaltBytes) return false;
  const auto same = mark_with(passphrase, *salt);
  return same.ok() && equal_in_constant_time(*same, mark);
}

}  // namespace polder::trust
