// How a device comes in and stays: its certificates.
//
// An answer may be lost on its way. Whoever then asks for the same again, with the same key, gets
// the same certificate; nobody else does.
#include <utility>

#include "base/fail.h"
#include "hub/api/handlers.h"
#include "hub/tokens.h"
#include "trust/certificate.h"
#include "trust/tuf_metadata.h"

namespace polder::hub {
namespace {

// A certificate that is made and not yet the device's.
struct Issued {
  std::string pem, serial, key_id;
  std::int64_t now_s = 0, until_s = 0;
};

Result<Issued> issue(const Hub& hub, const trust::PublicKey& key, std::string_view device) {
  Issued issued{.pem = "", .serial = "", .key_id = key.id(), .now_s = hub.wall.now_s()};
  TRY_VALUE(issued.pem, hub.authority.issue(key, device, issued.now_s));
  TRY_VALUE(const trust::CertificateFacts facts, trust::read_certificate(issued.pem));
  issued.serial = facts.serial;
  issued.until_s = facts.until_s;
  return issued;
}

Status keep(Database& database, const std::string& device, const Issued& issued,
            const Value& replaces) {
  return tell(database,
              "INSERT INTO certificate (serial, device, pem, issued_s, until_s, replaces) "
              "VALUES (?, ?, ?, ?, ?, ?)",
              {issued.serial, device, issued.pem, issued.now_s, issued.until_s, replaces});
}

Response answer(const Call& call, const std::string& device, const std::string& pem) {
  return document(
      trust::Json::Members{
          {"device", device}, {"certificate", pem}, {"authority", call.hub.authority.pem()}},
      call.request, 201);
}

Error duplicate(std::string_view device, std::string_view why) {
  return fail(Code::kIncompatible, "device {}: {}", device, why);
}

Result<trust::CertificateRequest> read_csr(const trust::Object& body) {
  TRY_VALUE(const std::string pem, body.text("csr", 16 << 10));
  TRY_VALUE(trust::CertificateRequest csr, trust::read_certificate_request(pem));
  TRY(check_actor("body.csr: the device", csr.common_name));
  return csr;
}

// --- Enrolling -----------------------------------------------------------------------------------

struct Applicant {
  std::string device, key_id;
  TokenParts token;
};

// What became of a token that fits: used already by this very device, or still to be used.
struct TokenUse {
  std::string certificate;  // that it gave; empty: none
  bool names_device = false;
};

Result<TokenUse> check_token(const Result<Rows>& found, const Applicant& who, std::int64_t now_s) {
  if (!found.ok()) return found.error();
  const Error refused = fail(Code::kDenied, "the enrolment token is none of this hub's");
  if (found->empty()) return refused;
  const Row& row = (*found)[0];
  if (!is_secret_of(who.token.secret, row[0].bytes(), row[1].bytes())) return refused;
  if (!row[9].is_null())
    return fail(Code::kDenied, "the enrolment token is revoked: ask for another");
  if (row[3].integer() <= now_s)
    return fail(Code::kDenied, "the enrolment token has expired: ask for another");
  if (!row[2].is_null() && row[2].text() != who.device)
    return fail(Code::kDenied, "the enrolment token is for another device than {}", who.device);
  if (row[4].is_null()) return TokenUse{.certificate = "", .names_device = !row[2].is_null()};
  if (row[5].text() != who.device || row[6].text() != who.key_id || !row[8].is_null())
    return fail(Code::kDenied, "the enrolment token has been used: ask for another");
  return TokenUse{.certificate = row[7].text(), .names_device = !row[2].is_null()};
}

constexpr std::string_view kToken =
    "SELECT t.salt, t.hash, t.device, t.expires_s, t.used_s, c.device, d.key_id, c.pem, "
    "c.revoked_s, t.revoked_s FROM enrolment_token t LEFT JOIN certificate c ON c.serial = "
    "t.certificate "
    "LEFT JOIN device d ON d.id = c.device WHERE t.id = ?";

// The device's row, new or with its new key. Who has the name may lose it only to a token that
// names it: somebody wanted that.
Status admit(Database& database, const Applicant& who, bool names_device, std::int64_t now_s) {
  TRY_VALUE(const Rows same_key, ask(database, "SELECT id FROM device WHERE key_id = ? AND id <> ?",
                                     {who.key_id, who.device}));
  if (!same_key.empty())
    return duplicate(who.device, fmt::format("its key is that of {}: was its disk copied? Make a "
                                             "key of its own ('polderd identity create')",
                                             same_key[0][0].text()));
  TRY_VALUE(const Rows same_name,
            ask(database, "SELECT key_id FROM device WHERE id = ?", {who.device}));
  if (same_name.empty())
    return tell(database, "INSERT INTO device (id, key_id, enrolled_s) VALUES (?, ?, ?)",
                {who.device, who.key_id, now_s});
  if (!names_device)
    return duplicate(who.device,
                     "another one has this name. If it is to take its place, enrol it with a "
                     "token that names it");
  TRY(tell(database, "UPDATE certificate SET revoked_s = ? WHERE device = ? AND revoked_s IS NULL",
           {now_s, who.device}));
  // It may be another machine: it tells anew what it is.
  for (const char* const table : {"device_machine", "device_target"})
    TRY(tell(database, fmt::format("DELETE FROM {} WHERE device = ?", table), {who.device}));
  return tell(database,
              "UPDATE device SET key_id = ?, enrolled_s = ?, revoked_s = NULL, duplicate_s = NULL "
              "WHERE id = ?",
              {who.key_id, now_s, who.device});
}

// What was refused is worth an entry: the token was right.
void record_duplicate(const Call& call, const std::string& device, const std::string& actor,
                      const std::string& why) {
  const std::int64_t now_s = call.hub.wall.now_s();
  const Status done = write(call.hub, [&](Database& database) {
    return put_on_record(database,
                         {now_s, actor, trust::Act::kDuplicateFound, device, {{"reason", why}}});
  });
  if (!done.ok()) call.hub.log("a duplicate is not on record: " + done.error().message);
}

}  // namespace

Result<Response> enrol(const Call& call) {
  TRY(call.target.only({}));
  TRY_VALUE(const trust::Json json, call.json());
  TRY_VALUE(const trust::Object body, trust::Object::of(json, "body"));
  TRY(body.only({"token", "csr"}));
  TRY_VALUE(const std::string text, body.text("token"));
  TRY_VALUE(const trust::CertificateRequest csr, read_csr(body));
  TRY(check_device("body.csr: the device", csr.common_name));
  const auto parts = split_token(TokenKind::kEnrolment, text);
  if (!parts) return fail(Code::kDenied, "the enrolment token is none of this hub's");
  const Applicant who{csr.common_name, csr.key.id(), *parts};
  // Before there is any work for whoever has no token.
  const std::int64_t now_s = call.hub.wall.now_s();
  TRY_VALUE(const TokenUse use, check_token(ask(call.hub, kToken, {parts->id}), who, now_s));
  if (!use.certificate.empty()) return answer(call, who.device, use.certificate);
  TRY_VALUE(const Issued issued, issue(call.hub, csr.key, who.device));
  const std::string actor = "token:" + parts->id;
  std::string pem;
  Status done = write(call.hub, [&](Database& database) -> Status {
    TRY_VALUE(const TokenUse now, check_token(ask(database, kToken, {parts->id}), who, now_s));
    pem = now.certificate.empty() ? issued.pem : now.certificate;
    if (!now.certificate.empty()) return {};
    TRY(admit(database, who, now.names_device, now_s));
    TRY(keep(database, who.device, issued, {}));
    TRY(tell(database, "UPDATE enrolment_token SET used_s = ?, certificate = ? WHERE id = ?",
             {now_s, issued.serial, parts->id}));
    return put_on_record(database, {now_s,
                                    actor,
                                    trust::Act::kDeviceEnrolled,
                                    who.device,
                                    {{"key", who.key_id}, {"serial", issued.serial}}});
  });
  if (done.ok()) return answer(call, who.device, pem);
  if (done.error().code == Code::kIncompatible)
    record_duplicate(call, who.device, actor, done.error().message);
  return std::move(done).error();
}

// --- Renewing ------------------------------------------------------------------------------------

namespace {

// Of a certificate that is shown (of one of an earlier authority: of the device's key with this
// one): the one that replaced it, if one did.
constexpr std::string_view kReplacement =
    "SELECT pem, seen_s FROM certificate WHERE replaces = ? AND revoked_s IS NULL";

// The certificate that is shown, where half of its life is not over and none has replaced it: there
// is nothing to renew, and who asks without end changes nothing. Empty: it is time.
Result<std::string> one_that_holds(const Call& call) {
  TRY_VALUE(const Rows rows,
            ask(call.hub,
                "SELECT c.pem, c.issued_s, c.until_s FROM certificate c LEFT JOIN certificate r ON "
                "r.replaces = c.serial WHERE c.serial = ? AND r.serial IS NULL",
                {call.device.serial}));
  if (rows.empty()) return std::string();
  const std::int64_t issued_s = rows[0][1].integer(), until_s = rows[0][2].integer();
  const bool holds = call.hub.wall.now_s() < issued_s + (until_s - issued_s) / 2;
  return holds ? rows[0][0].text() : std::string();
}

// Whether the newest certificate of a device is of this hub's authority: then the device has it,
// and whoever shows one of another authority has copied no more than its key, and made that.
Result<bool> has_one_of_ours(const Hub& hub, Database& database, const std::string& device) {
  TRY_VALUE(const Rows rows,
            ask(database,
                "SELECT pem FROM certificate WHERE device = ? AND revoked_s IS NULL ORDER BY "
                "issued_s DESC, until_s DESC LIMIT 1",
                {device}));
  return !rows.empty() && hub.authority.check(rows[0][0].text(), hub.wall.now_s()).ok();
}

}  // namespace

Result<Response> renew(const Call& call) {
  TRY(call.target.only({}));
  TRY_VALUE(const trust::Json json, call.json());
  TRY_VALUE(const trust::Object body, trust::Object::of(json, "body"));
  TRY(body.only({"csr"}));
  TRY_VALUE(const trust::CertificateRequest csr, read_csr(body));
  const std::string& device = call.device.id;
  if (csr.common_name != device)
    return fail(Code::kDenied, "body.csr: is of {}, the certificate of {}", csr.common_name,
                device);
  std::string pem;
  // One of another authority holds no longer.
  if (!call.device.by_key) {
    TRY_VALUE(pem, one_that_holds(call));
  }
  if (!pem.empty() && csr.key.id() == call.device.key_id) return answer(call, device, pem);
  TRY_VALUE(const Issued issued, issue(call.hub, csr.key, device));
  const std::string shown =
      call.device.by_key ? fmt::format("{} {}", call.hub.authority.fingerprint(), issued.key_id)
                         : call.device.serial;
  bool is_duplicate = false;
  Status done = write(call.hub, [&](Database& database) -> Status {
    pem.clear();
    TRY_VALUE(const Rows keys, ask(database, "SELECT key_id FROM device WHERE id = ?", {device}));
    if (keys.empty() || keys[0][0].text() != issued.key_id)
      return fail(Code::kDenied, "body.csr: is of another key: a new key is enrolled");
    TRY_VALUE(const Rows later, ask(database, kReplacement, {shown}));
    is_duplicate = !later.empty() && !later[0][1].is_null();
    if (call.device.by_key && later.empty()) {
      TRY_VALUE(is_duplicate, has_one_of_ours(call.hub, database, device));
    }
    if (is_duplicate) {
      TRY(tell(database, "UPDATE device SET duplicate_s = ? WHERE id = ?", {issued.now_s, device}));
      return put_on_record(database, {issued.now_s,
                                      device,
                                      trust::Act::kDuplicateFound,
                                      device,
                                      {{"serial", call.device.serial}}});
    }
    if (!later.empty()) {
      pem = later[0][0].text();
      return {};
    }
    pem = issued.pem;
    TRY(keep(database, device, issued, shown));
    return put_on_record(
        database,
        {issued.now_s, device, trust::Act::kDeviceRenewed, device, {{"serial", issued.serial}}});
  });
  TRY(std::move(done));
  if (is_duplicate)
    return duplicate(device,
                     "its certificate was renewed or replaced before, and that one is in use: two "
                     "devices have one identity. Enrol one of them anew, with a key of its own");
  return answer(call, device, pem);
}

}  // namespace polder::hub
