// The devices that are enrolled.
#include <utility>

#include "base/fail.h"
#include "hub/api/handlers.h"

namespace polder::hub {
namespace {

constexpr std::int64_t kMaxPage = 1'000, kPage = 100;

// A device, and until when the last of its certificates holds.
constexpr std::string_view kDevices =
    "SELECT d.id, d.key_id, d.enrolled_s, d.revoked_s, d.duplicate_s, (SELECT MAX(c.until_s) "
    "FROM certificate c WHERE c.device = d.id AND c.revoked_s IS NULL) FROM device d ";

trust::Json json_of(const Row& row) {
  return trust::Json::Members{{"id", row[0].text()},
                              {"key", row[1].text()},
                              {"enrolled", time_or_null(row[2])},
                              {"revoked", time_or_null(row[3])},
                              {"duplicate", time_or_null(row[4])},
                              {"certificate_until", time_or_null(row[5])}};
}

Result<Response> show(const Call& call, const std::string& id) {
  TRY(call.target.only({}));
  TRY_VALUE(const Rows rows, ask(call.hub, std::string(kDevices) + "WHERE d.id = ?", {id}));
  if (rows.empty()) return fail(Code::kNotFound, "there is no device of this name");
  return document(json_of(rows[0]), call.request);
}

}  // namespace

Result<Response> list_devices(const Call& call) {
  TRY(call.target.only({"limit", "after"}));
  TRY_VALUE(const std::int64_t limit, call.target.integer("limit", 1, kMaxPage, kPage));
  // One more than is shown says whether there are more.
  TRY_VALUE(const Rows rows,
            ask(call.hub, std::string(kDevices) + "WHERE d.id > ? ORDER BY d.id LIMIT ?",
                {call.target.text("after"), limit + 1}));
  trust::Json::Array list;
  for (const Row& row : rows)
    if (static_cast<std::int64_t>(list.size()) < limit) list.push_back(json_of(row));
  trust::Json::Members page;
  if (rows.size() > list.size()) {
    page.emplace("next", fmt::format("/v1/devices?limit={}&after={}", limit,
                                     rows[list.size() - 1][0].text()));
  }
  page.emplace("devices", std::move(list));
  return document(std::move(page), call.request);
}

Result<Response> show_device(const Call& call) { return show(call, call.parts[0]); }

Result<Response> show_self(const Call& call) { return show(call, call.device.id); }

Result<Response> revoke_device(const Call& call) {
  TRY(call.target.only({}));
  const std::string& id = call.parts[0];
  const std::int64_t now_s = call.hub.wall.now_s();
  Status done = write(call.hub, [&](Database& database) -> Status {
    TRY_VALUE(const Rows rows, ask(database, "SELECT revoked_s FROM device WHERE id = ?", {id}));
    if (rows.empty()) return fail(Code::kNotFound, "there is no device of this name");
    if (!rows[0][0].is_null()) return {};
    TRY(tell(database, "UPDATE device SET revoked_s = ? WHERE id = ?", {now_s, id}));
    TRY(tell(database,
             "UPDATE certificate SET revoked_s = ? WHERE device = ? AND revoked_s IS NULL",
             {now_s, id}));
    return put_on_record(database, {now_s, call.actor, trust::Act::kDeviceRevoked, id});
  });
  TRY(std::move(done));
  return Response{.status = 204};
}

}  // namespace polder::hub
