// Private keys that OpenSSL holds, in memory or through a provider. Inside this room.
#pragma once

#include <memory>
#include <string>

#include "trust/openssl.h"
#include "trust/signer.h"
#include "trust/unwrap.h"

namespace polder::trust {

// Where a key's operations are done: OpenSSL's own for keys in memory.
struct EvpContext {
  OSSL_LIB_CTX* library = nullptr;
  const char* properties = nullptr;
  std::shared_ptr<void> keeps;  // what must outlive the key
  std::string hint;             // what to do when the key is refused to its user
};

// The public half of a private key.
Result<PublicKey> public_half(EVP_PKEY* key, std::string_view where);

// `where` names the key in errors.
Result<std::unique_ptr<Signer>> evp_signer(OwnedKey key, EvpContext context, std::string where);
Result<std::unique_ptr<Decrypter>> evp_decrypter(OwnedKey key, EvpContext context,
                                                 std::string where);

}  // namespace polder::trust
