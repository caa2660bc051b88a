// Opens the keys of a device, with the PIN that [identity] pin_file holds where they need one.
//
//   TRY_VALUE(const auto signer, open_device_signer(config, storage));
//
// A token is locked for good after a few wrong PINs, a TPM for a while, and an agent tries its keys
// again and again: so a PIN that a key has refused is not handed out for it a second time,
// whatever file it is in by then: systemd makes credentials anew at each start, other tools write
// files as they like. FOLDER/pin-refused-* remembers a mark of it, for all who open the key here
// and for the next start.
#pragma once

#include <polder/error.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "agent/config.h"
#include "agent/identity.h"
#include "platform/storage.h"
#include "trust/key.h"
#include "trust/passphrase.h"
#include "trust/unwrap.h"

namespace polder::agent {

// What the errors say of a PIN that was refused.
inline constexpr std::string_view kPinRefused = "was refused and is not tried again";

// What the file holds, up to the end of its first line. Errors: kDenied without a file, or for one
// that others may read; kInvalid for an empty one; those of read_private_file().
class PinFile : public trust::PassphraseSource {
 public:
  explicit PinFile(std::string path) : path_(std::move(path)) {}
  Result<trust::Secret> existing(std::string_view what) override;
  Result<std::optional<trust::Secret>> chosen(std::string_view what) override;

 protected:
  const std::string path_;
};

// `storage` is borrowed for as long as the key is open. Errors: kNotFound, saying how to make one;
// kUnavailable for a PIN that is not there or refused, which is the device's own trouble; as
// trust::open_signer() and trust::open_decrypter().
Result<std::unique_ptr<trust::Signer>> open_device_signer(const Config& config, Storage& storage);
Result<std::unique_ptr<trust::Decrypter>> open_device_decrypter(const Config& config,
                                                                Storage& storage);

// create_identity() with the PIN of the file. Errors: kUnavailable when the token has refused it,
// now or before; those of create_identity().
Result<Identity> create_device_identity(const Config& config, Storage& storage);

// Of a key on a token, which tells nothing before the PIN: whether the file is one that would be
// tried. Errors: kUnavailable when it was refused; those of PinFile.
Status check_pin(const Config& config, Storage& storage, const std::string& uri);

}  // namespace polder::agent
