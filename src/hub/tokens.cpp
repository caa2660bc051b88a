#include "hub/tokens.h"

#include <openssl/rand.h>

#include <algorithm>

#include "base/fail.h"
#include "trust/digest.h"

namespace polder::hub {
namespace {

constexpr std::size_t kIdBytes = 8, kSecretBytes = 32, kSaltBytes = 16, kNameBytes = 16;

std::string_view prefix_of(TokenKind kind) {
  return kind == TokenKind::kPerson ? "polder-person-" : "polder-enrol-";
}

Result<std::string> random_bytes(std::size_t count) {
  std::string bytes(count, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(count)) != 1)
    return fail(Code::kExhausted, "the system gives no randomness");
  return bytes;
}

std::string hex_of(std::string_view bytes) {
  return trust::hex({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
}

// A secret of 256 random bits is not guessed; a slow hash would only serve who sends many.
std::string hash_of(std::string_view secret, std::string_view salt) {
  const trust::Sha256 digest = trust::sha256(std::string(salt) + std::string(secret));
  return {digest.begin(), digest.end()};
}

bool is_hex(std::string_view text) {
  return std::ranges::all_of(
      text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

}  // namespace

Result<NewToken> make_token(TokenKind kind) {
  TRY_VALUE(const std::string id, random_bytes(kIdBytes));
  TRY_VALUE(const std::string secret, random_bytes(kSecretBytes));
  NewToken token{.text = "", .id = hex_of(id), .salt = "", .hash = ""};
  TRY_VALUE(token.salt, random_bytes(kSaltBytes));
  token.hash = hash_of(hex_of(secret), token.salt);
  token.text = fmt::format("{}{}-{}", prefix_of(kind), token.id, hex_of(secret));
  return token;
}

std::optional<TokenParts> split_token(TokenKind kind, std::string_view text) {
  const std::string_view prefix = prefix_of(kind);
  if (!text.starts_with(prefix)) return {};
  text.remove_prefix(prefix.size());
  if (text.size() != 2 * kIdBytes + 1 + 2 * kSecretBytes || text[2 * kIdBytes] != '-') return {};
  const std::string_view id = text.substr(0, 2 * kIdBytes), secret = text.substr(2 * kIdBytes + 1);
  if (!is_hex(id) || !is_hex(secret)) return {};
  return TokenParts{std::string(id), std::string(secret)};
}

bool is_secret_of(std::string_view secret, std::string_view salt, std::string_view hash) {
  return trust::equal_in_constant_time(hash_of(secret, salt), hash);
}

Result<std::string> random_name() {
  TRY_VALUE(const std::string bytes, random_bytes(kNameBytes));
  return hex_of(bytes);
}

}  // namespace polder::hub
