#include "hub/api/identity.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/fail.h"
#include "base/text.h"
#include "hub/api/roles.h"
#include "hub/tokens.h"
#include "hub/upkeep/gap.h"
#include "trust/assignment.h"
#include "trust/certificate.h"

namespace polder::hub {
namespace {

Error no_token() {
  return fail(Code::kDenied, "the token is none of this hub's, or holds no longer");
}

}  // namespace

std::string_view role_name(Role role) { return kRoles[static_cast<std::size_t>(role)]; }

Result<Role> role_from_name(std::string_view name) {
  const auto* const found = std::ranges::find(kRoles, name);
  if (found == kRoles.end())
    return fail(Code::kInvalid, "role '{}': viewer, operator, releaser or admin expected",
                clipped(name));
  return static_cast<Role>(found - kRoles.begin());
}

Status check_name(std::string_view what, std::string_view name) {
  const auto is_plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  const auto may_follow = [&](char c) { return is_plain(c) || c == '.' || c == '_' || c == '-'; };
  if (!name.empty() && name.size() <= 64 && is_plain(name[0]) &&
      std::ranges::all_of(name, may_follow))
    return {};
  return fail(Code::kInvalid,
              "{} '{}': 1 to 64 letters, digits, '.', '_' and '-' expected, the first a letter or "
              "digit",
              what, clipped(name));
}

Status check_actor(std::string_view what, std::string_view name) {
  TRY(check_name(what, name));
  const auto is_same = [](char a, char b) {
    return a == b || (a >= 'A' && a <= 'Z' && a + 32 == b);
  };
  if (!std::ranges::equal(name, kHubActor, is_same)) return {};
  return fail(Code::kInvalid, "{} '{}': so the audit log calls the hub itself; choose another name",
              what, name);
}

Status check_device(std::string_view what, std::string_view name) {
  TRY(check_actor(what, name));
  if (name != trust::kDefaultDevice) return {};
  return fail(Code::kInvalid,
              "{} '{}': so the repository calls what is for each device without an assignment; "
              "choose another name",
              what, name);
}

Result<Person> person_of(const Hub& hub, std::string_view authorization) {
  constexpr std::string_view kScheme = "Bearer ";
  if (authorization.empty())
    return fail(Code::kDenied, "this is for people: send 'Authorization: Bearer TOKEN'");
  if (!authorization.starts_with(kScheme)) return no_token();
  const auto parts = split_token(TokenKind::kPerson, authorization.substr(kScheme.size()));
  if (!parts) return no_token();
  TRY_VALUE(const Rows rows, ask(hub,
                                 "SELECT name, role, salt, hash, expires_s, revoked_s "
                                 "FROM person_token WHERE id = ?",
                                 {parts->id}));
  if (rows.empty()) return no_token();
  const Row& row = rows[0];
  const bool is_over = !row[4].is_null() && row[4].integer() <= hub.wall.now_s();
  if (!is_secret_of(parts->secret, row[2].bytes(), row[3].bytes()) || is_over || !row[5].is_null())
    return no_token();
  TRY_VALUE(const Role role, role_from_name(row[1].text()));
  return Person{row[0].text(), role};
}

Result<EnrolledDevice> device_of(const Hub& hub, std::string_view certificate_pem) {
  if (certificate_pem.empty())
    return fail(Code::kDenied, "this is for devices: show the certificate that enrolling gave");
  const std::int64_t now_s = hub.wall.now_s();
  const auto facts = hub.authority.check(certificate_pem, now_s);
  if (!facts.ok()) return Error{Code::kDenied, facts.error().message};
  TRY_VALUE(const Rows rows, ask(hub,
                                 "SELECT c.device, c.revoked_s, d.revoked_s, c.seen_s "
                                 "FROM certificate c JOIN device d ON d.id = c.device "
                                 "WHERE c.serial = ?",
                                 {facts->serial}));
  if (rows.empty()) return take_back(hub, *facts, std::string(certificate_pem));
  const Row& row = rows[0];
  if (!row[1].is_null() || !row[2].is_null())
    return fail(Code::kDenied, "certificate {}: it is revoked", facts->serial);
  // The device has it: from now on it shows the one before no more.
  if (row[3].is_null()) {
    Status done = write(hub, [&](Database& database) {
      return tell(database, "UPDATE certificate SET seen_s = ? WHERE serial = ? AND seen_s IS NULL",
                  {now_s, facts->serial});
    });
    TRY(std::move(done));
  }
  return EnrolledDevice{row[0].text(), facts->serial, facts->key_id, facts->from_s, facts->until_s};
}

// Nothing is believed of the certificate but the key: whoever has made it may have been a thief.
Result<EnrolledDevice> known_key(const Hub& hub, std::string_view certificate_pem, Error refused) {
  const auto facts = trust::read_certificate(certificate_pem);
  if (!facts.ok() || hub.authority.check(certificate_pem, facts->from_s).ok()) return refused;
  TRY_VALUE(const Rows rows,
            ask(hub,
                "SELECT d.id, d.revoked_s, (SELECT MAX(c.until_s) FROM certificate c WHERE "
                "c.device = d.id AND c.revoked_s IS NULL) FROM device d WHERE d.key_id = ?",
                {facts->key_id}));
  if (rows.empty()) return refused;
  const Row& row = rows[0];
  if (!row[1].is_null()) return fail(Code::kDenied, "device {}: it is revoked", row[0].text());
  if (row[2].integer() <= hub.wall.now_s())
    return fail(Code::kDenied, "device {}: its certificate has expired", row[0].text());
  return EnrolledDevice{.id = row[0].text(),
                        .serial = facts->serial,
                        .key_id = facts->key_id,
                        .from_s = facts->from_s,
                        .until_s = facts->until_s,
                        .by_key = true};
}

}  // namespace polder::hub
