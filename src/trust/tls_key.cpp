// OpenSSL 3.0 has no other way to sign by a function of ours than a method of its older keys, short
// of a provider: marked as deprecated there, and used by what PKCS#11 engines are made of.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "trust/tls_key.h"

#include <openssl/ec.h>

#include <algorithm>

#include "base/fail.h"
#include "trust/openssl.h"

namespace polder::trust {

namespace {

using OwnedEcKey = Owned<EC_KEY, EC_KEY_free>;
using Held = std::shared_ptr<Signer>;

void end_held(void*, void* held, CRYPTO_EX_DATA*, int, long, void*) {
  delete static_cast<Held*>(held);
}

int copy_held(CRYPTO_EX_DATA*, const CRYPTO_EX_DATA*, void** held, int, long, void*) {
  if (*held) *held = new Held(*static_cast<Held*>(*held));
  return 1;
}

// Where a key keeps its signer.
int place_of_signer() {
  static const int place = EC_KEY_get_ex_new_index(0, nullptr, nullptr, copy_held, end_held);
  return place;
}

int sign(int, const unsigned char* digest, int digest_bytes, unsigned char* signature,
         unsigned int* signature_bytes, const BIGNUM*, const BIGNUM*, EC_KEY* key) {
  const auto* held = static_cast<const Held*>(EC_KEY_get_ex_data(key, place_of_signer()));
  Sha256 sum{};
  if (!held || std::size_t(digest_bytes) != sum.size()) return 0;
  std::copy_n(digest, sum.size(), sum.begin());
  const auto made = (*held)->sign_digest(sum);
  if (!made.ok() || made->size() > std::size_t(ECDSA_size(key))) return 0;
  std::copy(made->begin(), made->end(), signature);
  *signature_bytes = unsigned(made->size());
  return 1;
}

const EC_KEY_METHOD* method_of_signer() {
  static const EC_KEY_METHOD* const method = [] {
    EC_KEY_METHOD* made = EC_KEY_METHOD_new(EC_KEY_OpenSSL());
    if (made) EC_KEY_METHOD_set_sign(made, sign, nullptr, nullptr);
    return made;
  }();
  return method;
}

}  // namespace

Result<std::shared_ptr<void>> tls_key(std::shared_ptr<Signer> signer) {
  const PublicKey& half = signer->public_key();
  if (half.scheme() != Scheme::kEcdsaP256)
    return fail(Code::kUnsupported,
                "a key of {}: a device needs one on P-256 for TLS, as 'polderd identity create' "
                "makes it",
                scheme_name(half.scheme()));
  const OwnedEcKey shared(EVP_PKEY_get1_EC_KEY(KeyAccess::handle(half)));
  OwnedEcKey own(shared ? EC_KEY_dup(shared.get()) : nullptr);
  OwnedKey key(EVP_PKEY_new());
  auto held = std::make_unique<Held>(std::move(signer));
  const bool is_made = own && key && method_of_signer() &&
                       EC_KEY_set_method(own.get(), method_of_signer()) == 1 &&
                       EC_KEY_set_ex_data(own.get(), place_of_signer(), held.get()) == 1;
  if (is_made) static_cast<void>(held.release());  // the key ends it
  if (!is_made || EVP_PKEY_set1_EC_KEY(key.get(), own.get()) != 1)
    return fail(Code::kExhausted, "OpenSSL takes no key: {}", openssl_reason());
  return std::shared_ptr<void>(key.release(),
                               [](void* made) { EVP_PKEY_free(static_cast<EVP_PKEY*>(made)); });
}

}  // namespace polder::trust
