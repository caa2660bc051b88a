// Which release: its model, its version, and the digest of its manifest, which is what counts.
#pragma once

#include <string>

#include "trust/digest.h"
#include "trust/version.h"

namespace polder::agent {

struct ReleaseId {
  std::string model;
  trust::Version version;
  trust::Sha256 manifest{};  // of the bytes of manifest.json
  bool operator==(const ReleaseId&) const = default;
  // "people-counting 1.2.0", for people.
  std::string text() const { return model + " " + version.text(); }
};

}  // namespace polder::agent
