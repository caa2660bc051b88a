// Private keys in PEM, public keys and key URIs of any bytes: a key that signs what verifies, or an
// error, never a crash. Nothing is decrypted: what that costs is bounded elsewhere, and takes time.
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "trust/evp_key.h"
#include "trust/key_file.h"
#include "trust/key_uri.h"

namespace {

void sign_and_verify(polder::trust::OwnedKey key) {
  auto signer = polder::trust::evp_signer(std::move(key), {}, "fuzz.pem");
  if (!signer.ok()) return;
  const auto signature = (*signer)->sign("message");
  if (!signature.ok()) return;  // numbers that are no key
  POLDER_CHECK((*signer)->public_key().verify("message", *signature).ok());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  polder::trust::NoPassphrase none;
  auto key = polder::trust::parse_private_key(text, "fuzz.pem", none);
  if (key.ok()) sign_and_verify(std::move(*key));
  const auto half = polder::trust::PublicKey::from_pem(text);
  if (half.ok()) {
    const auto again = polder::trust::PublicKey::from_pem(half->pem());
    POLDER_CHECK(again.ok() && *again == *half);
  }
  (void)polder::trust::KeyUri::parse(text);
  return 0;
}
