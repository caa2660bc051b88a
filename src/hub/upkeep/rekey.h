// After a break-in: what a thief may have copied holds no longer. The hub's keys and its audit log
// are put aside, so that its next start makes others; all tokens end. What the database knows of
// devices stays: by their keys they come back (api/enrol.cpp), once root says so.
//
//   TRY_VALUE(const Rekeyed done, rekey({folder, folder + "/hub.db"}, now_s));
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <optional>
#include <string>

#include "hub/upkeep/folder.h"

namespace polder::hub {

struct Rekeyed {
  std::string former;       // the folder of what was put aside
  std::string admin_token;  // shown once
  std::string log_trouble;  // why the log of before could not be read; empty: it was
};

// While no hub serves the folder, which the caller sees to. Cut off at any point, it is done again,
// and no hub begins there before that. The next log says where the one before ended. Errors:
// kNotFound where no hub has been, also where only its database is; kDenied where another change
// was cut off; those of files and of the database.
Result<Rekeyed> rekey(const HubPlace& hub, std::int64_t now_s);

// The end of the log that was put aside, for the first entry of the one that begins. Errors:
// kCorrupt; kIo.
Result<std::optional<trust::Checkpoint>> log_before(const std::string& folder);

}  // namespace polder::hub
