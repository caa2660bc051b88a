#include "hub/upkeep/gap.h"

#include <utility>

#include "base/fail.h"
#include "hub/record.h"
#include "hub/store/ask.h"
#include "trust/version.h"

namespace polder::hub {
namespace {

constexpr std::string_view kLast =
    "SELECT restored_s, taken_s, version FROM restoration WHERE restored_s > 0 "
    "ORDER BY restored_s DESC LIMIT 1";

Result<std::optional<Restoration>> restoration_of(Result<Rows> rows) {
  if (!rows.ok()) return std::move(rows).error();
  if (rows->empty()) return std::optional<Restoration>();
  const Row& row = (*rows)[0];
  return std::optional(Restoration{row[0].integer(), row[1].integer(), row[2].integer()});
}

// The device's row, where there is none. Errors: kDenied.
Result<bool> admit_again(Database& database, const trust::CertificateFacts& facts) {
  const std::string& id = facts.common_name;
  TRY_VALUE(const Rows rows,
            ask(database, "SELECT id, key_id, revoked_s FROM device WHERE id = ? OR key_id = ?",
                {id, facts.key_id}));
  if (rows.empty()) {
    TRY(tell(database, "INSERT INTO device (id, key_id, enrolled_s) VALUES (?, ?, ?)",
             {id, facts.key_id, facts.from_s}));
    return true;
  }
  const bool is_same =
      rows.size() == 1 && rows[0][0].text() == id && rows[0][1].text() == facts.key_id;
  if (!is_same)
    return fail(Code::kDenied,
                "device {}: it was enrolled after the backup from which this hub goes on, which "
                "knows its name or its key of another device: enrol it with a token that names it",
                id);
  if (!rows[0][2].is_null()) return fail(Code::kDenied, "device {}: it is revoked", id);
  return false;
}

}  // namespace

Result<std::optional<Restoration>> last_restoration(Readers& readers) {
  return restoration_of(stored(readers.query(kLast)));
}
Result<std::optional<Restoration>> last_restoration(Database& database) {
  return restoration_of(ask(database, kLast, {}));
}

Result<EnrolledDevice> take_back(const Hub& hub, const trust::CertificateFacts& facts,
                                 const std::string& certificate_pem) {
  const std::int64_t now_s = hub.wall.now_s();
  TRY_VALUE(const Rows gaps,
            ask(hub, "SELECT 1 FROM restoration WHERE taken_s <= ? AND restored_s >= ?",
                {facts.from_s + kClocksBehindS, facts.from_s}));
  if (gaps.empty())
    return fail(Code::kDenied,
                "certificate {}: this hub does not know it (was it restored without 'polder-hub "
                "restore'?): enrol the device anew",
                facts.serial);
  TRY(check_name("certificate: the device", facts.common_name));
  Status done = write(hub, [&](Database& database) -> Status {
    TRY_VALUE(const bool is_new, admit_again(database, facts));
    TRY(tell(
        database,
        "INSERT INTO certificate (serial, device, pem, issued_s, until_s, seen_s) VALUES "
        "(?, ?, ?, ?, ?, ?) ON CONFLICT (serial) DO NOTHING",
        {facts.serial, facts.common_name, certificate_pem, facts.from_s, facts.until_s, now_s}));
    return put_on_record(database,
                         {now_s,
                          "polder-hub",
                          is_new ? trust::Act::kDeviceEnrolled : trust::Act::kDeviceRenewed,
                          facts.common_name,
                          {{"key", facts.key_id},
                           {"serial", facts.serial},
                           {"reason", "given after the backup from which this hub goes on"}}});
  });
  TRY(std::move(done));
  return EnrolledDevice{facts.common_name, facts.serial, facts.key_id, facts.from_s, facts.until_s};
}

Result<bool> is_before_restoration(Database& database, std::int64_t seen_s) {
  TRY_VALUE(const auto restoration, last_restoration(database));
  return restoration && seen_s < restoration->restored_s;
}

Status keep_what_runs(Database& database, std::string_view device, std::string_view model,
                      std::string_view running) {
  TRY_VALUE(
      const Rows rows,
      ask(database, "SELECT version FROM wanted WHERE device = ? AND model = ?", {device, model}));
  if (rows.empty()) return {};
  const std::string& wanted = rows[0][0].text();
  const auto now = trust::Version::parse(running, "running"),
             then = trust::Version::parse(wanted, "wanted");
  const bool is_newer = now.ok() && (!then.ok() || *now > *then);
  // Changed in any case: it is told again what it is to run.
  return tell(database,
              "UPDATE wanted SET version = ?, shadow = 0, changed = (SELECT COALESCE(MAX(changed), "
              "0) + 1 FROM wanted) WHERE device = ? AND model = ?",
              {is_newer ? std::string(running) : wanted, device, model});
}

}  // namespace polder::hub
