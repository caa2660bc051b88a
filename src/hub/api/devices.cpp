// The devices that are enrolled.
#include <map>
#include <string>
#include <utility>

#include "base/fail.h"
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

// Of the devices of a query from one name to another.
Result<TagsByDevice> tags_between(const Hub& hub, const std::string& first, const std::string& last,
                                  const Tags& query) {
  Values values = {first, last};
  const std::string condition = query_condition(query, "d.device", values);
  TRY_VALUE(const Rows rows, ask(hub,
                                 "SELECT d.device, d.name, d.value FROM device_tag d WHERE "
                                 "d.device >= ? AND d.device <= ?" +
                                     condition,
                                 values));
  TagsByDevice all;
  for (const Row& row : rows) all[row[0].text()].emplace(row[1].text(), row[2].text());
  return all;
}

using NewsByDevice = std::map<std::string, DeviceNews>;

trust::Json json_of(const Row& row, const TagsByDevice& all_tags, NewsByDevice& all_news) {
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
      {"program", news.program.is_null() ? trust::Json() : news.program.text()},
      {"units", std::move(news.units)}};
}

Result<Response> show(const Call& call, const std::string& id) {
  TRY(call.target.only({}));
  TRY_VALUE(const Rows rows, ask(call.hub, std::string(kDevices) + "WHERE d.id = ?", {id}));
  if (rows.empty()) return fail(Code::kNotFound, "there is no device of this name");
  TRY_VALUE(const TagsByDevice tags, tags_between(call.hub, id, id, {}));
  TRY_VALUE(NewsByDevice news, news_between(call.hub, id, id));
  TRY_VALUE(trust::Json::Array alarms, latest_alarms(call.hub, id, kAlarms));
  trust::Json device = json_of(rows[0], tags, news);
  device.members()->emplace("alarms", std::move(alarms));
  return document(device, call.request);
}

}  // namespace

Result<Response> list_devices(const Call& call) {
  TRY(call.target.only({"query", "limit", "after"}));
  TRY_VALUE(const std::int64_t limit, call.target.integer("limit", 1, kMaxPage, kPage));
  TRY_VALUE(const Tags query, read_query(call.target.text("query")));
  Values values = {call.target.text("after")};
  const std::string condition = query_condition(query, "d.id", values);
  values.emplace_back(limit + 1);
  // One more than is shown says whether there are more.
  TRY_VALUE(
      const Rows rows,
      ask(call.hub, std::string(kDevices) + "WHERE d.id > ?" + condition + " ORDER BY d.id LIMIT ?",
          values));
  TagsByDevice tags;
  NewsByDevice news;
  if (!rows.empty()) {
    TRY_VALUE(news, news_between(call.hub, rows.front()[0].text(), rows.back()[0].text()));
    TRY_VALUE(tags, tags_between(call.hub, rows.front()[0].text(), rows.back()[0].text(), query));
  }
  trust::Json::Array list;
  for (const Row& row : rows)
    if (static_cast<std::int64_t>(list.size()) < limit) list.push_back(json_of(row, tags, news));
  trust::Json::Members page;
  if (rows.size() > list.size()) {
    page.emplace("next", fmt::format("/v1/devices?limit={}&after={}{}", limit,
                                     rows[list.size() - 1][0].text(),
                                     query.empty() ? "" : "&query=" + query_text(query)));
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
    if (rows.empty()) return fail(Code::kNotFound, "there is no device of this name");
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
