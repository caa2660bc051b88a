// What the things are called that a worker reports, by the release alone: its pipeline and the
// labels that this names, which lie in the slot and are held to the digests in the signed manifest.
// A worker that was taken over could say anything in a name.
#pragma once

#include <polder/error.h>

#include <set>
#include <string>
#include <vector>

#include "agent/slots.h"
#include "base/toml.h"
#include "platform/storage.h"

namespace polder::agent {

// Caps; beyond them, and for a label that is not printable ASCII, the number stands.
inline constexpr std::size_t kMaxClassNameBytes = 64;
inline constexpr std::size_t kMaxLabelsBytes = 1 << 20;

using ClassNames = std::vector<std::string>;  // by number, proto::kMaxClasses at most

// The number itself where there is no name.
std::string class_name(const ClassNames& names, std::size_t number);

struct ReleaseNames {
  std::set<std::string> stages, signals;  // all that there may be
  // Empty without labels, and when a decoder of detections has none, for its numbers may be others.
  // Where two files of labels differ the number stands.
  ClassNames classes;
  std::string trouble;  // why there are no `classes` though there should be; empty: none
};

// Stages are the pipeline's nodes, signals what is measured of them.
ReleaseNames reported_names(const TomlValue& document);

// Errors: kCorrupt for a staged pipeline that is not the manifest's; those of reading.
Result<ReleaseNames> release_names(Storage& storage, const StagedRelease& staged);

}  // namespace polder::agent
