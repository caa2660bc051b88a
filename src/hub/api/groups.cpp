// Groups: names that people give to queries of devices. What is done to a group is done to the
// devices of its query as it is then: a rollout keeps the query, and not the name.
#include <string>
#include <utility>

#include "base/fail.h"
#include "hub/api/handlers.h"
#include "hub/tags.h"

namespace polder::hub {
namespace {

constexpr std::int64_t kMaxGroups = 200;

Error no_group() {
  return fail(Code::kNotFound,
              "there is no group of this name: 'polder fleet groups' (/v1/groups) lists them");
}

Result<trust::Json> json_of(const Hub& hub, const Row& row) {
  TRY_VALUE(const Tags query, read_query(row[1].text()));
  Values values;
  const std::string condition = query_condition(query, "d.id", values);
  TRY_VALUE(
      const Rows devices,
      ask(hub, "SELECT COUNT(*) FROM device d WHERE d.revoked_s IS NULL" + condition, values));
  return trust::Json(trust::Json::Members{{"name", row[0].text()},
                                          {"query", row[1].text()},
                                          {"devices", devices[0][0].integer()},
                                          {"set", time_or_null(row[2])},
                                          {"set_by", row[3].text()}});
}

constexpr std::string_view kGroups = "SELECT name, query, set_s, set_by FROM device_group ";

Result<trust::Json> find(const Hub& hub, const std::string& name) {
  TRY_VALUE(const Rows rows, ask(hub, std::string(kGroups) + "WHERE name = ?", {name}));
  if (rows.empty()) return no_group();
  return json_of(hub, rows[0]);
}

}  // namespace

Result<Response> list_groups(const Call& call) {
  TRY(call.target.only({}));
  TRY_VALUE(const Rows rows, ask(call.hub, std::string(kGroups) + "ORDER BY name"));
  trust::Json::Array list;
  for (const Row& row : rows) {
    TRY_VALUE(trust::Json group, json_of(call.hub, row));
    list.push_back(std::move(group));
  }
  return document(trust::Json::Members{{"groups", std::move(list)}}, call.request);
}

Result<Response> show_group(const Call& call) {
  TRY(call.target.only({}));
  TRY_VALUE(const trust::Json group, find(call.hub, call.parts[0]));
  return document(group, call.request);
}

Result<Response> set_group(const Call& call) {
  TRY(call.target.only({}));
  const std::string& name = call.parts[0];
  TRY(check_name("the group", name));
  TRY_VALUE(const trust::Json json, call.json());
  TRY_VALUE(const trust::Object body, trust::Object::of(json, "body"));
  TRY(body.only({"query"}));
  TRY_VALUE(const std::string text, body.text("query"));
  TRY_VALUE(const Tags tags, read_query(text));
  if (tags.empty())
    return fail(Code::kInvalid, "body.query: TAG=VALUE,... expected, such as site=ams,line=3");
  const std::string query = query_text(tags);
  const std::int64_t now_s = call.hub.wall.now_s();
  Status done = write(call.hub, [&](Database& database) -> Status {
    TRY_VALUE(const Rows rows,
              ask(database, "SELECT query FROM device_group WHERE name = ?", {name}));
    if (!rows.empty() && rows[0][0].text() == query) return {};
    TRY_VALUE(const Rows all, ask(database, "SELECT COUNT(*) FROM device_group", {}));
    if (rows.empty() && all[0][0].integer() >= kMaxGroups)
      return fail(Code::kIncompatible, "there are {} groups, as many as there can be: remove one",
                  kMaxGroups);
    TRY(tell(database,
             "INSERT INTO device_group (name, query, set_s, set_by) VALUES (?, ?, ?, ?) ON "
             "CONFLICT (name) DO UPDATE SET query = excluded.query, set_s = excluded.set_s, set_by "
             "= excluded.set_by",
             {name, query, now_s, call.actor}));
    return put_on_record(database,
                         {now_s, call.actor, trust::Act::kGroupSet, name, {{"query", query}}});
  });
  TRY(std::move(done));
  TRY_VALUE(const trust::Json group, find(call.hub, name));
  return document(group, call.request);
}

Result<Response> remove_group(const Call& call) {
  TRY(call.target.only({}));
  const std::string& name = call.parts[0];
  const std::int64_t now_s = call.hub.wall.now_s();
  Status done = write(call.hub, [&](Database& database) -> Status {
    TRY_VALUE(const Rows rows, ask(database, "SELECT 1 FROM device_group WHERE name = ?", {name}));
    if (rows.empty()) return no_group();
    TRY(tell(database, "DELETE FROM device_group WHERE name = ?", {name}));
    return put_on_record(database, {now_s, call.actor, trust::Act::kGroupRemoved, name});
  });
  TRY(std::move(done));
  return Response{.status = 204};
}

}  // namespace polder::hub
