// The devices that are enrolled.
#include <map>
#include <string>
#include <utility>

#include "base/fail.h"
#include "hub/api/device_filter.h"
#include "hub/api/handlers.h"
#include "hub/rollouts/members.h"
#include "hub/tags.h"
#include "hub/telemetry/show.h"

namespace polder::hub {
namespace {

constexpr std::int64_t kAlarms = 10;

// A device, and until when the last of its certificates holds.
constexpr std::string_view kDevices =
    "SELECT d.id, d.key_id, d.enrolled_s, d.revoked_s, d.duplicate_s, (SELECT MAX(c.until_s) "
    "FROM certificate c WHERE c.device = d.id AND c.revoked_s IS NULL) FROM device d ";

using TagsByDevice = std::map<std::string, Tags, std::less<>>;

Result<TagsByDevice> tags_of(const Hub& hub, const DeviceSet& devices) {
  TRY_VALUE(const Rows rows,
            ask(hub,
                fmt::format("SELECT device, name, value FROM device_tag WHERE device IN ({})",
                            devices.sql),
                devices.values));
  TagsByDevice all;
  for (const Row& row : rows) all[row[0].text()].emplace(row[1].text(), row[2].text());
  return all;
}

using NewsByDevice = std::map<std::string, DeviceNews>;

trust::Json json_of(const Hub& hub, const Row& row, const TagsByDevice& all_tags,
                    NewsByDevice& all_news) {
  DeviceNews& news = all_news[row[0].text()];
  trust::Json::Members tags;
  if (const auto found = all_tags.find(row[0].text()); found != all_tags.end())
    for (const auto& [name, value] : found->second) tags.emplace(name, value);
  return trust::Json::Members{
      {"id", row[0].text()},
      {"tags", std::move(tags)},
      {"key", row[1].text()},
      {"enrolled", time_or_null(row[2])},
      {"revoked", time_or_null(row[3])},
      {"duplicate", time_or_null(row[4])},
      {"certificate_until", time_or_null(row[5])},
      {"seen", time_or_null(news.seen_s)},
      {"silent", !news.seen_s.is_null() && news.seen_s.integer() <= silent_since_s(hub)},
      {"program", news.program.is_null() ? trust::Json() : news.program.text()},
      {"machine", std::move(news.machine)},
      {"units", std::move(news.units)}};
}

Result<Response> show(const Call& call, const std::string& id) {
  TRY(call.target.only({}));
  TRY_VALUE(const Rows rows, ask(call.hub, std::string(kDevices) + "WHERE d.id = ?", {id}));
  if (rows.empty()) return no_such_device();
  const DeviceSet one{"?", {id}};
  TRY_VALUE(const TagsByDevice tags, tags_of(call.hub, one));
  TRY_VALUE(NewsByDevice news, news_of(call.hub, one));
  TRY_VALUE(trust::Json::Array alarms, latest_alarms(call.hub, id, kAlarms));
  trust::Json device = json_of(call.hub, rows[0], tags, news);
  device.members()->emplace("alarms", std::move(alarms));
  return document(device, call.request);
}

}  // namespace

Error no_such_device() {
  return fail(Code::kNotFound,
              "there is no device of this name: 'polder fleet devices' (/v1/devices) lists them");
}

Result<Response> list_devices(const Call& call) {
  TRY(call.target.only(
      {"query", "health", "version", "target", "seen_before", "revoked", "limit", "after"}));
  TRY_VALUE(const std::int64_t limit, call.target.integer("limit", 1, kMaxPage, kPage));
  TRY_VALUE(const DeviceFilter filter, DeviceFilter::read(call.target));
  // One more than is shown says whether there are more.
  Values values = {call.target.text("after")};
  values.insert(values.end(), filter.values.begin(), filter.values.end());
  values.emplace_back(limit + 1);
  const std::string page_of =
      fmt::format("WHERE d.id > ?{} ORDER BY d.id LIMIT ?", filter.condition);
  TRY_VALUE(const Rows rows, ask(call.hub, std::string(kDevices) + page_of, values));
  TagsByDevice tags;
  NewsByDevice news;
  if (!rows.empty()) {
    DeviceSet devices;
    for (const Row& row : rows) {
      devices.sql += devices.sql.empty() ? "?" : ", ?";
      devices.values.push_back(row[0]);
    }
    TRY_VALUE(news, news_of(call.hub, devices));
    TRY_VALUE(tags, tags_of(call.hub, devices));
  }
  trust::Json::Array list;
  for (const Row& row : rows)
    if (static_cast<std::int64_t>(list.size()) < limit)
      list.push_back(json_of(call.hub, row, tags, news));
  trust::Json::Members page;
  if (rows.size() > list.size()) {
    page.emplace("next", fmt::format("/v1/devices?limit={}&after={}{}", limit,
                                     rows[list.size() - 1][0].text(), filter.text));
  }
  page.emplace("devices", std::move(list));
  return document(std::move(page), call.request);
}

Result<Response> show_device(const Call& call) {
  watch(call.hub, call.parts[0]);
  return show(call, call.parts[0]);
}

Result<Response> show_self(const Call& call) { return show(call, call.device.id); }

Result<Response> revoke_device(const Call& call) {
  TRY(call.target.only({}));
  const std::string& id = call.parts[0];
  const std::int64_t now_s = call.hub.wall.now_s();
  Status done = write(call.hub, [&](Database& database) -> Status {
    TRY_VALUE(const Rows rows, ask(database, "SELECT revoked_s FROM device WHERE id = ?", {id}));
    if (rows.empty()) return no_such_device();
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

// In place of those that it had.
Result<Response> set_device_tags(const Call& call) {
  TRY(call.target.only({}));
  const std::string& id = call.parts[0];
  TRY_VALUE(const trust::Json json, call.json());
  TRY_VALUE(const trust::Object body, trust::Object::of(json, "body"));
  if (body.members().size() > kMaxTags)
    return fail(Code::kInvalid, "body: {} tags; at most {}", body.members().size(), kMaxTags);
  Tags tags;
  for (const auto& [name, value] : body.members()) {
    TRY_VALUE(std::string text, body.text(name));
    TRY(check_tag(name, text));
    tags.emplace(name, std::move(text));
  }
  const std::int64_t now_s = call.hub.wall.now_s();
  Status done = write(call.hub, [&](Database& database) -> Status {
    TRY_VALUE(const Rows rows, ask(database, "SELECT 1 FROM device WHERE id = ?", {id}));
    if (rows.empty()) return no_such_device();
    TRY_VALUE(const Tags before, tags_of(database, id));
    if (before == tags) return {};
    TRY(tell(database, "DELETE FROM device_tag WHERE device = ?", {id}));
    for (const auto& [name, value] : tags)
      TRY(tell(database, "INSERT INTO device_tag (device, name, value) VALUES (?, ?, ?)",
               {id, name, value}));
    TRY(enlist_anew(database, id, now_s));
    return put_on_record(
        database, {now_s, call.actor, trust::Act::kDeviceTagged, id, {{"tags", query_text(tags)}}});
  });
  TRY(std::move(done));
  return show(call, id);
}

}  // namespace polder::hub
