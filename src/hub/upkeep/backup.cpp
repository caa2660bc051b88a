#include "hub/upkeep/backup.h"

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "base/fail.h"
#include "hub/record.h"
#include "hub/rollouts/engine.h"
#include "hub/store/ask.h"
#include "hub/store/schema.h"
#include "hub/upkeep/copy.h"
#include "hub/upkeep/folder.h"
#include "platform/file.h"
#include "platform/folder.h"
#include "trust/audit_log.h"
#include "trust/digest.h"
#include "trust/file_digest.h"
#include "trust/json.h"
#include "trust/tuf_metadata.h"
#include "trust/tuf_repository.h"

namespace polder::hub {
namespace {

constexpr char kSums[] = "SHA256SUMS", kFacts[] = "backup.json";
constexpr char kRestore[] = "restore";  // the command
// What SQLite has beside a database that was not closed.
constexpr const char* kDatabaseParts[] = {"-wal", "-shm"};
constexpr std::size_t kMaxFiles = 1u << 20;
constexpr std::size_t kMaxSumsBytes = 256u << 20;
constexpr std::uint64_t kMaxFileBytes = std::uint64_t(1) << 40;
constexpr std::size_t kDigits = 64;

std::string parent_of(const std::string& path) { return path.substr(0, path.rfind('/')); }
bool exists(const std::string& path) { return entry_kind(path).ok(); }

// What is written is what was hashed: the file may grow meanwhile.
Result<trust::FileDigest> copy_file(const std::string& from, const std::string& to) {
  TRY(make_folders(parent_of(to)));
  DiskStore disk;
  TRY_VALUE(const auto output, disk.create(to));
  trust::Sha256Stream hash;
  trust::FileDigest copied;
  TRY_VALUE(copied.bytes, stream_file(from, kMaxFileBytes, [&](std::string_view piece) {
              hash.update(piece);
              return output->write(piece);
            }));
  TRY(output->commit());
  copied.sha256 = hash.finish();
  return copied;
}

Status remove_database(const std::string& file) {
  for (const char* part : kDatabaseParts) TRY(remove_file(file + part));
  return remove_file(file);
}

// --- Backing up ----------------------------------------------------------------------------------

// A folder that is being filled, and the sums of what is in it.
class Filling {
 public:
  Filling(std::string from, std::string to) : from_(std::move(from)), to_(std::move(to)) {}

  // Of one that is not there: nothing.
  Status add(const std::string& name) {
    auto copied = copy_file(from_ + "/" + name, to_ + "/" + name);
    if (!copied.ok() && copied.error().code == Code::kNotFound) return {};
    if (!copied.ok()) return std::move(copied).error();
    note(name, *copied);
    return {};
  }
  // All files below a folder; what is removed meanwhile is not needed.
  Status add_all(const std::string& folder) {
    auto entries = walk_folder(from_ + "/" + folder, kMaxFiles);
    if (!entries.ok() && entries.error().code == Code::kNotFound) return {};
    if (!entries.ok()) return std::move(entries).error();
    for (const FolderEntry& entry : *entries)
      if (entry.kind == EntryKind::kFile) TRY(add(folder + "/" + entry.path));
    return {};
  }
  Status add_here(const std::string& name) {
    TRY_VALUE(const trust::FileDigest found, trust::digest_file(to_ + "/" + name, kMaxFileBytes));
    note(name, found);
    return {};
  }
  Status finish(Backup& made) {
    made.files = files_, made.bytes = bytes_;
    return write_file_atomic(to_ + "/" + kSums, sums_);
  }
  std::int64_t files() const { return static_cast<std::int64_t>(files_); }

 private:
  void note(const std::string& name, const trust::FileDigest& file) {
    sums_ += trust::hex(file.sha256) + "  " + name + "\n";
    ++files_, bytes_ += file.bytes;
  }

  const std::string from_, to_;
  std::string sums_;
  std::uint64_t files_ = 0, bytes_ = 0;
};

// Of SQLite by its own snapshot, which holds up no writer; of PostgreSQL row by row.
Status copy_store(Database& from, const HubPlace& hub, const std::string& to) {
  if (!is_postgres(hub.database)) return from.run("VACUUM INTO ?", {to});
  TRY_VALUE(const std::unique_ptr<Database> into, open_database(to));
  const auto copied = copy_database(from, *into);
  return copied.ok() ? Status() : Status(copied.error());
}

Result<std::int64_t> version_of(const std::string& repository) {
  if (!exists(repository + "/metadata/timestamp.json")) return std::int64_t(0);
  TRY_VALUE(const auto opened, trust::tuf::Repository::open_to_read(repository));
  TRY_VALUE(const auto roles, opened.roles());
  for (const trust::tuf::RoleState& role : roles)
    if (role.role == "timestamp") return role.version;
  return std::int64_t(0);
}

}  // namespace

Result<Backup> back_up(const HubPlace& hub, const std::string& to, std::int64_t now_s) {
  TRY(check_finished(hub.folder));
  const Error nobody =
      fail(Code::kNotFound, "{}: no hub has been here; --folder says where it is", hub.folder);
  if (!exists(hub.folder + "/" + kAuthorityKey) ||
      (!is_postgres(hub.database) && !exists(hub.database)))
    return nobody;
  TRY_VALUE(const HubDatabase there, open_of_hub(hub.database));
  if (there.is_new) return nobody;
  TRY_VALUE(NewFolder made, NewFolder::create(to));
  Filling filling(hub.folder, made.path());
  Backup backup{.taken_s = now_s};
  // As it is copied it is on the disk.
  const std::string snapshot = made.path() + "/hub.db.snapshot";
  TRY(copy_store(*there.database, hub, snapshot));
  TRY_VALUE([[maybe_unused]] const auto database,
            copy_file(snapshot, made.path() + "/" + kDatabaseFile));
  TRY(remove_database(snapshot));
  TRY(filling.add_here(kDatabaseFile));
  for (const HubFile& file : kHubFiles) TRY(filling.add(file.name));
  {
    // While nobody publishes: what timestamp.json leads to is there.
    TRY_VALUE(const auto held, trust::tuf::Repository::open(hub.folder + "/repository"));
    TRY(filling.add("repository/repository.toml"));
    TRY(filling.add_all("repository/metadata"));
  }
  for (const char* folder : {"repository/targets", "repository/blobs", "waiting", "former"})
    TRY(filling.add_all(folder));
  TRY_VALUE(backup.version, version_of(made.path() + "/repository"));
  const trust::Json facts = trust::Json::Members{{"taken", trust::tuf::time_text(now_s)},
                                                 {"program", POLDER_VERSION},
                                                 {"repository", backup.version},
                                                 {"files", filling.files()}};
  TRY(write_file_atomic(made.path() + "/" + kFacts, facts.pretty()));
  TRY(filling.add_here(kFacts));
  TRY(filling.finish(backup));
  // It may have begun meanwhile.
  TRY(check_finished(hub.folder));
  TRY(made.commit());
  return backup;
}

// --- Going on from one ---------------------------------------------------------------------------

namespace {

using Sums = std::map<std::string, std::string>;  // digest by name

// A backup that is all there, by what it says of itself.
struct Opened {
  Sums sums;
  std::string digest;  // of the sums
  Backup backup;
};

Result<Sums> read_sums(const std::string& text, const std::string& from) {
  Sums sums;
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    const std::string name(line.size() > kDigits + 2 ? line.substr(kDigits + 2) : "");
    const bool is_below =
        !name.empty() && name[0] != '/' && ("/" + name + "/").find("/../") == std::string::npos;
    if (!is_below) return fail(Code::kCorrupt, "{}/{}: 'DIGEST  NAME' expected", from, kSums);
    sums.emplace(name, line.substr(0, kDigits));
  }
  return sums;
}

Error changed(const std::string& from, const std::string& name, const std::string& digest,
              const trust::Sha256& found) {
  return fail(Code::kCorrupt,
              "{}/{}: is not what was backed up (SHA-256 {} expected, {} found): take another "
              "backup",
              from, name, digest, trust::hex(found));
}

// They decide how much is taken from devices: held to their sum before anything is believed.
Result<Backup> read_facts(const std::string& from, const Sums& sums) {
  const std::string path = from + "/" + kFacts;
  const auto sum = sums.find(kFacts);
  if (sum == sums.end() || !sums.contains(kDatabaseFile))
    return fail(Code::kCorrupt, "{}/{}: is cut off, {} is not in it: take another backup", from,
                kSums, sum == sums.end() ? kFacts : kDatabaseFile);
  TRY_VALUE(const std::string text, read_file(path, 1 << 16));
  if (const auto found = trust::sha256(text); trust::hex(found) != sum->second)
    return changed(from, kFacts, sum->second, found);
  TRY_VALUE(const trust::Json json, trust::Json::parse(text, path));
  TRY_VALUE(const trust::Object facts, trust::Object::of(json, path));
  TRY_VALUE(const std::string taken, facts.text("taken"));
  Backup backup;
  TRY_VALUE(backup.taken_s, trust::tuf::parse_time(taken, path));
  TRY_VALUE(backup.version, facts.integer("repository", 0, trust::tuf::kMaxInteger));
  TRY_VALUE(const std::int64_t files, facts.integer("files", 0, kMaxFiles));
  if (files + 1 != static_cast<std::int64_t>(sums.size()))
    return fail(Code::kCorrupt, "{}/{}: {} files expected, {} are listed: take another backup",
                from, kSums, files + 1, sums.size());
  return backup;
}

Result<Opened> open_backup(const std::string& from) {
  auto text = read_file(from + "/" + kSums, kMaxSumsBytes);
  if (!text.ok() && text.error().code == Code::kNotFound)
    return fail(Code::kNotFound, "{}: no backup that is whole is here (no {})", from, kSums);
  if (!text.ok()) return std::move(text).error();
  Opened opened{.sums = {}, .digest = trust::hex(trust::sha256(*text)), .backup = {}};
  TRY_VALUE(opened.sums, read_sums(*text, from));
  TRY_VALUE(opened.backup, read_facts(from, opened.sums));
  return opened;
}

// What is there already would be mixed with what comes, and a database with another one's journal.
Status check_free(const std::string& folder) {
  TRY_VALUE(auto there, list_folder(folder, kMaxFiles));
  std::erase_if(there, is_leftover);
  if (there.empty()) return {};
  return fail(Code::kDenied,
              "{}: is not empty ({} is there): restore into an empty folder, or move away what is "
              "in this one; nothing was changed",
              folder, there.front());
}

using Reader = std::function<Result<trust::FileDigest>(const std::string& name)>;

// Each file is read as `read` does it, and is what was backed up.
Status hold_to_sums(const std::string& from, const Sums& sums, const Reader& read) {
  for (const auto& [name, digest] : sums) {
    const auto file = read(name);
    if (!file.ok() && file.error().code == Code::kNotFound)
      return fail(Code::kCorrupt, "{}/{}: is missing from the backup: take another one", from,
                  name);
    if (!file.ok()) return file.error();
    if (trust::hex(file->sha256) != digest) return changed(from, name, digest, file->sha256);
  }
  return {};
}

// Before anything is written: what is damaged would leave a half that no second run completes.
Status check_files(const std::string& from, Opened& opened) {
  return hold_to_sums(from, opened.sums, [&](const std::string& name) -> Result<trust::FileDigest> {
    TRY_VALUE(const auto file, trust::digest_file(from + "/" + name, kMaxFileBytes));
    ++opened.backup.files, opened.backup.bytes += file.bytes;
    return file;
  });
}

Status copy_back(const std::string& from, const std::string& folder, Sums sums) {
  TRY(remove_database(folder + "/" + kDatabaseFile));
  sums.erase(kFacts);
  return hold_to_sums(from, sums, [&](const std::string& name) {
    return copy_file(from + "/" + name, folder + "/" + name);
  });
}

// Whoever keeps checkpoints of what is lost finds another log, not one that was rewritten: what was
// "polder-hub-5F0E7A2B" goes on as "polder-hub-5F0E7A2B/2026-11-30T09:12:44Z-5f0e7a2b". No two of
// one backup have the same name.
Result<FormerLog> begin_another_log(const std::string& folder, const Change& change) {
  TRY_VALUE(FormerLog log, former_log(folder, change));
  TRY(put_aside(folder, change, Aside::kLog));
  log.path = change.former(folder) + "/" + kAuditLog;
  const std::string name = log.end.origin.substr(0, log.end.origin.rfind('/'));
  const auto begun = trust::AuditLog::open(
      folder + "/" + kAuditLog,
      {name + "/" + change.name, std::string(kHubActor), change.begun_s, log.end});
  if (!begun.ok()) return begun.error();
  return log;
}

Status pause_rollouts(Database& database, std::int64_t taken_s, std::int64_t now_s) {
  TRY_VALUE(const Rows running,
            ask(database, "SELECT id FROM rollout WHERE phase = 'running' ORDER BY place", {}));
  const std::string reason = fmt::format(
      "the hub goes on from a backup of {}: see what became of it since, then resume or "
      "abort it",
      trust::tuf::time_text(taken_s));
  for (const Row& row : running)
    TRY(order_rollout(database, row[0].text(), Order::kPause, reason, kHubActor, now_s));
  return {};
}

Status note_restoration(Database& database, const Backup& backup, const FormerLog& log,
                        std::int64_t now_s) {
  TRY(copy_log(database, log.path, log.end.origin));
  TRY(tell(database,
           "INSERT INTO restoration (restored_s, taken_s, version) VALUES (?, ?, ?) "
           "ON CONFLICT (restored_s) DO NOTHING",
           {now_s, backup.taken_s, backup.version}));
  // They may have been used since.
  TRY(tell(database,
           "UPDATE enrolment_token SET expires_s = ? WHERE used_s IS NULL AND "
           "expires_s > ?",
           {now_s, now_s}));
  TRY(pause_rollouts(database, backup.taken_s, now_s));
  // All is assigned anew: first nothing, and to each device what it runs once it has said that.
  TRY(tell(database, "UPDATE repository_state SET value = 0 WHERE name = 'assigned'", {}));
  return put_on_record(database, {now_s,
                                  std::string(kHubActor),
                                  trust::Act::kHubRestored,
                                  std::string(kHubActor),
                                  {{"taken", trust::tuf::time_text(backup.taken_s)},
                                   {"timestamp_version", backup.version},
                                   {"log_before", log.end.origin},
                                   {"entries_before", static_cast<std::int64_t>(log.end.size)}}});
}

// Whether a run that was cut off came so far.
bool is_noted(Database& database, const Change& change) {
  const auto rows =
      database.query("SELECT 1 FROM restoration WHERE restored_s = ?", {change.begun_s});
  return rows.ok() && !rows->empty();
}

// Into a database beside the folder: all of it, and that it was restored, or nothing.
Status copy_into(Database& database, const std::string& file, const std::function<Status()>& note) {
  TRY_VALUE(const std::unique_ptr<Database> taken, open_database(file));
  TRY(migrate(*taken));
  return database.transaction([&]() -> Status {
    const auto copied = copy_database(*taken, database);
    return copied.ok() ? note() : Status(copied.error());
  });
}

}  // namespace

Result<Backup> restore(const std::string& from, const HubPlace& hub, std::int64_t now_s) {
  TRY_VALUE(Opened opened, open_backup(from));
  const Backup& backup = opened.backup;
  const ChangeKind kind{kRestore, opened.digest};
  TRY_VALUE(const auto before, unfinished(hub.folder, kind));
  if (!before) TRY(check_free(hub.folder));
  if (backup.taken_s > now_s)
    return fail(Code::kDenied, "{}: was taken at {}, and this machine's clock says {}: set it",
                from, trust::tuf::time_text(backup.taken_s), trust::tuf::time_text(now_s));
  TRY(check_files(from, opened));
  const bool is_beside = is_postgres(hub.database);
  std::unique_ptr<Database> database;
  if (is_beside) {
    TRY_VALUE(HubDatabase there, open_of_hub(hub.database));
    database = std::move(there.database);
    TRY(database->hold());
    if (!before) TRY(check_empty(*database));
  }
  TRY_VALUE(const Change change, begin_change(hub.folder, kind, now_s));
  TRY(copy_back(from, hub.folder, opened.sums));
  TRY_VALUE(const FormerLog log, begin_another_log(hub.folder, change));
  const std::string file = hub.folder + "/" + kDatabaseFile;
  if (!is_beside) {
    TRY_VALUE(database, open_database(hub.database));
    TRY(migrate(*database));
  }
  const auto note = [&] { return note_restoration(*database, backup, log, change.begun_s); };
  if (!is_beside) TRY(database->transaction(note));
  else if (!before || !is_noted(*database, change)) TRY(copy_into(*database, file, note));
  if (is_beside) TRY(remove_database(file));
  TRY(end_change(hub.folder));
  return backup;
}

}  // namespace polder::hub
