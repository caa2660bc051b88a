// Keys in a TPM 2.0: used through tpm2-openssl's provider, made through the TPM software stack.
// Both are loaded at the first use. Inside this room: others use trust/signer.h and trust/unwrap.h.
//
// Which TPM: TPM2OPENSSL_TCTI, as for the provider itself ("tabrmd:bus_type=system",
// "device:/dev/tpmrm0"); without it the stack looks for a resource manager, then for devices. The
// resource manager tpm2-abrmd is what the keys are tested with.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "trust/signer.h"
#include "trust/unwrap.h"

namespace polder::trust {

// `where` names the key in errors; `passphrase` is asked when there is one.
Result<std::unique_ptr<Signer>> open_tpm(std::uint32_t handle, const std::string& where,
                                         PassphraseSource* passphrase);
Result<std::unique_ptr<Decrypter>> open_tpm_decrypter(std::uint32_t handle,
                                                      const std::string& where,
                                                      PassphraseSource* passphrase);
// Makes a P-256 key that signs and agrees below the owner's storage key, and keeps it under the
// handle.
Result<PublicKey> create_tpm(std::uint32_t handle, const std::string& where, Scheme scheme,
                             PassphraseSource& passphrase);

}  // namespace polder::trust
