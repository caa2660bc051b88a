// polder-hub backup, restore, copy and rekey: what looks after a hub's folder and database.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>

#include "apps/polder_hub_commands.h"
#include "base/fail.h"
#include "base/text.h"
#include "hub/store/schema.h"
#include "hub/upkeep/backup.h"
#include "hub/upkeep/copy.h"
#include "hub/upkeep/rekey.h"
#include "platform/file.h"
#include "platform/folder.h"
#include "platform/private_file.h"
#include "trust/passphrase.h"
#include "trust/secret.h"
#include "trust/tuf_metadata.h"

namespace polder::hub {

Status check_database(std::string_view, const std::string& value) {
  if (is_postgres(value)) return {};
  return fail(Code::kInvalid,
              "--database: postgres://USER:PASSWORD@HOST:PORT/NAME expected; without it the "
              "database is the file hub.db in the folder");
}

namespace {

// Left empty it would be as if it was not given.
Status check_file(std::string_view option, const std::string& value) {
  return value.empty() ? Status(fail(Code::kInvalid, "{}: a file expected, nothing given", option))
                       : Status();
}

// A URL may have a password, which no message repeats.
Status check_place(std::string_view option, const std::string& value) {
  const std::size_t scheme = value.find("://");
  if (scheme == value.npos || is_postgres(value)) return {};
  return fail(
      Code::kInvalid,
      "{}: a file hub.db or postgres://USER:PASSWORD@HOST/NAME expected, a URL of '{}' given",
      option, clipped(value.substr(0, scheme)));
}

}  // namespace

HomeOptions home_options(const Args& args) {
  return {.folder = args.text("--folder", default_folder()),
          .database = args.text("--database"),
          .hosts = {},
          .certificate_s = args.integer("--certificate-s", kDeviceCertificateS),
          .poll_s = args.integer("--poll-s", kPollS),
          .is_clock_right = args.has("--clock-is-right")};
}

Status print(const Args& args, const trust::Json& json, const std::string& text) {
  const std::string shown = args.has("--json") ? json.compact() + "\n" : text;
  if (std::fputs(shown.c_str(), stdout) >= 0 && std::fflush(stdout) == 0) return {};
  return fail(Code::kIo, "cannot write to standard output");
}

namespace {

using trust::Json;

HubPlace place_of(const HomeOptions& options) { return {options.folder, database_of(options)}; }

Status rekey_command(const Args& args) {
  const HubPlace hub = place_of(home_options(args));
  TRY_VALUE(const FileLock lock, lock_folder(hub.folder, Unfinished::kGoesOn));
  TRY_VALUE(const Rekeyed done, rekey(hub, SystemWallClock().now_s()));
  if (!done.log_trouble.empty())
    log("the audit log of before is put aside as it is, and the next one does not name its end: " +
        done.log_trouble);
  if (is_postgres(hub.database))
    log("the password of this database was in what the hub was started with: give its role "
        "another one and end its other sessions (docs/guide/hub-recovery.md), or the thief goes on "
        "writing there");
  return print(
      args, Json::Members{{"former", done.former}, {"admin_token", done.admin_token}},
      fmt::format(
          "keys and audit log are in {}; 'polder-hub serve' makes others\nadmin     {}\n(this "
          "token is shown once; all others hold no longer)\n",
          done.former, done.admin_token));
}

Json json_of(const Backup& backup, const std::string& folder) {
  return Json::Members{{"folder", folder},
                       {"taken", trust::tuf::time_text(backup.taken_s)},
                       {"files", static_cast<std::int64_t>(backup.files)},
                       {"bytes", static_cast<std::int64_t>(backup.bytes)},
                       {"repository_version", static_cast<std::int64_t>(backup.version)}};
}

std::string facts_of(const Backup& backup) {
  return fmt::format("{} files, {}, repository version {}", backup.files, bytes_text(backup.bytes),
                     backup.version);
}

// Of --passphrase-file: its first line; without one none.
Result<trust::Secret> passphrase_of(const Args& args) {
  const std::string path = args.text("--passphrase-file");
  if (path.empty()) return trust::Secret();
  trust::Secret text(trust::kMaxPassphraseBytes);
  TRY_VALUE(const std::size_t size, read_private_file(path, text.span()));
  text.shrink(std::min(text.view().substr(0, size).find_first_of("\r\n"), size));
  if (!text.empty()) return text;
  return fail(Code::kInvalid, "{}: a passphrase expected in its first line, which is empty", path);
}

Status backup_command(const Args& args) {
  const std::string& to = args.positional()[0];
  TRY_VALUE(const trust::Secret passphrase, passphrase_of(args));
  TRY_VALUE(const Backup made, back_up(place_of(home_options(args)), to, SystemWallClock().now_s(),
                                       passphrase.view()));
  const char* const advice =
      passphrase.empty()
          ? "it holds the keys of this hub in the clear: keep it as you keep them, or encrypt it "
            "(--passphrase-file)"
          : "it is encrypted: without its passphrase nobody can restore it, you included";
  return print(args, json_of(made, to), fmt::format("{}: {}\n{}\n", to, facts_of(made), advice));
}

Status restore_command(const Args& args) {
  const HubPlace hub = place_of(home_options(args));
  TRY_VALUE(const trust::Secret passphrase, passphrase_of(args));
  const bool is_new = !entry_kind(hub.folder).ok();
  TRY(make_folders(hub.folder));
  TRY_VALUE(const FileLock lock, lock_folder(hub.folder, Unfinished::kGoesOn));
  const auto old = restore(args.positional()[0], hub, SystemWallClock().now_s(), passphrase.view());
  if (!old.ok() && is_new) ::rmdir(hub.folder.c_str());  // where nothing has begun
  if (!old.ok()) return old.error();
  return print(
      args, json_of(*old, hub.folder),
      fmt::format(
          "{}: as it was at {}: {}\nwhat came after that is lost here: revoke again the devices "
          "and "
          "tokens of people that were revoked since;\nrollouts that went on are paused; enrolment "
          "tokens "
          "have ended; 'polder hub push --again' brings what was published\n",
          hub.folder, trust::tuf::time_text(old->taken_s), facts_of(*old)));
}

// What serves a file holds its folder.
Result<std::unique_ptr<FileLock>> lock_place(const std::string& place) {
  if (is_postgres(place)) return std::unique_ptr<FileLock>();
  const std::size_t slash = place.rfind('/');
  TRY_VALUE(FileLock lock, lock_folder(slash == place.npos ? "." : place.substr(0, slash + 1)));
  return std::make_unique<FileLock>(std::move(lock));
}

Status copy_command(const Args& args) {
  const std::string from = args.text("--from"), to = args.text("--to");
  if (from.empty() || to.empty()) return fail(Code::kInvalid, "give --from and --to");
  if (!is_postgres(from) && !entry_kind(from).ok())
    return fail(Code::kNotFound, "{}: there is no such file", from);
  TRY_VALUE(const auto lock, lock_place(is_postgres(from) ? to : from));
  TRY_VALUE(const std::unique_ptr<Database> source, open_to_read(from));
  TRY(check_today(*source));
  TRY_VALUE(const HubDatabase target, open_of_hub(to));
  TRY(source->hold());
  TRY(target.database->hold());
  TRY_VALUE(const auto tables, copy_database(*source, *target.database));
  std::string text;
  std::int64_t rows = 0;
  Json::Array list;
  for (const CopiedTable& table : tables) {
    rows += table.rows;
    list.push_back(
        Json::Members{{"name", table.name}, {"rows", table.rows}, {"sha256", table.digest}});
    text += fmt::format("{:<18} {:>9}  {}\n", table.name, table.rows, table.digest.substr(0, 16));
  }
  return print(args, Json::Members{{"rows", rows}, {"tables", std::move(list)}},
               fmt::format("{}{} rows in {} tables, read again there and the same\n", text, rows,
                           tables.size()));
}

constexpr Option kRekeyOptions[] = {HUB_OPTIONS};
constexpr Option kBackupOptions[] = {
    HUB_OPTIONS,
    {"--passphrase-file", "FILE",
     "encrypts the backup with the passphrase in the first line of this file, which its user alone "
     "may read",
     false, check_file}};
constexpr Option kRestoreOptions[] = {
    HUB_OPTIONS,
    {"--passphrase-file", "FILE",
     "of a backup that is encrypted: the file with its passphrase; one that is not is refused",
     false, check_file}};
constexpr Option kCopyOptions[] = {
    {"--from", "PLACE",
     "the database that is: a file hub.db, or postgres://USER:PASSWORD@HOST/NAME", false,
     check_place},
    {"--to", "PLACE",
     "the one that is to be, empty or not there; a URL with a password is better in POLDER_FROM "
     "and "
     "POLDER_TO, as all users of this machine can read options",
     false, check_place},
    HUB_JSON};

constexpr Command kCommands[] = {
    {"backup",
     "Copies all that a hub needs into a new folder, also while it serves.\nOf PostgreSQL too. "
     "'sha256sum --check SHA256SUMS' checks what is there.",
     "  polder-hub backup /backup/2026-11-30 --folder /srv/hub --passphrase-file "
     "/etc/polder-hub.passphrase",
     kBackupOptions, backup_command, 1, "FOLDER "},
    {"restore",
     "Makes a hub of a backup, all of which is read before anything is written.\nInto an empty "
     "folder (and for PostgreSQL an empty database); cut "
     "off, "
     "it is run again. What came after the\nbackup is lost; of that devices bring back what they "
     "know.",
     "  polder-hub restore /backup/2026-11-30 --folder /srv/hub --passphrase-file "
     "/etc/polder-hub.passphrase",
     kRestoreOptions, restore_command, 1, "FOLDER "},
    {"copy",
     "Copies a database into an empty one, from SQLite to PostgreSQL or back.\nNo hub serves "
     "either "
     "meanwhile. Each row is read again and compared.",
     "  polder-hub copy --from /srv/hub/hub.db --to postgres://hub@db.example.org/hub",
     kCopyOptions, copy_command},
    {"rekey",
     "After a break-in: has the next start make other keys, and ends all tokens.\nThose of now are "
     "put aside; it prints a token of an administrator. Devices stay enrolled by their keys, and\n"
     "follow once a new root names the new authority and the new online key "
     "(docs/guide/hub-recovery.md).",
     "  polder-hub rekey --folder /srv/hub", kRekeyOptions, rekey_command},
};

}  // namespace

std::span<const Command> upkeep_commands() { return kCommands; }

}  // namespace polder::hub
