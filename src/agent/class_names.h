// What the numbers of classes are called, by the release alone: the labels that its pipeline names,
// which lie in the slot and are held to the digests in the signed manifest. A worker says numbers.
#pragma once

#include <polder/error.h>

#include <string>
#include <vector>

#include "agent/slots.h"
#include "platform/storage.h"

namespace polder::agent {

// Caps; beyond them, and for a label that is not printable ASCII, the number stands.
inline constexpr std::size_t kMaxClassNameBytes = 64;
inline constexpr std::size_t kMaxLabelsBytes = 1 << 20;

using ClassNames = std::vector<std::string>;  // by number, proto::kMaxClasses at most

// The number itself where there is no name.
std::string class_name(const ClassNames& names, std::size_t number);

// Empty without labels, and when a decoder of detections has none, for its numbers may be others.
// Where two files of labels differ the number stands. Errors: kCorrupt for a staged file that is
// not the manifest's; kNotFound for labels that are not the release's; those of reading.
Result<ClassNames> class_names(Storage& storage, const StagedRelease& staged);

}  // namespace polder::agent
