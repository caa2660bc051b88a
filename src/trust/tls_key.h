// A device's key for TLS, wherever it is: OpenSSL asks the Signer for each signature of a
// handshake.
//
//   TRY_VALUE(options.client_key, tls_key(signer));   // HttpOptions of platform/http.h
#pragma once

#include <polder/error.h>

#include <memory>

#include "trust/key.h"

namespace polder::trust {

// An EVP_PKEY (platform/http.h: HttpKey) that holds the signer and uses it in the thread of the
// handshake, so nobody else may use it meanwhile. Errors: kUnsupported for a key that is not ECDSA
// P-256; kExhausted.
Result<std::shared_ptr<void>> tls_key(std::shared_ptr<Signer> signer);

}  // namespace polder::trust
