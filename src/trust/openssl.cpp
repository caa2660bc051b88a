#include "trust/openssl.h"

#include <openssl/err.h>
#include <openssl/rsa.h>

namespace polder::trust {

std::string openssl_reason() {
  const unsigned long number = ERR_peek_error();
  const char* reason = number != 0 ? ERR_reason_error_string(number) : nullptr;
  ERR_clear_error();
  return reason != nullptr ? reason : "no reason given";
}

std::string openssl_detail() {
  const char* data = nullptr;
  int flags = 0;
  ERR_peek_error_all(nullptr, nullptr, nullptr, &data, &flags);
  const std::string added = data != nullptr && (flags & ERR_TXT_STRING) != 0 ? data : "";
  const std::string reason = openssl_reason();
  return added.empty() ? reason : reason + ": " + added;
}

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return size > 0 ? std::string(data, std::size_t(size)) : std::string();
}

const EVP_MD* digest_of(Scheme scheme) {
  return scheme == Scheme::kEd25519 ? nullptr : EVP_sha256();
}

bool set_padding(Scheme scheme, EVP_PKEY_CTX* context) {
  if (scheme != Scheme::kRsaPss) return true;
  return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1 &&
         EVP_PKEY_CTX_set_rsa_mgf1_md(context, EVP_sha256()) == 1 &&
         EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) == 1;
}

}  // namespace polder::trust
