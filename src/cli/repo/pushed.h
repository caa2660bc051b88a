// What was pushed to a hub of what is staged here, in FOLDER/pushed.json: who forgets the one is
// told how the other is taken back.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "trust/tuf_repository.h"

namespace polder::cli {

struct Pushed {
  std::string hub;                                 // its address
  std::string approval;                            // what waits there for another person, or did
  std::map<std::string, std::int64_t> roles = {};  // their versions
};

// Of which all roles are staged still, in these versions; none where that cannot be read.
std::vector<Pushed> pushed(const std::string& folder,
                           const std::vector<trust::tuf::Staged>& staged);
// Keeps those, and this one.
Status note_pushed(const std::string& folder, const std::vector<trust::tuf::Staged>& staged,
                   Pushed one);
Status forget_pushed(const std::string& folder);

}  // namespace polder::cli
