#include "hub/api/people.h"

#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/fail.h"
#include "base/text.h"
#include "hub/api/handlers.h"
#include "hub/tokens.h"
#include "trust/tuf_metadata.h"

namespace polder::hub {

Result<PersonToken> add_person_token(Database& database, const NewPerson& person,
                                     std::int64_t now_s) {
  TRY_VALUE(NewToken token, make_token(TokenKind::kPerson));
  TRY(tell(database,
           "INSERT INTO person_token (id, name, role, salt, hash, created_s, expires_s) "
           "VALUES (?, ?, ?, ?, ?, ?, ?)",
           {token.id, person.name, role_name(person.role), Bytes{token.salt}, Bytes{token.hash},
            now_s, person.valid_s ? Value(now_s + *person.valid_s) : Value()}));
  TRY(put_on_record(database, {now_s,
                               person.created_by,
                               trust::Act::kTokenCreated,
                               person.name,
                               {{"role", role_name(person.role)}, {"token", token.id}}}));
  return PersonToken{std::move(token.id), std::move(token.text)};
}

Result<Response> show_me(const Call& call) {
  TRY(call.target.only({}));
  return document(trust::Json::Members{{"name", call.actor}, {"role", role_name(call.role)}},
                  call.request);
}

Result<Response> create_person_token(const Call& call) {
  TRY(call.target.only({}));
  TRY_VALUE(const trust::Json json, call.json());
  TRY_VALUE(const trust::Object body, trust::Object::of(json, "body"));
  TRY(body.only({"name", "role", "valid_s"}));
  NewPerson person{.name = "", .created_by = call.actor};
  TRY_VALUE(person.name, body.text("name"));
  TRY(check_actor("body.name", person.name));
  TRY_VALUE(const std::string role, body.text("role"));
  TRY_VALUE(person.role, role_from_name(role));
  if (body.has("valid_s")) {
    TRY_VALUE(person.valid_s, body.integer("valid_s", 60, 3'650 * kDayS));
  }
  const std::int64_t now_s = call.hub.wall.now_s();
  PersonToken made;
  Status done = write(call.hub, [&](Database& database) -> Status {
    TRY_VALUE(made, add_person_token(database, person, now_s));
    return {};
  });
  TRY(std::move(done));
  return document(
      trust::Json::Members{
          {"id", made.id}, {"name", person.name}, {"role", role}, {"token", made.text}},
      call.request, 201);
}

namespace {

// Of people, or of devices to be.
struct TokenKindFacts {
  std::string_view path, table, columns;  // the first column is the id
  std::string_view object;                // whose it is, in the audit log
  trust::Json (*shown)(const Row& row);
  std::string_view command;  // that lists them
};

trust::Json person_json(const Row& row) {
  return trust::Json::Members{{"id", row[0].text()},
                              {"name", row[1].text()},
                              {"role", row[2].text()},
                              {"created", time_or_null(row[3])},
                              {"expires", time_or_null(row[4])},
                              {"revoked", time_or_null(row[5])}};
}

trust::Json text_or_null(const Value& text) {
  return text.is_null() ? trust::Json() : trust::Json(text.text());
}

trust::Json enrolment_json(const Row& row) {
  return trust::Json::Members{{"id", row[0].text()},
                              {"device", text_or_null(row[1])},
                              {"created", time_or_null(row[2])},
                              {"created_by", row[3].text()},
                              {"expires", time_or_null(row[4])},
                              {"used", time_or_null(row[5])},
                              {"enrolled", text_or_null(row[6])},
                              {"revoked", time_or_null(row[7])}};
}

constexpr TokenKindFacts kOfPeople = {
    "/v1/tokens", "person_token", "id, name, role, created_s, expires_s, revoked_s",
    "name",       person_json,    "polder hub tokens"};
constexpr TokenKindFacts kOfEnrolment = {
    "/v1/enrolment-tokens",
    "enrolment_token",
    "id, device, created_s, created_by, expires_s, used_s, (SELECT c.device FROM certificate c "
    "WHERE c.serial = enrolment_token.certificate), revoked_s",
    "COALESCE(device, 'any device')",
    enrolment_json,
    "polder fleet enrolment-tokens"};

// The newest first, page by page.
Result<Response> list_tokens(const Call& call, const TokenKindFacts& kind) {
  TRY(call.target.only({"limit", "after"}));
  TRY_VALUE(const std::int64_t limit, call.target.integer("limit", 1, kMaxPage, kPage));
  const std::string after = call.target.text("after");
  std::string sql = fmt::format("SELECT {} FROM {}", kind.columns, kind.table);
  Values values;
  if (!after.empty()) {
    TRY_VALUE(
        const Rows last,
        ask(call.hub, fmt::format("SELECT created_s FROM {} WHERE id = ?", kind.table), {after}));
    if (last.empty())
      return fail(Code::kNotFound, "the query: after: there is no token '{}'", clipped(after));
    sql += " WHERE created_s < ? OR (created_s = ? AND id > ?)";
    values = {last[0][0], last[0][0], after};
  }
  values.emplace_back(limit + 1);
  TRY_VALUE(const Rows rows, ask(call.hub, sql + " ORDER BY created_s DESC, id LIMIT ?", values));
  trust::Json::Array list;
  for (const Row& row : rows)
    if (static_cast<std::int64_t>(list.size()) < limit) list.push_back(kind.shown(row));
  trust::Json::Members page;
  if (rows.size() > list.size())
    page.emplace("next", fmt::format("{}?limit={}&after={}", kind.path, limit,
                                     rows[list.size() - 1][0].text()));
  page.emplace("tokens", std::move(list));
  return document(std::move(page), call.request);
}

Result<Response> revoke_token(const Call& call, const TokenKindFacts& kind) {
  TRY(call.target.only({}));
  const std::string& id = call.parts[0];
  const std::int64_t now_s = call.hub.wall.now_s();
  Status done = write(call.hub, [&](Database& database) -> Status {
    TRY_VALUE(const Rows rows,
              ask(database,
                  fmt::format("SELECT {}, revoked_s FROM {} WHERE id = ?", kind.object, kind.table),
                  {id}));
    if (rows.empty())
      return fail(Code::kNotFound, "there is no token with this id: '{}' ({}) lists them",
                  kind.command, kind.path);
    if (!rows[0][1].is_null()) return {};
    TRY(tell(database, fmt::format("UPDATE {} SET revoked_s = ? WHERE id = ?", kind.table),
             {now_s, id}));
    return put_on_record(
        database,
        {now_s, call.actor, trust::Act::kTokenRevoked, rows[0][0].text(), {{"token", id}}});
  });
  TRY(std::move(done));
  return Response{.status = 204};
}

}  // namespace

Result<Response> list_person_tokens(const Call& call) { return list_tokens(call, kOfPeople); }
Result<Response> revoke_person_token(const Call& call) { return revoke_token(call, kOfPeople); }
Result<Response> list_enrolment_tokens(const Call& call) { return list_tokens(call, kOfEnrolment); }
Result<Response> revoke_enrolment_token(const Call& call) {
  return revoke_token(call, kOfEnrolment);
}

namespace {

constexpr std::size_t kMaxBatch = 500;  // tokens made at once

Result<std::int64_t> valid_s_of(const trust::Object& body) {
  if (!body.has("valid_s")) return kDayS;
  return body.integer("valid_s", 60, 30 * kDayS);
}

// One for each of these devices, all or none; "" is any device.
Result<trust::Json::Array> make_enrolment_tokens(const Call& call,
                                                 const std::vector<std::string>& devices,
                                                 std::int64_t valid_s) {
  const std::int64_t now_s = call.hub.wall.now_s(), until_s = now_s + valid_s;
  std::vector<NewToken> tokens;
  for (std::size_t i = 0; i < devices.size(); ++i) {
    TRY_VALUE(NewToken token, make_token(TokenKind::kEnrolment));
    tokens.push_back(std::move(token));
  }
  Status done = write(call.hub, [&](Database& database) -> Status {
    for (std::size_t i = 0; i < devices.size(); ++i) {
      const NewToken& token = tokens[i];
      const bool is_for_any = devices[i].empty();
      TRY(tell(database,
               "INSERT INTO enrolment_token (id, salt, hash, device, created_s, created_by, "
               "expires_s) VALUES (?, ?, ?, ?, ?, ?, ?)",
               {token.id, Bytes{token.salt}, Bytes{token.hash},
                is_for_any ? Value() : Value(devices[i]), now_s, call.actor, until_s}));
      TRY(put_on_record(database, {now_s,
                                   call.actor,
                                   trust::Act::kTokenCreated,
                                   is_for_any ? "any device" : devices[i],
                                   {{"token", token.id}}}));
    }
    return {};
  });
  TRY(std::move(done));
  trust::Json::Array made;
  for (std::size_t i = 0; i < devices.size(); ++i) {
    trust::Json::Members one{{"id", tokens[i].id},
                             {"token", tokens[i].text},
                             {"expires", trust::tuf::time_text(until_s)}};
    if (!devices[i].empty()) one.emplace("device", devices[i]);
    made.emplace_back(std::move(one));
  }
  return made;
}

}  // namespace

Result<Response> create_enrolment_token(const Call& call) {
  TRY(call.target.only({}));
  TRY_VALUE(const trust::Json json, call.json());
  TRY_VALUE(const trust::Object body, trust::Object::of(json, "body"));
  TRY(body.only({"device", "valid_s"}));
  std::string device;
  if (body.has("device")) {
    TRY_VALUE(device, body.text("device"));
    TRY(check_device("body.device", device));
  }
  TRY_VALUE(const std::int64_t valid_s, valid_s_of(body));
  TRY_VALUE(trust::Json::Array made, make_enrolment_tokens(call, {device}, valid_s));
  return document(made[0], call.request, 201);
}

Result<Response> create_enrolment_tokens(const Call& call) {
  TRY(call.target.only({}));
  TRY_VALUE(const trust::Json json, call.json());
  TRY_VALUE(const trust::Object body, trust::Object::of(json, "body"));
  TRY(body.only({"devices", "valid_s"}));
  TRY_VALUE(const trust::Json::Array* const names, body.array("devices", kMaxBatch));
  if (names->empty())
    return fail(Code::kInvalid, "body.devices: 1 to {} names expected", kMaxBatch);
  std::vector<std::string> devices;
  std::set<std::string_view> seen;
  for (std::size_t i = 0; i < names->size(); ++i) {
    const std::string place = fmt::format("body.devices[{}]", i);
    const std::string* const name = (*names)[i].string();
    if (!name) return fail(Code::kInvalid, "{}: a text expected", place);
    TRY(check_device(place, *name));
    if (!seen.insert(*name).second)
      return fail(Code::kInvalid, "{}: '{}' is there twice", place, *name);
    devices.push_back(*name);
  }
  TRY_VALUE(const std::int64_t valid_s, valid_s_of(body));
  TRY_VALUE(trust::Json::Array made, make_enrolment_tokens(call, devices, valid_s));
  return document(trust::Json::Members{{"tokens", std::move(made)}}, call.request, 201);
}

}  // namespace polder::hub
