#include "hub/upkeep/backup.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/fail.h"
#include "hub/record.h"
#include "hub/rollouts/engine.h"
#include "hub/store/ask.h"
#include "hub/store/schema.h"
#include "hub/upkeep/copy.h"
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

constexpr char kSums[] = "SHA256SUMS", kFacts[] = "backup.json", kDatabase[] = "hub.db";
constexpr char kAudit[] = "audit.log", kCheckpoints[] = "audit.log.checkpoints";
constexpr const char* kKeys[] = {"ca-key.pem",    "ca.pem",         "server-key.pem",
                                 "audit-key.pem", "online-key.pem", "hub-online.pub.pem"};
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
  const std::string& to() const { return to_; }

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
Status copy_store(const std::string& database, const std::string& to) {
  TRY_VALUE(const std::unique_ptr<Database> from, open_database(database));
  if (is_postgres(database)) {
    TRY_VALUE(const std::unique_ptr<Database> into, open_database(to));
    const auto copied = copy_database(*from, *into);
    return copied.ok() ? Status() : Status(copied.error());
  }
  return from->run("VACUUM INTO ?", {to});
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
  if (!exists(hub.folder + "/ca-key.pem") || (!is_postgres(hub.database) && !exists(hub.database)))
    return fail(Code::kNotFound, "{}: no hub has been here; --folder says where it is", hub.folder);
  TRY_VALUE(NewFolder made, NewFolder::create(to));
  Filling filling(hub.folder, made.path());
  Backup backup{.taken_s = now_s};
  // As it is copied it is on the disk.
  const std::string snapshot = made.path() + "/hub.db.snapshot";
  TRY(copy_store(hub.database, snapshot));
  TRY_VALUE([[maybe_unused]] const auto database,
            copy_file(snapshot, made.path() + "/" + kDatabase));
  for (const char* more : {"", "-wal", "-shm"}) TRY(remove_file(snapshot + more));
  TRY(filling.add_here(kDatabase));
  for (const char* key : kKeys) TRY(filling.add(key));
  // The log has all that its checkpoints cover.
  TRY(filling.add(kCheckpoints));
  TRY(filling.add(kAudit));
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
                                                 {"repository", backup.version}};
  TRY(write_file_atomic(made.path() + "/" + kFacts, facts.pretty()));
  TRY(filling.add_here(kFacts));
  TRY(filling.finish(backup));
  TRY(made.commit());
  return backup;
}

// --- Going on from one ---------------------------------------------------------------------------

namespace {

using Sums = std::map<std::string, std::string>;  // digest by name

Result<Sums> read_sums(const std::string& from) {
  auto text = read_file(from + "/" + kSums, kMaxSumsBytes);
  if (!text.ok() && text.error().code == Code::kNotFound)
    return fail(Code::kNotFound, "{}: no backup that is whole is here (no {})", from, kSums);
  if (!text.ok()) return std::move(text).error();
  Sums sums;
  std::string_view rest = *text;
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

Result<Backup> read_facts(const std::string& from) {
  const std::string path = from + "/" + kFacts;
  TRY_VALUE(const std::string text, read_file(path, 1 << 16));
  TRY_VALUE(const trust::Json json, trust::Json::parse(text, path));
  TRY_VALUE(const trust::Object facts, trust::Object::of(json, path));
  TRY_VALUE(const std::string taken, facts.text("taken"));
  Backup backup;
  TRY_VALUE(backup.taken_s, trust::tuf::parse_time(taken, path));
  TRY_VALUE(backup.version, facts.integer("repository", 0, trust::tuf::kMaxInteger));
  return backup;
}

Status check_free(const std::string& folder) {
  if (exists(folder + "/" + kRestoringName)) return {};
  for (const char* name : {"ca.pem", "ca-key.pem", kDatabase, kAudit, "repository"})
    if (exists(folder + "/" + name))
      return fail(Code::kDenied,
                  "{}: a hub is here ({}): restore into an empty folder, or move that away first; "
                  "nothing was changed",
                  folder, name);
  return {};
}

Status copy_back(const std::string& from, const std::string& folder, const Sums& sums,
                 Backup& backup) {
  for (const auto& [name, digest] : sums) {
    if (name == kFacts) continue;
    auto copied = copy_file(from + "/" + name, folder + "/" + name);
    if (!copied.ok()) return std::move(copied).error();
    if (trust::hex(copied->sha256) != digest)
      return fail(Code::kCorrupt,
                  "{}/{}: is not what was backed up (SHA-256 {} expected, {} found): take another "
                  "backup",
                  from, name, digest, trust::hex(copied->sha256));
    ++backup.files, backup.bytes += copied->bytes;
  }
  return {};
}

// "polder-hub-5F0E7A2B" goes on as "polder-hub-5F0E7A2B/2".
std::string next_origin(const std::string& origin) {
  const std::size_t slash = origin.rfind('/');
  int number = 1;
  if (slash != origin.npos)
    std::from_chars(origin.data() + slash + 1, origin.data() + origin.size(), number);
  return fmt::format("{}/{}", origin.substr(0, slash), number + 1);
}

// Whoever keeps checkpoints of what is lost finds another log, not one that was rewritten.
struct FormerLog {
  std::string path;
  trust::Checkpoint end;
};
Result<FormerLog> begin_another_log(const std::string& folder, std::int64_t now_s) {
  const std::string path = folder + "/" + kAudit;
  std::optional<trust::Checkpoint> end;
  {
    TRY_VALUE(const auto log, trust::AuditLog::open(path, {"", std::string(kHubActor), now_s}));
    end = log.end();
  }
  const std::string former = folder + "/former/" + trust::tuf::time_text(now_s);
  std::map<std::string, std::string> moves;
  for (const char* name : {kAudit, kCheckpoints})
    if (exists(folder + "/" + name)) moves.emplace(folder + "/" + name, former + "/" + name);
  TRY(move_files(moves));
  TRY_VALUE(const auto begun, trust::AuditLog::open(path, {next_origin(end->origin),
                                                           std::string(kHubActor), now_s, end}));
  return FormerLog{former + "/" + kAudit, *end};
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

}  // namespace

Result<Backup> restore(const std::string& from, const HubPlace& hub, std::int64_t now_s) {
  TRY_VALUE(const Sums sums, read_sums(from));
  TRY_VALUE(Backup backup, read_facts(from));
  TRY(check_free(hub.folder));
  if (backup.taken_s > now_s)
    return fail(Code::kDenied, "{}: was taken at {}, and this machine's clock says {}: set it",
                from, trust::tuf::time_text(backup.taken_s), trust::tuf::time_text(now_s));
  const std::string marker = hub.folder + "/" + kRestoringName;
  TRY(write_file_atomic(marker, "from " + from + "\n"));
  TRY(copy_back(from, hub.folder, sums, backup));
  TRY_VALUE(const FormerLog log, begin_another_log(hub.folder, now_s));
  const std::string file = hub.folder + "/" + kDatabase;
  TRY_VALUE(const std::unique_ptr<Database> database, open_database(hub.database));
  TRY(database->hold());
  if (is_postgres(hub.database)) {
    TRY_VALUE(const std::unique_ptr<Database> taken, open_database(file));
    TRY(migrate(*taken));
    const auto copied = copy_database(*taken, *database);
    if (!copied.ok()) return copied.error();
  } else {
    TRY(migrate(*database));
  }
  TRY(database->transaction([&] { return note_restoration(*database, backup, log, now_s); }));
  if (is_postgres(hub.database))
    for (const char* more : {"", "-wal", "-shm"}) TRY(remove_file(file + more));
  TRY(remove_file(marker));
  return backup;
}

}  // namespace polder::hub
