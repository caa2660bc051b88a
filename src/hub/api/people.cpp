#include "hub/api/people.h"

#include <utility>

#include "base/fail.h"
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

Result<Response> list_person_tokens(const Call& call) {
  TRY(call.target.only({}));
  TRY_VALUE(const Rows rows, ask(call.hub,
                                 "SELECT id, name, role, created_s, expires_s, revoked_s "
                                 "FROM person_token ORDER BY created_s DESC, id LIMIT 1000"));
  trust::Json::Array list;
  for (const Row& row : rows) {
    list.push_back(trust::Json::Members{{"id", row[0].text()},
                                        {"name", row[1].text()},
                                        {"role", row[2].text()},
                                        {"created", time_or_null(row[3])},
                                        {"expires", time_or_null(row[4])},
                                        {"revoked", time_or_null(row[5])}});
  }
  return document(trust::Json::Members{{"tokens", std::move(list)}}, call.request);
}

Result<Response> revoke_person_token(const Call& call) {
  TRY(call.target.only({}));
  const std::string& id = call.parts[0];
  const std::int64_t now_s = call.hub.wall.now_s();
  Status done = write(call.hub, [&](Database& database) -> Status {
    TRY_VALUE(const Rows rows,
              ask(database, "SELECT name, revoked_s FROM person_token WHERE id = ?", {id}));
    if (rows.empty()) return fail(Code::kNotFound, "there is no token with this id");
    if (!rows[0][1].is_null()) return {};
    TRY(tell(database, "UPDATE person_token SET revoked_s = ? WHERE id = ?", {now_s, id}));
    return put_on_record(
        database,
        {now_s, call.actor, trust::Act::kTokenRevoked, rows[0][0].text(), {{"token", id}}});
  });
  TRY(std::move(done));
  return Response{.status = 204};
}

Result<Response> create_enrolment_token(const Call& call) {
  TRY(call.target.only({}));
  TRY_VALUE(const trust::Json json, call.json());
  TRY_VALUE(const trust::Object body, trust::Object::of(json, "body"));
  TRY(body.only({"device", "valid_s"}));
  std::string device;
  if (body.has("device")) {
    TRY_VALUE(device, body.text("device"));
    TRY(check_actor("body.device", device));
  }
  std::int64_t valid_s = kDayS;
  if (body.has("valid_s")) {
    TRY_VALUE(valid_s, body.integer("valid_s", 60, 30 * kDayS));
  }
  const std::int64_t now_s = call.hub.wall.now_s();
  TRY_VALUE(const NewToken token, make_token(TokenKind::kEnrolment));
  Status done = write(call.hub, [&](Database& database) -> Status {
    TRY(tell(database,
             "INSERT INTO enrolment_token (id, salt, hash, device, created_s, created_by, "
             "expires_s) VALUES (?, ?, ?, ?, ?, ?, ?)",
             {token.id, Bytes{token.salt}, Bytes{token.hash},
              device.empty() ? Value() : Value(device), now_s, call.actor, now_s + valid_s}));
    return put_on_record(database, {now_s,
                                    call.actor,
                                    trust::Act::kTokenCreated,
                                    device.empty() ? "any device" : device,
                                    {{"token", token.id}}});
  });
  TRY(std::move(done));
  trust::Json::Members made{
      {"id", token.id}, {"token", token.text}, {"expires", trust::tuf::time_text(now_s + valid_s)}};
  if (!device.empty()) made.emplace("device", device);
  return document(std::move(made), call.request, 201);
}

}  // namespace polder::hub
