// Keys on PKCS#11 tokens (specification 2.40), spoken to directly. Inside this room: others use
// trust/signer.h.
#pragma once

#include <memory>
#include <string>

#include "trust/key_uri.h"
#include "trust/signer.h"

namespace polder::trust {

// `where` names the key in errors. The module is loaded at the first use and stays until the end of
// the process.
Result<std::unique_ptr<Signer>> open_pkcs11(const Pkcs11Uri& uri, const std::string& where,
                                            PassphraseSource& pin);
Result<PublicKey> create_pkcs11(const Pkcs11Uri& uri, const std::string& where, Scheme scheme,
                                PassphraseSource& pin);

}  // namespace polder::trust
