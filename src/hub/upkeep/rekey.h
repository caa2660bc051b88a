// After a break-in: what a thief may have copied holds no longer. The hub's keys and its audit log
// are put aside, so that its next start makes others; all tokens end. What the database knows of
// devices stays: by their keys they come back (api/enrol.cpp), once root says so.
//
//   TRY_VALUE(const Rekeyed done, rekey(folder, folder + "/hub.db", now_s));
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <string>

namespace polder::hub {

struct Rekeyed {
  std::string former;       // the folder of what was put aside
  std::string admin_token;  // shown once
};

// While no hub serves the folder, which the caller sees to. Cut off, it may be done again.
// `database`: as open_database() takes it. Errors: kNotFound where no hub has been; those of files
// and of the database.
Result<Rekeyed> rekey(const std::string& folder, const std::string& database, std::int64_t now_s);

}  // namespace polder::hub
