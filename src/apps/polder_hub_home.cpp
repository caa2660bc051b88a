#include "apps/polder_hub_home.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "base/fail.h"
#include "base/text.h"
#include "hub/api/people.h"
#include "hub/store/schema.h"
#include "hub/upkeep/folder.h"
#include "hub/upkeep/rekey.h"
#include "platform/file.h"
#include "platform/folder.h"
#include "platform/random_access.h"
#include "trust/audit_log.h"
#include "trust/hub_authorities.h"
#include "trust/passphrase.h"
#include "trust/signer.h"

namespace polder::hub {
namespace {

Result<bool> is_there(const std::string& path) {
  const auto kind = entry_kind(path);
  if (kind.ok()) return true;
  if (kind.error().code == Code::kNotFound) return false;
  return kind.error();
}

Result<std::unique_ptr<trust::Signer>> open_or_make_key(const std::string& path) {
  trust::NoPassphrase none;
  TRY_VALUE(const bool exists, is_there(path));
  if (!exists) {
    const auto made = trust::create_key("file:" + path, trust::Scheme::kEcdsaP256, none);
    if (!made.ok()) return made.error();
  }
  return trust::open_signer("file:" + path, none);
}

// Of a log; empty: none is whole.
Result<std::string> first_line(const std::string& path) {
  TRY_VALUE(const bool exists, is_there(path));
  if (!exists) return std::string();
  TRY_VALUE(const auto file, open_readable(path));
  trust::LogReader reader(*file);
  TRY_VALUE(const auto line, reader.next());
  return std::string(line.value_or(""));
}

// One that goes on from a backup is called NAME/TIME-CHANCE (upkeep/backup.cpp).
Result<trust::AuditLog> open_log(const std::string& folder, const std::string& name,
                                 std::int64_t now_s) {
  const std::string path = folder + "/" + kAuditLog;
  trust::AuditLog::Start start{name, std::string(kHubActor), now_s};
  TRY_VALUE(const std::string first, first_line(path));
  if (first.empty()) {
    TRY_VALUE(start.after, log_before(folder));
  } else {
    TRY_VALUE(const trust::Entry entry, trust::Entry::parse(first, path));
    if (entry.object.starts_with(name + "/")) start.origin = entry.object;
  }
  return trust::AuditLog::open(path, start);
}

}  // namespace

void log(const std::string& text) {
  std::fprintf(stderr, "polder-hub: %s\n", one_line(text).c_str());
}

std::string default_folder() {
  const char* const home = std::getenv("HOME");
  if (::geteuid() == 0 || !home || !*home) return "/var/lib/polder-hub";
  return std::string(home) + "/.local/share/polder-hub";
}

std::string database_of(const HomeOptions& options) {
  return options.database.empty() ? options.folder + "/hub.db" : options.database;
}

Result<FileLock> lock_folder(const std::string& folder, Unfinished how) {
  auto lock = FileLock::take(folder, 0);
  if (!lock.ok() && lock.error().code == Code::kUnavailable)
    return fail(Code::kUnavailable,
                "{}; one hub serves a folder: end it, or choose another --folder",
                lock.error().message);
  if (lock.ok() && how == Unfinished::kRefused) TRY(check_finished(folder));
  return lock;
}

Result<std::string> make_admin_token(const HomeOptions& options) {
  TRY(check_finished(options.folder));
  const Error nobody =
      fail(Code::kNotFound,
           "{}: no hub has been here: 'polder-hub serve' makes one; --folder says where it is",
           options.folder);
  if (options.database.empty()) {
    TRY_VALUE(const bool exists, is_there(database_of(options)));
    if (!exists) return nobody;
  }
  TRY_VALUE(const HubDatabase there, open_of_hub(database_of(options)));
  if (there.is_new) return nobody;
  const auto& database = there.database;
  TRY(migrate(*database));
  const std::int64_t now_s = SystemWallClock().now_s();
  std::string text;
  Status done = database->transaction([&]() -> Status {
    const NewPerson admin{
        .name = "admin", .role = Role::kAdmin, .created_by = std::string(kHubActor)};
    TRY_VALUE(PersonToken made, add_person_token(*database, admin, now_s));
    text = std::move(made.text);
    return {};
  });
  TRY(std::move(done));
  return text;
}

Result<std::unique_ptr<Home>> Home::open(const HomeOptions& options) {
  TRY(make_folders(options.folder));
  TRY_VALUE(FileLock lock, lock_folder(options.folder));
  auto home = std::unique_ptr<Home>(new Home(options, std::move(lock)));
  TRY(home->make_certificates(options));
  TRY(home->open_store(options));
  return home;
}

Status Home::make_certificates(const HomeOptions& options) {
  const std::string ca_key = folder_ + "/ca-key.pem", ca_file = authority_file();
  const std::int64_t now_s = wall_.now_s();
  TRY_VALUE(const bool has_ca, is_there(ca_file));
  TRY_VALUE(const bool has_key, is_there(ca_key));
  if (has_ca && !has_key)
    return fail(Code::kNotFound,
                "{}: the key of {} is not there: put it back from a backup. A new authority would "
                "not know the devices of this one; where that is meant, remove {}",
                ca_key, ca_file, ca_file);
  TRY_VALUE(std::unique_ptr<trust::Signer> signer, open_or_make_key(ca_key));
  if (!has_ca) {
    TRY_VALUE(const std::string made, make_authority(*signer, now_s));
    TRY(write_file_atomic(ca_file, made));
  }
  TRY_VALUE(std::string ca, read_file(ca_file, trust::kMaxCertificateBytes));
  auto facts = trust::read_certificate(ca);
  if (!facts.ok()) return std::move(facts).error().at(ca_file);
  if (now_s < facts->from_s)
    return fail(
        Code::kDenied,
        "this machine's clock says {}, and {} was made after that, for times from {} on: set "
        "the clock",
        trust::tuf::time_text(now_s), ca_file, trust::tuf::time_text(facts->from_s));
  if (now_s + kServerCertificateS / 3 >= facts->until_s)
    log(fmt::format("{} ends at {}: 'polder-hub rekey' and a new root make another authority",
                    ca_file, trust::tuf::time_text(facts->until_s)));
  if (now_s >= facts->until_s)
    return fail(
        Code::kDenied,
        "this machine's clock says {}, and {} ended at {}: set the clock; where it is right, "
        "'polder-hub rekey'",
        trust::tuf::time_text(now_s), ca_file, trust::tuf::time_text(facts->until_s));
  if (facts->key_id != signer->public_key().id())
    return fail(Code::kInvalid, "{}: is the certificate of another key than {}", ca_file, ca_key);
  fingerprint_ = trust::tuf::shown_fingerprint(facts->fingerprint);
  authority_ = std::make_unique<Authority>(std::move(signer), std::move(ca), options.certificate_s);
  return renew_certificate();
}

Status Home::renew_certificate() {
  TRY_VALUE(const std::unique_ptr<trust::Signer> server, open_or_make_key(key_file()));
  TRY_VALUE(const std::string certificate,
            authority_->issue_server(server->public_key(), hosts_, wall_.now_s()));
  return write_file_atomic(certificate_file(), certificate);
}

// Whether a hub has been here: its log is, or that of before it was rekeyed.
Result<bool> Home::has_been() const {
  TRY_VALUE(const bool has_log, is_there(folder_ + "/" + kAuditLog));
  TRY_VALUE(const bool has_before, is_there(folder_ + "/" + kLogBefore));
  return has_log || has_before;
}

Status Home::open_store(const HomeOptions& options) {
  const std::string place = database_of(options);
  // It does not begin with nothing, as none of its devices would be known.
  const auto no_database = [&](std::string_view what) {
    return fail(Code::kNotFound,
                "{}: the hub's database is {}: name the one that it had (--database, "
                "POLDER_DATABASE), or bring it back ('polder-hub restore'); a new hub begins in an "
                "empty folder",
                options.database.empty() ? place : folder_, what);
  };
  TRY_VALUE(const bool has_been, this->has_been());
  if (has_been && options.database.empty()) {
    TRY_VALUE(const bool is_here, is_there(place));
    if (!is_here) return no_database("not there");
  }
  TRY_VALUE(HubDatabase there, open_of_hub(place));
  if (has_been && there.is_new) return no_database("empty");
  std::unique_ptr<Database> database = std::move(there.database);
  TRY(database->hold());
  TRY(migrate(*database));
  TRY_VALUE(std::unique_ptr<trust::Signer> signer, open_or_make_key(folder_ + "/audit-key.pem"));
  // Named after the authority: a log of another hub is not taken for this one's.
  std::string name = "polder-hub-";
  for (const char c : fingerprint_.substr(0, 23))
    if (c != ':') name += c;
  const std::string audit_file = folder_ + "/" + kAuditLog;
  TRY_VALUE(trust::AuditLog audit, open_log(folder_, name, wall_.now_s()));
  readers_ = std::make_unique<Readers>(database_of(options));
  writer_ = std::make_unique<Writer>(std::move(database));
  recorder_ = std::make_unique<Recorder>(audit_file, std::move(audit), std::move(signer), *writer_,
                                         *readers_, log);
  TRY(open_repository(options));
  hub_ = std::make_unique<Hub>(Hub{*writer_, *readers_, *authority_, *recorder_, *repository_,
                                   *uploads_, *publisher_, wall_, log});
  hub_->poll_s = options.poll_s;
  publisher_->start();
  rollouts_ = std::make_unique<RolloutTimer>(*hub_);
  return {};
}

Status Home::open_repository(const HomeOptions& options) {
  TRY_VALUE(std::unique_ptr<trust::Signer> key, open_or_make_key(folder_ + "/online-key.pem"));
  // For 'polder repo init --timestamp-key'.
  TRY(write_file_atomic(folder_ + "/hub-online.pub.pem", key->public_key().pem()));
  TRY_VALUE(repository_, OnlineRepository::open(folder_, std::move(key)));
  if (options.is_clock_right) repository_->trust_clock();
  TRY_VALUE(uploads_, Uploads::open(folder_ + "/uploads"));
  publisher_ = std::make_unique<Publisher>(
      Publisher::Parts{*repository_, *uploads_, *writer_, *readers_, *recorder_, wall_, log});
  return publisher_->begin();
}

Result<bool> Home::has_people() const {
  TRY_VALUE(const Rows rows, hub_->readers.query("SELECT 1 FROM person_token LIMIT 1"));
  return !rows.empty();
}

}  // namespace polder::hub
