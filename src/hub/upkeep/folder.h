// A hub's folder as a whole: which files it has, and what changes all of them at once.
//
//   TRY_VALUE(const Change change, begin_change(folder, {"restore", digest}, now_s));
//   TRY(put_aside(folder, change, Aside::kLog));
//   ...
//   TRY(end_change(folder));
//
// Such a change leaves a marker first and takes it away last. While the marker is there nothing
// else begins there: no hub, no backup, no other change. The command that was cut off is run again,
// and goes on under the name and the time that the marker has, so that what it does twice comes to
// the same.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "trust/checkpoint.h"

namespace polder::hub {

struct HubPlace {
  std::string folder;
  std::string database;  // as open_database() takes it
};

inline constexpr char kDatabaseFile[] = "hub.db", kAuthorityKey[] = "ca-key.pem";
inline constexpr char kAuditLog[] = "audit.log";
// The end of a log that was put aside, for the one that begins next: a checkpoint's text.
inline constexpr char kLogBefore[] = "audit.log.before";

// What a hub's folder has beside its database and its repository. All of it is backed up.
struct HubFile {
  const char* name;
  bool is_log = false;  // others are keys and what is made of them
};
inline constexpr HubFile kHubFiles[] = {
    {kAuthorityKey},
    {"ca.pem"},
    {"server-key.pem"},
    {"server.pem"},
    {"audit-key.pem"},
    {"online-key.pem"},
    {"hub-online.pub.pem"},
    {kLogBefore, true},
    // The log, copied after them, has all that its checkpoints cover.
    {"audit.log.checkpoints", true},
    {kAuditLog, true}};

struct ChangeKind {
  std::string_view command;  // of polder-hub
  std::string source = {};   // the digest of what it reads, if it reads something
};
struct Change {
  // Of this time alone: of its folder in former/ and of what it begins anew.
  std::string name;  // "2026-11-30T09:12:44Z-5f0e7a2b"
  std::int64_t begun_s = 0;

  std::string former(const std::string& folder) const { return folder + "/former/" + name; }
};

// One that was cut off, where it is of this kind. Errors: kDenied, naming the command that is to be
// run again, where it is of another; kCorrupt; kIo.
Result<std::optional<Change>> unfinished(const std::string& folder, const ChangeKind& kind);
// That none was cut off. Errors: those of unfinished().
Status check_finished(const std::string& folder);

// Leaves the marker, or goes on by the one that is there; what a process that was killed there had
// not finished is removed. Errors: those of unfinished() and files.
Result<Change> begin_change(const std::string& folder, const ChangeKind& kind, std::int64_t now_s);
Status end_change(const std::string& folder);

// Moves those of the folder's files that are there into former().
enum class Aside : std::uint8_t { kAll, kLog };
Status put_aside(const std::string& folder, const Change& change, Aside which);

// The audit log, where it is now: in the folder, or put aside already by this change. Errors:
// kNotFound; those of AuditLog::open().
struct FormerLog {
  std::string path;
  trust::Checkpoint end;
};
Result<FormerLog> former_log(const std::string& folder, const Change& change);

}  // namespace polder::hub
