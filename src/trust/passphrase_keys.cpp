#include "trust/passphrase_keys.h"

#include <utility>

#include "base/fail.h"
#include "trust/digest.h"
#include "trust/hkdf.h"
#include "trust/json.h"
#include "trust/scrypt.h"

namespace polder::trust {

namespace {

constexpr ScryptCost kCost{.n = 1 << 17};
constexpr std::string_view kInfo = "polder passphrase keys 1: ";

// How keys are made, which is all that a file of them says.
Json ways_with(const std::string& salt_digits) {
  return Json::Members{{"format", 1},
                       {"kdf", "scrypt"},
                       {"n", static_cast<std::int64_t>(kCost.n)},
                       {"r", static_cast<std::int64_t>(kCost.r)},
                       {"p", 1},
                       {"salt", salt_digits}};
}

}  // namespace

Result<PassphraseKeys> PassphraseKeys::with(std::string_view passphrase, std::string salt) {
  TRY_VALUE(Secret key, scrypt(passphrase, salt, kCost, ContentKey::kBytes));
  return PassphraseKeys(std::move(salt), std::move(key));
}

Result<PassphraseKeys> PassphraseKeys::create(std::string_view passphrase) {
  TRY_VALUE(std::string salt, random_salt());
  return with(passphrase, std::move(salt));
}

Result<PassphraseKeys> PassphraseKeys::parse(std::string_view text, std::string_view where,
                                             std::string_view passphrase) {
  TRY_VALUE(const Json json, Json::parse(text, where));
  TRY_VALUE(const Object object, Object::of(json, std::string(where)));
  TRY_VALUE(const std::string digits, object.text("salt"));
  auto salt = from_hex(digits);
  if (!salt.ok() || salt->size() != kSaltBytes)
    return fail(Code::kCorrupt, "{}: salt: {} bytes in hexadecimal expected", where, kSaltBytes);
  if (const Json ways = ways_with(digits); json != ways)
    return fail(Code::kIncompatible, "{}: keys are made otherwise there than by this build, {}",
                where, ways.compact());
  return with(passphrase, *std::move(salt));
}

std::string PassphraseKeys::text() const {
  const auto* const bytes = reinterpret_cast<const std::uint8_t*>(salt_.data());
  return ways_with(hex({bytes, salt_.size()})).pretty();
}

Result<ContentKey> PassphraseKeys::of(std::string_view name) const {
  TRY_VALUE(Secret bytes,
            hkdf(salt_, key_.view(), std::string(kInfo) + std::string(name), ContentKey::kBytes));
  return ContentKey::from_bytes(std::move(bytes));
}

}  // namespace polder::trust
