#include "trust/hkdf.h"

#include <openssl/core_names.h>
#include <openssl/kdf.h>

#include <array>

#include "base/fail.h"
#include "trust/openssl.h"

namespace polder::trust {

namespace {

using OwnedKdf = Owned<EVP_KDF, EVP_KDF_free>;
using OwnedKdfContext = Owned<EVP_KDF_CTX, EVP_KDF_CTX_free>;

OSSL_PARAM octets(const char* name, std::string_view bytes) {
  return OSSL_PARAM_construct_octet_string(name, const_cast<char*>(bytes.data()), bytes.size());
}

Result<Secret> derive(int mode, std::string_view key, const char* other_name,
                      std::string_view other, std::size_t size) {
  const OwnedKdf kdf(EVP_KDF_fetch(nullptr, "HKDF", nullptr));
  const OwnedKdfContext context(kdf ? EVP_KDF_CTX_new(kdf.get()) : nullptr);
  char digest[] = "SHA256";
  std::array<OSSL_PARAM, 5> parameters;
  std::size_t count = 0;
  parameters[count++] = OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode);
  parameters[count++] = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0);
  parameters[count++] = octets(OSSL_KDF_PARAM_KEY, key);
  if (!other.empty()) parameters[count++] = octets(other_name, other);
  parameters[count] = OSSL_PARAM_construct_end();
  Secret out(size);
  if (context && EVP_KDF_derive(context.get(), out.data(), out.size(), parameters.data()) == 1) {
    return out;
  }
  return fail(Code::kUnavailable, "HKDF failed: {}", openssl_reason());
}

}  // namespace

Result<Secret> hkdf_extract(std::string_view salt, std::string_view secret) {
  return derive(EVP_KDF_HKDF_MODE_EXTRACT_ONLY, secret, OSSL_KDF_PARAM_SALT, salt, 32);
}

Result<Secret> hkdf_expand(std::string_view pseudo_random_key, std::string_view info,
                           std::size_t size) {
  return derive(EVP_KDF_HKDF_MODE_EXPAND_ONLY, pseudo_random_key, OSSL_KDF_PARAM_INFO, info, size);
}

Result<Secret> hkdf(std::string_view salt, std::string_view secret, std::string_view info,
                    std::size_t size) {
  TRY_VALUE(const Secret key, hkdf_extract(salt, secret));
  return hkdf_expand(key.view(), info, size);
}

}  // namespace polder::trust
