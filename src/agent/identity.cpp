#include "agent/identity.h"

#include "base/fail.h"
#include "platform/file.h"
#include "trust/key_uri.h"
#include "trust/signer.h"

namespace polder::agent {

namespace {

Result<trust::PublicKey> create_at(const std::string& uri, trust::PassphraseSource& passphrase) {
  TRY_VALUE(const trust::KeyUri place, trust::KeyUri::parse(uri));
  if (place.place == trust::KeyPlace::kFile) {
    const std::size_t slash = place.path.rfind('/');
    if (slash != place.path.npos && slash > 0) TRY(make_folders(place.path.substr(0, slash)));
  }
  // A TPM does not tell whether a key has a passphrase; its name does.
  const bool is_open = place.place == trust::KeyPlace::kTpm && !place.tpm_passphrase;
  trust::NoPassphrase none;
  return trust::create_key(uri, trust::Scheme::kEcdsaP256,
                           is_open ? static_cast<trust::PassphraseSource&>(none) : passphrase);
}

bool is_on_token(const std::string& uri) {
  const auto place = trust::KeyUri::parse(uri);
  return place.ok() && place->place == trust::KeyPlace::kPkcs11;
}

}  // namespace

Result<Identity> create_identity(const Config& config, trust::PassphraseSource& passphrase) {
  auto key = create_at(config.key_uri(), passphrase);
  if (!key.ok() && key.error().code != Code::kDenied) return std::move(key).error();
  // A PIN of a token is nothing to lock a file with that nobody has asked for.
  trust::NoPassphrase none;
  const bool is_beside_token = config.decryption_key.empty() && is_on_token(config.key_uri());
  auto decryption =
      create_at(config.decryption_uri(),
                is_beside_token ? static_cast<trust::PassphraseSource&>(none) : passphrase);
  if (!decryption.ok() && (!key.ok() || decryption.error().code != Code::kDenied))
    return key.ok() ? std::move(decryption).error() : std::move(key).error();
  return show_identity(config, passphrase);
}

Result<std::unique_ptr<trust::Signer>> open_identity(const Config& config,
                                                     trust::PassphraseSource& passphrase) {
  auto signer = trust::open_signer(config.key_uri(), passphrase);
  if (!signer.ok() && signer.error().code == Code::kNotFound) {
    return fail(Code::kNotFound, "{}; 'polderd identity create' makes it", signer.error().message);
  }
  return signer;
}

Result<Identity> show_identity(const Config& config, trust::PassphraseSource& passphrase) {
  TRY_VALUE(const std::unique_ptr<trust::Signer> signer, open_identity(config, passphrase));
  const auto decrypter = trust::open_decrypter(config.decryption_uri(), passphrase);
  return identity_of(config, *signer, decrypter.ok() ? decrypter->get() : nullptr);
}

Identity identity_of(const Config& config, const trust::Signer& signer,
                     const trust::Decrypter* decrypter) {
  Identity identity{config.device, config.key_uri(), signer.public_key(), {}, {}};
  if (decrypter) {
    identity.decryption_uri = config.decryption_uri();
    identity.decryption = decrypter->public_key();
  }
  return identity;
}

}  // namespace polder::agent
