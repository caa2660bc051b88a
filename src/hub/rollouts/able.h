// Whether devices can run releases, by what they have told of themselves
// (hub/telemetry/machine.h). One that has told nothing is taken as able; of operators a device has
// told too little to say.
//
//   TRY_VALUE(const Rows rows, ask(database, kArtifacts, {model, version, other_version}));
//   Needs needs(model, rows);
//   if (needs.why_not(abilities).empty()) ...
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "hub/store/database.h"
#include "trust/manifest.h"

namespace polder::hub {

// For the name of a model and two versions, the second of which may be "".
inline constexpr std::string_view kArtifacts =
    "SELECT version, details FROM model_release WHERE model = ? AND version IN (?, ?)";

class Needs {
 public:
  // Of rows of kArtifacts; a release that is not there, or cannot be read, needs nothing.
  Needs(const std::string& model, const Rows& releases);
  // Why a device of these abilities, NULL where it has told none, cannot run one of the releases;
  // "": it can.
  const std::string& why_not(const Value& abilities);

 private:
  std::vector<trust::Manifest> releases_;     // their artifacts alone
  std::map<std::string, std::string> known_;  // by abilities
};

}  // namespace polder::hub
