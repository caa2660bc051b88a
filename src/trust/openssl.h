// OpenSSL's objects, owned. Inside this room.
#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <polder/error.h>

#include <memory>
#include <string>
#include <string_view>

#include "trust/key.h"

namespace polder::trust {

template <auto Free>
struct OpensslFree {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
template <class T, auto Free>
using Owned = std::unique_ptr<T, OpensslFree<Free>>;

using OwnedKey = Owned<EVP_PKEY, EVP_PKEY_free>;
using OwnedKeyContext = Owned<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;
using OwnedDigest = Owned<EVP_MD_CTX, EVP_MD_CTX_free>;
using OwnedCipher = Owned<EVP_CIPHER_CTX, EVP_CIPHER_CTX_free>;
using OwnedBio = Owned<BIO, BIO_free_all>;

// The oldest error that OpenSSL has queued, in its words; clears the queue.
std::string openssl_reason();

// The same with what the provider added to it.
std::string openssl_detail();

inline const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}
inline unsigned char* bytes_of(std::string& text) {
  return reinterpret_cast<unsigned char*>(text.data());
}

// What was written to a memory BIO.
std::string text_of(BIO* bio);

// The way from a public key to OpenSSL's, for keys that come from elsewhere than PEM.
struct KeyAccess {
  // Takes part in the ownership of `key`. Errors: kUnsupported, as PublicKey::from_pem().
  static Result<PublicKey> wrap(OwnedKey key);
  static EVP_PKEY* handle(const PublicKey& key) {
    return static_cast<EVP_PKEY*>(key.handle_.get());
  }
};

// How a scheme signs: sets up the digest and padding of a signing or verifying context.
const EVP_MD* digest_of(Scheme scheme);
// false when OpenSSL refuses. `context` is what EVP_DigestSignInit or EVP_DigestVerifyInit gave.
bool set_padding(Scheme scheme, EVP_PKEY_CTX* context);

}  // namespace polder::trust
