#include "trust/signer.h"

#include <algorithm>

#include "base/fail.h"
#include "platform/private_file.h"
#include "platform/random_access.h"
#include "trust/evp_key.h"
#include "trust/key_file.h"
#include "trust/key_uri.h"
#include "trust/pkcs11.h"
#include "trust/tpm.h"

namespace polder::trust {

namespace {

constexpr unsigned kRsaBits = 3072;

Result<OwnedKey> generated(Scheme scheme) {
  OwnedKey key;
  switch (scheme) {
    case Scheme::kEd25519: key.reset(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")); break;
    case Scheme::kEcdsaP256: key.reset(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256")); break;
    case Scheme::kRsaPss:
      key.reset(EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", std::size_t(kRsaBits)));
      break;
  }
  if (!key) return fail(Code::kIo, "cannot make a key: {}", openssl_reason());
  return key;
}

Result<PublicKey> create_file(const std::string& path, Scheme scheme, PassphraseSource& source) {
  TRY_VALUE(const std::optional<Secret> passphrase, source.chosen(path));
  TRY_VALUE(const OwnedKey key, generated(scheme));
  TRY_VALUE(const Secret pem, write_private_key(key.get(), passphrase));
  TRY_VALUE(PublicKey half, public_half(key.get(), path));
  TRY(create_private_file(path, pem.view()));
  return half;
}

}  // namespace

Result<std::unique_ptr<Signer>> open_signer(const std::string& uri, PassphraseSource& passphrase) {
  TRY_VALUE(const KeyUri place, KeyUri::parse(uri));
  PassphraseSource* tpm_source = place.tpm_passphrase ? &passphrase : nullptr;
  if (place.place == KeyPlace::kPkcs11) return open_pkcs11(place.pkcs11, uri, passphrase);
  if (place.place == KeyPlace::kTpm) return open_tpm(place.tpm_handle, uri, tpm_source);
  TRY_VALUE(OwnedKey key, read_private_key(place.path, passphrase));
  return evp_signer(std::move(key), {}, place.path);
}

Result<OpenedPublicKey> open_public_key(const std::string& uri, PassphraseSource& passphrase) {
  TRY_VALUE(const KeyUri place, KeyUri::parse(uri));
  if (place.place == KeyPlace::kFile) {
    Secret text(kMaxKeyFileBytes);
    TRY_VALUE(const std::size_t size, read_file_into(place.path, text.span()));
    text.shrink(size);
    if (text.view().find("-----BEGIN PUBLIC KEY-----") != text.view().npos) {
      auto key = PublicKey::from_pem(text.view());
      if (!key) return std::move(key).error().at(place.path);
      return OpenedPublicKey{std::move(*key), false};
    }
  }
  TRY_VALUE(const auto signer, open_signer(uri, passphrase));
  return OpenedPublicKey{signer->public_key(), true};
}

bool holds_private_key(const std::string& path) {
  const auto file = open_readable(path);
  if (!file.ok()) return false;
  Secret text(std::size_t(std::min<std::uint64_t>((*file)->size(), kMaxKeyFileBytes)));
  if (!(*file)->read(0, text.span()).ok()) return false;
  constexpr std::string_view kBegin = "-----BEGIN ", kEnd = "PRIVATE KEY-----";
  const std::string_view view = text.view();
  for (std::size_t at = view.find(kBegin); at != view.npos; at = view.find(kBegin, at + 1)) {
    const std::string_view line = view.substr(at, view.find('\n', at) - at);
    if (line.find(kEnd) != line.npos) return true;
  }
  return false;
}

Result<std::unique_ptr<Decrypter>> open_decrypter(const std::string& uri,
                                                  PassphraseSource& passphrase) {
  TRY_VALUE(const KeyUri place, KeyUri::parse(uri));
  PassphraseSource* tpm_source = place.tpm_passphrase ? &passphrase : nullptr;
  if (place.place == KeyPlace::kTpm) return open_tpm_decrypter(place.tpm_handle, uri, tpm_source);
  if (place.place == KeyPlace::kPkcs11) {
    return fail(Code::kUnsupported,
                "'{}': what is sealed is opened with a key in a file or in the TPM: tpm:HANDLE",
                uri);
  }
  TRY_VALUE(OwnedKey key, read_private_key(place.path, passphrase));
  return evp_decrypter(std::move(key), {}, place.path);
}

Result<PublicKey> create_key(const std::string& uri, Scheme scheme, PassphraseSource& passphrase) {
  TRY_VALUE(const KeyUri place, KeyUri::parse(uri));
  if (place.place == KeyPlace::kPkcs11) return create_pkcs11(place.pkcs11, uri, scheme, passphrase);
  if (place.place == KeyPlace::kTpm) return create_tpm(place.tpm_handle, uri, scheme, passphrase);
  return create_file(place.path, scheme, passphrase);
}

Result<PublicKey> change_passphrase(const std::string& uri, PassphraseSource& before,
                                    PassphraseSource& after) {
  TRY_VALUE(const KeyUri place, KeyUri::parse(uri));
  if (place.place != KeyPlace::kFile) {
    return fail(Code::kUnsupported,
                "'{}': the passphrase of a file is changed here; the PIN of a token or a TPM with "
                "the vendor's tool",
                uri);
  }
  const std::string& path = place.path;
  TRY_VALUE(const OwnedKey key, read_private_key(path, before));
  TRY_VALUE(const std::optional<Secret> passphrase, after.chosen(path));
  TRY_VALUE(const Secret pem, write_private_key(key.get(), passphrase));
  TRY_VALUE(PublicKey half, public_half(key.get(), path));
  TRY(replace_private_file(path, pem.view()));
  return half;
}

}  // namespace polder::trust
