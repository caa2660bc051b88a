#include "hub/upkeep/rekey.h"

#include <memory>
#include <utility>

#include "base/fail.h"
#include "hub/api/people.h"
#include "hub/record.h"
#include "hub/store/ask.h"
#include "hub/store/schema.h"
#include "platform/file.h"
#include "platform/folder.h"

namespace polder::hub {
namespace {

constexpr std::size_t kMaxCheckpointBytes = 4096;

// What nobody else has from now on; the admin's new token. A thief may have changed the log, which
// is evidence, and no reason to go on with stolen keys.
Status end_tokens(Database& database, const Result<FormerLog>& log, Rekeyed& done,
                  std::int64_t now_s) {
  trust::Json::Members details;
  if (log.ok()) {
    TRY(copy_log(database, log->path, log->end.origin));
    details = {{"log_before", log->end.origin},
               {"entries_before", static_cast<std::int64_t>(log->end.size)}};
  }
  TRY(tell(database, "UPDATE person_token SET revoked_s = ? WHERE revoked_s IS NULL", {now_s}));
  TRY(tell(database, "UPDATE enrolment_token SET expires_s = ? WHERE expires_s > ?",
           {now_s, now_s}));
  const NewPerson admin{"admin", Role::kAdmin, {}, std::string(kHubActor)};
  TRY_VALUE(PersonToken token, add_person_token(database, admin, now_s));
  done.admin_token = std::move(token.text);
  return put_on_record(database, {now_s, std::string(kHubActor), trust::Act::kHubRekeyed,
                                  std::string(kHubActor), std::move(details)});
}

}  // namespace

Result<Rekeyed> rekey(const HubPlace& hub, std::int64_t now_s) {
  const std::string& folder = hub.folder;
  const ChangeKind kind{"rekey"};
  TRY_VALUE(const auto before, unfinished(folder, kind));
  const bool has_key = before || entry_kind(folder + "/" + kAuthorityKey).ok();
  const Error nobody =
      fail(Code::kNotFound,
           "{}: no hub has been here (--folder says where it is), or it was rekeyed and has not "
           "served since ('polder-hub admin-token' makes a token); nothing was changed",
           folder);
  if (!has_key || (!is_postgres(hub.database) && !entry_kind(hub.database).ok())) return nobody;
  TRY_VALUE(const HubDatabase there, open_of_hub(hub.database));
  if (there.is_new) return nobody;
  const auto& opened = there.database;
  TRY(opened->hold());
  TRY(migrate(*opened));
  TRY_VALUE(const Change change, begin_change(folder, kind, now_s));
  Rekeyed done{.former = change.former(folder), .admin_token = {}, .log_trouble = {}};
  const auto log = former_log(folder, change);
  if (!log.ok()) done.log_trouble = log.error().message;
  Status ended = opened->transaction([&] { return end_tokens(*opened, log, done, now_s); });
  TRY(std::move(ended));
  TRY(put_aside(folder, change, Aside::kAll));
  if (log.ok()) TRY(write_file_atomic(folder + "/" + kLogBefore, log->end.text()));
  TRY(end_change(folder));
  return done;
}

Result<std::optional<trust::Checkpoint>> log_before(const std::string& folder) {
  const std::string path = folder + "/" + kLogBefore;
  const auto text = read_file(path, kMaxCheckpointBytes);
  if (!text.ok() && text.error().code == Code::kNotFound) return std::optional<trust::Checkpoint>();
  if (!text.ok()) return text.error();
  TRY_VALUE(trust::Checkpoint end, trust::Checkpoint::parse(*text, path));
  return std::optional(std::move(end));
}

}  // namespace polder::hub
