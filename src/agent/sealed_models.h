// The keys of sealed models on a device. A sealed model comes with the release; who may open it is
// in a file of its own, which may grow: the target MODEL/VERSION/FILE-ID.keys of the repository.
//
//   sealed/FILE-ID.keys   as the repository had it last
//
// The device's decryption key unwraps the content key of one file, and a worker is given that key
// alone.
#pragma once

#include <polder/error.h>

#include <set>
#include <string>
#include <string_view>

#include "platform/storage.h"
#include "trust/manifest.h"
#include "trust/sealed_file.h"
#include "trust/unwrap.h"

namespace polder::agent {

// Keeps the keys of a file, if they are its and this device is among those who may open it.
// Errors: kCorrupt for another file's; kDenied when it is sealed for others.
Status keep_sealed_keys(Storage& storage, const trust::Artifact& artifact, std::string_view bytes,
                        const trust::PublicKey& device);

// Errors: kNotFound when there are no keys; kDenied when they are not for this device.
Result<trust::ContentKey> content_key_of(Storage& storage, const trust::Artifact& artifact,
                                         trust::Decrypter& device);

// Removes keys of files that no slot holds any more.
Status remove_sealed_keys(Storage& storage, const std::set<trust::Sha256>& keep);

}  // namespace polder::agent
