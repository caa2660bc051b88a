#include "hub/upkeep/backup.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "base/fail.h"
#include "base/text.h"
#include "hub/record.h"
#include "hub/rollouts/engine.h"
#include "hub/store/ask.h"
#include "hub/store/schema.h"
#include "hub/upkeep/backup_files.h"
#include "hub/upkeep/copy.h"
#include "hub/upkeep/folder.h"
#include "platform/file.h"
#include "platform/file_lock.h"
#include "platform/folder.h"
#include "platform/storage.h"
#include "trust/audit_log.h"
#include "trust/json.h"
#include "trust/tuf_metadata.h"
#include "trust/tuf_repository.h"

namespace polder::hub {
namespace {

constexpr char kFacts[] = "backup.json";
constexpr char kRestore[] = "restore";  // the command
// What SQLite has beside a database that was not closed.
constexpr const char* kDatabaseParts[] = {"-wal", "-shm"};
constexpr std::size_t kMaxFiles = 1u << 20, kMaxFactsBytes = 1u << 16;

bool exists(const std::string& path) { return entry_kind(path).ok(); }

Status remove_database(const std::string& file) {
  for (const char* part : kDatabaseParts) TRY(remove_file(file + part));
  return remove_file(file);
}

// --- Backing up ----------------------------------------------------------------------------------

// Where what is made for a backup lies meanwhile: of one in the clear beside what is backed up, so
// that the hub's disk need not hold its database twice; of a sealed one in the hub's folder, where
// it lies in the clear anyway. One at a time; what is left of one that was killed goes with the
// next.
class Draft {
 public:
  static Result<std::unique_ptr<Draft>> begin(const std::string& folder) {
    const std::string path = folder + "/.backup";
    TRY(make_folders(path));
    auto lock = FileLock::take(path, 0);
    if (!lock.ok() && lock.error().code == Code::kUnavailable)
      return fail(Code::kUnavailable, "{}: another backup is being taken: take this one after it",
                  folder);
    if (!lock.ok()) return std::move(lock).error();
    TRY(empty_folder(path));
    return std::unique_ptr<Draft>(new Draft(path, std::move(*lock)));
  }
  ~Draft() { (void)remove_folder(path_); }
  const std::string& path() const { return path_; }

 private:
  Draft(std::string path, FileLock lock) : path_(std::move(path)), lock_(std::move(lock)) {}
  const std::string path_;
  const FileLock lock_;
};

// Of one that is not there, or is removed meanwhile: nothing.
Status add(BackupWriter& writer, const std::string& folder, const std::string& name) {
  Status added = writer.add(folder + "/" + name, name);
  if (!added.ok() && added.error().code == Code::kNotFound) return {};
  return added;
}

// All files below a folder.
Status add_all(BackupWriter& writer, const std::string& folder, const std::string& name) {
  auto entries = walk_folder(folder + "/" + name, kMaxFiles);
  if (!entries.ok() && entries.error().code == Code::kNotFound) return {};
  if (!entries.ok()) return std::move(entries).error();
  for (const FolderEntry& entry : *entries)
    if (entry.kind == EntryKind::kFile) TRY(add(writer, folder, name + "/" + entry.path));
  return {};
}

// Of SQLite by its own snapshot, which holds up no writer; of PostgreSQL row by row.
Status copy_store(Database& from, const HubPlace& hub, const std::string& to) {
  if (!is_postgres(hub.database)) return from.run("VACUUM INTO ?", {to});
  TRY_VALUE(const std::unique_ptr<Database> into, open_database(to));
  const auto copied = copy_database(from, *into);
  return copied.ok() ? Status() : Status(copied.error());
}

// Of a copy without what is free in it.
Result<std::int64_t> bytes_of(Database& database, const HubPlace& hub) {
  constexpr std::string_view kPostgres = "SELECT pg_database_size(current_database())";
  constexpr std::string_view kSqlite =
      "SELECT (page_count - freelist_count) * page_size "
      "FROM pragma_page_count, pragma_freelist_count, pragma_page_size";
  TRY_VALUE(const Rows rows, database.query(is_postgres(hub.database) ? kPostgres : kSqlite));
  return rows.at(0).at(0).integer();
}

// A hub whose disk is full takes nothing from devices: with the copy there is room to go on.
Status check_room(Database& database, const HubPlace& hub) {
  TRY_VALUE(const std::int64_t bytes, bytes_of(database, hub));
  TRY_VALUE(const auto disk, DiskStorage::at(hub.folder));
  TRY_VALUE(const std::uint64_t free, disk->free_bytes());
  const auto needed = static_cast<std::uint64_t>(bytes + bytes / 4);
  if (free >= needed) return {};
  return fail(Code::kExhausted,
              "{}: {} are free, and an encrypted backup needs {} there while it is taken: make "
              "room there, or leave the passphrase away",
              hub.folder, bytes_text(free), bytes_text(needed));
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

Result<Backup> back_up(const HubPlace& hub, const std::string& to, std::int64_t now_s,
                       std::string_view passphrase) {
  TRY(check_finished(hub.folder));
  const Error nobody =
      fail(Code::kNotFound, "{}: no hub has been here; --folder says where it is", hub.folder);
  if (!exists(hub.folder + "/" + kAuthorityKey) ||
      (!is_postgres(hub.database) && !exists(hub.database)))
    return nobody;
  TRY_VALUE(const HubDatabase there, open_of_hub(hub.database));
  if (there.is_new) return nobody;
  TRY_VALUE(NewFolder made, NewFolder::create(to));
  TRY_VALUE(BackupWriter writer, BackupWriter::begin(made.path(), passphrase));
  Backup backup{.taken_s = now_s};
  const bool is_sealed = !passphrase.empty();
  TRY_VALUE(std::unique_ptr<Draft> own, Draft::begin(is_sealed ? hub.folder : made.path()));
  if (is_sealed) TRY(check_room(*there.database, hub));
  {
    const std::string snapshot = own->path() + "/" + kDatabaseFile;
    TRY(copy_store(*there.database, hub, snapshot));
    TRY(writer.add(snapshot, kDatabaseFile));
    TRY(remove_database(snapshot));
  }
  for (const HubFile& file : kHubFiles) TRY(add(writer, hub.folder, file.name));
  {
    // While nobody publishes: what timestamp.json leads to is there.
    TRY_VALUE(const auto held, trust::tuf::Repository::open(hub.folder + "/repository"));
    TRY(add(writer, hub.folder, "repository/repository.toml"));
    TRY(add_all(writer, hub.folder, "repository/metadata"));
    TRY_VALUE(backup.version, version_of(hub.folder + "/repository"));
  }
  for (const char* folder : {"repository/targets", "repository/blobs", "waiting", "former"})
    TRY(add_all(writer, hub.folder, folder));
  const auto files = static_cast<std::int64_t>(writer.size().files);
  const trust::Json facts = trust::Json::Members{{"taken", trust::tuf::time_text(now_s)},
                                                 {"program", POLDER_VERSION},
                                                 {"repository", backup.version},
                                                 {"files", files}};
  const std::string facts_file = own->path() + "/" + kFacts;
  TRY(write_file_atomic(facts_file, facts.pretty()));
  TRY(writer.add(facts_file, kFacts));
  own.reset();
  TRY(writer.finish());
  backup.files = writer.size().files, backup.bytes = writer.size().bytes;
  // It may have begun meanwhile.
  TRY(check_finished(hub.folder));
  TRY(made.commit());
  return backup;
}

// --- Going on from one ---------------------------------------------------------------------------

namespace {

// They decide how much is taken from devices: held to their sum before anything is believed.
Result<Backup> read_facts(const BackupReader& reader, const std::string& from) {
  const std::string path = from + "/" + kFacts;
  for (const char* name : {kFacts, kDatabaseFile})
    if (!reader.has(name))
      return fail(Code::kCorrupt, "{}: its list is cut off, {} is not in it: take another backup",
                  from, name);
  TRY_VALUE(const std::string text, reader.read(kFacts, kMaxFactsBytes));
  TRY_VALUE(const trust::Json json, trust::Json::parse(text, path));
  TRY_VALUE(const trust::Object facts, trust::Object::of(json, path));
  TRY_VALUE(const std::string taken, facts.text("taken"));
  Backup backup;
  TRY_VALUE(backup.taken_s, trust::tuf::parse_time(taken, path));
  TRY_VALUE(backup.version, facts.integer("repository", 0, trust::tuf::kMaxInteger));
  TRY_VALUE(const std::int64_t files, facts.integer("files", 0, kMaxFiles));
  if (files + 1 != static_cast<std::int64_t>(reader.count()))
    return fail(Code::kCorrupt, "{}: {} files expected, {} are listed: take another backup", from,
                files + 1, reader.count());
  return backup;
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

Result<Backup> restore(const std::string& from, const HubPlace& hub, std::int64_t now_s,
                       std::string_view passphrase) {
  TRY_VALUE(const BackupReader reader, BackupReader::open(from, passphrase));
  TRY_VALUE(Backup backup, read_facts(reader, from));
  const ChangeKind kind{kRestore, reader.digest()};
  TRY_VALUE(const auto before, unfinished(hub.folder, kind));
  if (!before) TRY(check_free(hub.folder));
  if (backup.taken_s > now_s)
    return fail(Code::kDenied, "{}: was taken at {}, and this machine's clock says {}: set it",
                from, trust::tuf::time_text(backup.taken_s), trust::tuf::time_text(now_s));
  // Before anything is written: what is damaged would leave a half that no second run completes.
  TRY_VALUE(const BackupSize size, reader.check());
  backup.files = size.files, backup.bytes = size.bytes;
  const bool is_beside = is_postgres(hub.database);
  std::unique_ptr<Database> database;
  if (is_beside) {
    TRY_VALUE(HubDatabase there, open_of_hub(hub.database));
    database = std::move(there.database);
    TRY(database->hold());
    if (!before) TRY(check_empty(*database));
  }
  TRY_VALUE(const Change change, begin_change(hub.folder, kind, now_s));
  const std::string file = hub.folder + "/" + kDatabaseFile;
  TRY(remove_database(file));
  TRY(reader.copy_to(hub.folder, {kFacts}));
  TRY_VALUE(const FormerLog log, begin_another_log(hub.folder, change));
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
