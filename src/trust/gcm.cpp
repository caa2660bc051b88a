#include "trust/gcm.h"

#include <openssl/crypto.h>

#include <climits>

#include "base/check.h"
#include "base/fail.h"

namespace polder::trust {

namespace {

unsigned char* raw(std::span<char> bytes) { return reinterpret_cast<unsigned char*>(bytes.data()); }

bool begin(EVP_CIPHER_CTX* context, std::string_view nonce, std::string_view aad) {
  POLDER_CHECK(nonce.size() == kGcmNonceBytes && aad.size() <= INT_MAX);
  int size = 0;
  return EVP_CipherInit_ex(context, nullptr, nullptr, nullptr, bytes_of(nonce), -1) == 1 &&
         (aad.empty() ||
          EVP_CipherUpdate(context, nullptr, &size, bytes_of(aad), int(aad.size())) == 1);
}

}  // namespace

Result<Gcm> Gcm::create(Direction direction, std::string_view key) {
  POLDER_CHECK(key.size() == 16 || key.size() == 32);
  OwnedCipher context(EVP_CIPHER_CTX_new());
  const EVP_CIPHER* kind = key.size() == 16 ? EVP_aes_128_gcm() : EVP_aes_256_gcm();
  if (!context || EVP_CipherInit_ex(context.get(), kind, nullptr, bytes_of(key), nullptr,
                                    direction == Direction::kEncrypt ? 1 : 0) != 1) {
    return fail(Code::kUnavailable, "AES-GCM cannot be set up: {}", openssl_reason());
  }
  return Gcm(std::move(context));
}

Status Gcm::seal(std::string_view nonce, std::string_view aad, std::string_view plaintext,
                 std::span<char> out) {
  POLDER_CHECK(out.size() == plaintext.size() + kGcmTagBytes && plaintext.size() <= INT_MAX);
  int size = 0;
  unsigned char* tag = raw(out) + plaintext.size();
  if (begin(context_.get(), nonce, aad) &&
      EVP_CipherUpdate(context_.get(), raw(out), &size, bytes_of(plaintext),
                       int(plaintext.size())) == 1 &&
      EVP_CipherFinal_ex(context_.get(), tag, &size) == 1 &&
      EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_AEAD_GET_TAG, kGcmTagBytes, tag) == 1) {
    return {};
  }
  return fail(Code::kUnavailable, "AES-GCM failed: {}", openssl_reason());
}

bool Gcm::open(std::string_view nonce, std::string_view aad, std::string_view sealed,
               std::span<char> out) {
  POLDER_CHECK(sealed.size() >= kGcmTagBytes && sealed.size() <= INT_MAX);
  POLDER_CHECK(out.size() == sealed.size() - kGcmTagBytes);
  int size = 0;
  unsigned char rest[1];  // nothing is left for it
  std::string tag(sealed.substr(out.size()));
  const bool good =
      begin(context_.get(), nonce, aad) &&
      EVP_CipherUpdate(context_.get(), raw(out), &size, bytes_of(sealed), int(out.size())) == 1 &&
      EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_AEAD_SET_TAG, kGcmTagBytes, tag.data()) == 1 &&
      EVP_CipherFinal_ex(context_.get(), rest, &size) == 1;
  if (good) return true;
  OPENSSL_cleanse(out.data(), out.size());
  const std::string reason = openssl_reason();  // clears the queue
  return false;
}

}  // namespace polder::trust
