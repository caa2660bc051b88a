#include "hub/upkeep/rekey.h"

#include <map>
#include <memory>
#include <utility>

#include "base/fail.h"
#include "hub/api/people.h"
#include "hub/record.h"
#include "hub/store/ask.h"
#include "hub/store/schema.h"
#include "platform/file.h"
#include "platform/folder.h"
#include "trust/tuf_metadata.h"

namespace polder::hub {
namespace {

constexpr const char* kKept[] = {"ca-key.pem",         "server-key.pem", "server.pem",
                                 "online-key.pem",     "audit-key.pem",  "audit.log",
                                 "hub-online.pub.pem", "ca.pem",         "audit.log.checkpoints"};

}  // namespace

Result<Rekeyed> rekey(const std::string& folder, const std::string& database, std::int64_t now_s) {
  if (!is_postgres(database) && !entry_kind(database).ok())
    return fail(Code::kNotFound, "{}: no hub has been here; --folder says where it is", folder);
  TRY_VALUE(const std::unique_ptr<Database> opened, open_database(database));
  TRY(opened->hold());
  TRY(migrate(*opened));
  Rekeyed done{.former = folder + "/former/" + trust::tuf::time_text(now_s), .admin_token = {}};
  Status written = opened->transaction([&]() -> Status {
    TRY(tell(*opened, "UPDATE person_token SET revoked_s = ? WHERE revoked_s IS NULL", {now_s}));
    TRY(tell(*opened, "UPDATE enrolment_token SET expires_s = ? WHERE expires_s > ?",
             {now_s, now_s}));
    const NewPerson admin{"admin", Role::kAdmin, {}, "polder-hub"};
    TRY_VALUE(PersonToken token, add_person_token(*opened, admin, now_s));
    done.admin_token = std::move(token.text);
    return put_on_record(*opened, {now_s, "polder-hub", trust::Act::kHubRekeyed, "polder-hub"});
  });
  TRY(std::move(written));
  std::map<std::string, std::string> files;
  for (const char* name : kKept) {
    const std::string path = folder + "/" + name;
    if (entry_kind(path).ok()) files.emplace(path, done.former + "/" + name);
  }
  TRY(move_files(files));
  return done;
}

}  // namespace polder::hub
