#include "agent/identity.h"

#include "base/fail.h"
#include "platform/file.h"
#include "trust/csr.h"
#include "trust/key_uri.h"
#include "trust/signer.h"

namespace polder::agent {

Result<Identity> create_identity(const Config& config, trust::PassphraseSource& passphrase) {
  const std::string uri = config.key_uri();
  TRY_VALUE(const trust::KeyUri place, trust::KeyUri::parse(uri));
  if (place.place == trust::KeyPlace::kFile) {
    const std::size_t slash = place.path.rfind('/');
    if (slash != place.path.npos && slash > 0) TRY(make_folders(place.path.substr(0, slash)));
  }
  TRY_VALUE(trust::PublicKey key, trust::create_key(uri, trust::Scheme::kEcdsaP256, passphrase));
  return Identity{config.device, uri, std::move(key)};
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
  return Identity{config.device, config.key_uri(), signer->public_key()};
}

Result<std::string> identity_request(const Config& config, trust::PassphraseSource& passphrase) {
  TRY_VALUE(const std::unique_ptr<trust::Signer> signer, open_identity(config, passphrase));
  return trust::certificate_request(*signer, config.device);
}

}  // namespace polder::agent
