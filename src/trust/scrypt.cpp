#include "trust/scrypt.h"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include "base/fail.h"
#include "trust/openssl.h"

namespace polder::trust {

Result<std::string> random_salt() {
  std::string salt(kSaltBytes, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(salt.data()), int(salt.size())) != 1)
    return fail(Code::kUnavailable, "no random bytes: {}", openssl_reason());
  return salt;
}

Result<Secret> scrypt(std::string_view passphrase, std::string_view salt, ScryptCost cost,
                      std::size_t size) {
  constexpr std::uint64_t kP = 1, kBeside = 1 << 20;  // of memory, for what is not 128 * n * r
  Secret key(size);
  if (EVP_PBE_scrypt(passphrase.data(), passphrase.size(), bytes_of(salt), salt.size(), cost.n,
                     cost.r, kP, 128 * cost.n * cost.r + kBeside, key.data(), size) != 1)
    return fail(Code::kUnavailable, "scrypt failed: {}", openssl_reason());
  return key;
}

}  // namespace polder::trust
