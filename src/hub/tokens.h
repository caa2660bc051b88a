// Tokens: secrets that the hub makes and shows once. It keeps what recognises them, not them.
//
//   TRY_VALUE(const NewToken token, make_token(TokenKind::kPerson));   // token.text: shown once
//   const auto parts = split_token(TokenKind::kPerson, text);          // what somebody sent
//   if (parts && is_secret_of(parts->secret, salt, hash)) ...
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace polder::hub {

enum class TokenKind : std::uint8_t { kPerson, kEnrolment };

struct NewToken {
  std::string text;  // "polder-person-ID-SECRET"
  std::string id;    // 16 hexadecimal digits; no secret
  std::string salt, hash;
};

// Errors: kExhausted when the system gives no randomness.
Result<NewToken> make_token(TokenKind kind);

struct TokenParts {
  std::string id, secret;
};
// Nothing for what is no token of that kind.
std::optional<TokenParts> split_token(TokenKind kind, std::string_view text);

// In a time that says nothing of either.
bool is_secret_of(std::string_view secret, std::string_view salt, std::string_view hash);

// 32 hexadecimal digits that nobody has had. Errors: kExhausted.
Result<std::string> random_name();

}  // namespace polder::hub
