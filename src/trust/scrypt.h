// scrypt (RFC 7914): what a passphrase is worth as a key, once it was made slow to guess.
#pragma once

#include <polder/error.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "trust/secret.h"

namespace polder::trust {

// It takes 128 * n * r bytes of memory; p is 1.
struct ScryptCost {
  std::uint64_t n = 0, r = 8;  // n is a power of two
};
constexpr std::size_t kSaltBytes = 16;

// Errors: kUnavailable.
Result<std::string> random_salt();
// `size` bytes. Errors: kUnavailable, without memory as well.
Result<Secret> scrypt(std::string_view passphrase, std::string_view salt, ScryptCost cost,
                      std::size_t size);

}  // namespace polder::trust
