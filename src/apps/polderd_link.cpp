#include "apps/polderd_link.h"

#include <algorithm>
#include <string>
#include <utility>

#include "agent/hub_repository.h"
#include "agent/identity.h"
#include "agent/machine.h"
#include "platform/folder.h"
#include "trust/key_uri.h"
#include "trust/passphrase.h"

namespace polder::agent {

namespace {

bool is_missing(const std::string& uri) {
  const auto place = trust::KeyUri::parse(uri);
  if (!place.ok() || place->place != trust::KeyPlace::kFile) return false;
  const auto kind = entry_kind(place->path);
  return !kind.ok() && kind.error().code == Code::kNotFound;
}

// The keys are files in the folder, and one is not there: the device is new, or the power went when
// they were made.
bool lacks_own_keys(const Config& config) {
  return config.key.empty() && config.decryption_key.empty() &&
         (is_missing(config.key_uri()) || is_missing(config.decryption_uri()));
}

Status make_keys(const Config& config, const std::function<void(const Occurrence&)>& happened) {
  trust::NoPassphrase none;
  PinFile pin(config.pin_file);
  auto made = create_identity(
      config, config.pin_file.empty() ? static_cast<trust::PassphraseSource&>(none) : pin);
  if (!made.ok()) return std::move(made).error();
  happened({trust::Act::kIdentityCreated, made->device, made->key.id()});
  return {};
}

}  // namespace

std::unique_ptr<HubLink> make_link(const Home& home, Clock& clock, const WallClock& wall,
                                   std::function<std::uint64_t()> random,
                                   std::function<void(const Occurrence&)> happened,
                                   OpenKey open_key) {
  const Config& config = home.config;
  if (config.hub.url.empty()) return nullptr;
  HubLinkParts parts{.storage = *home.storage,
                     .clock = clock,
                     .wall = wall,
                     .open_client = {},
                     .open_key = {},
                     .random = std::move(random),
                     .happened = happened,
                     .machine = describe_machine(this_device())};
  parts.open_client = [&config, &clock](const HubIdentity& who, const WallClock& held) {
    HttpOptions options;
    trust_server(options, config.hub.ca_file, who.server);
    options.client_certificate_pem = who.certificate;
    options.client_key = who.key;
    options.connect_timeout_ms = 10'000;
    options.deadline_ms = 60'000;
    return open_http_client(options, clock, held);
  };
  parts.open_key = [&config, happened = std::move(happened),
                    open_key = std::move(open_key)]() -> Result<std::unique_ptr<trust::Signer>> {
    if (lacks_own_keys(config)) {
      Status made = make_keys(config, happened);
      if (!made.ok()) return std::move(made).error();
    }
    return open_key();
  };
  return std::make_unique<HubLink>(config, std::move(parts));
}

}  // namespace polder::agent
