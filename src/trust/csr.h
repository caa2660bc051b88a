// Certificate requests (PKCS#10, RFC 2986): a device asks for a certificate of its key.
//
//   TRY_VALUE(const std::string pem, certificate_request(*signer, "camera-17"));
#pragma once

#include <polder/error.h>

#include <string>
#include <string_view>

#include "trust/key.h"

namespace polder::trust {

inline constexpr std::size_t kMaxCommonNameBytes = 64;  // X.520: ub-common-name

// Errors: kInvalid for a name that is empty, too long or not printable.
Status check_common_name(std::string_view name);

// In PEM, with `common_name` as the subject, signed by the key wherever it is: Ed25519 or ECDSA
// P-256. Errors: kInvalid for a name that is empty, too long or not printable; kUnsupported for
// another scheme; those of the signer.
Result<std::string> certificate_request(Signer& signer, std::string_view common_name);

}  // namespace polder::trust
