// HKDF with SHA-256 (RFC 5869): keys from a secret. Inside this room.
#pragma once

#include <polder/error.h>

#include <cstddef>
#include <string_view>

#include "trust/secret.h"

namespace polder::trust {

// The pseudo-random key of the secret: 32 bytes.
Result<Secret> hkdf_extract(std::string_view salt, std::string_view secret);
// `size` is at most 255 * 32.
Result<Secret> hkdf_expand(std::string_view pseudo_random_key, std::string_view info,
                           std::size_t size);
// Both.
Result<Secret> hkdf(std::string_view salt, std::string_view secret, std::string_view info,
                    std::size_t size);

}  // namespace polder::trust
