// A hub's backup, taken while it serves, and a hub that goes on from one.
//
//   TRY_VALUE(const Backup made, back_up({folder, database}, "/backup/2026-11-30", now_s));
//   TRY_VALUE(const Backup old, restore("/backup/2026-11-30", {folder, database}, now_s));
//
// A folder: hub.db (of PostgreSQL too), keys, audit.log, repository/, waiting/, former/, and
// SHA256SUMS of all of them, as `sha256sum --check` reads it, which comes last; with a passphrase
// each is sealed, and the list too (backup_files.h). The database is older than the files: what
// files have and it does not is made good at the next start (record.h, repository/publisher.h).
// Uploads that are under way are left out; they begin anew.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "hub/upkeep/folder.h"

namespace polder::hub {

struct Backup {
  std::int64_t taken_s = 0;
  std::int64_t version = 0;  // of the repository's timestamp; 0: nothing was published
  std::uint64_t files = 0, bytes = 0;
};

// Into a folder that is not there; with a passphrase nothing of it is written there in the clear,
// so a copy of the database lies in the hub's folder meanwhile. Errors: kDenied where it is, and
// where the hub's is half restored or rekeyed; kNotFound where no hub has been; kExhausted where
// there is no room for that copy; kUnavailable while another one is taken; those of files and of
// the database.
Result<Backup> back_up(const HubPlace& hub, const std::string& to, std::int64_t now_s,
                       std::string_view passphrase = {});

// Into an empty folder, and for PostgreSQL an empty database; cut off at any point, it is done
// again with the same backup. What came after the backup is lost, and the hub is made to find of it
// what devices know (gap.h): rollouts that went on are paused, enrolment tokens that were not used
// end, the audit log goes on as another whose first entry says where the one before ended. While no
// hub serves the folder, which the caller sees to. All of the backup is read before anything is
// written. Errors: kDenied where something is, another change was cut off, or the passphrase is not
// that of the backup; kCorrupt for what is not as it was taken; kNotFound; those of files and of
// the database.
Result<Backup> restore(const std::string& from, const HubPlace& hub, std::int64_t now_s,
                       std::string_view passphrase = {});

}  // namespace polder::hub
