// How what people have signed comes in, and who agrees to it.
#include "hub/repository/publications.h"

#include <utility>

#include "base/fail.h"
#include "base/text.h"
#include "hub/api/body.h"
#include "hub/api/handlers.h"
#include "platform/folder.h"
#include "trust/release_folder.h"

namespace polder::hub {
namespace {

constexpr std::size_t kMaxAsked = 500;  // digests in one question
constexpr std::size_t kMaxRoleFiles = 8'192;

constexpr std::string_view kApprovals =
    "SELECT id, kind, what, asked_by, asked_s, state, decided_by, decided_s, done_s, details, "
    "reason FROM approval ";

Status check_digest(std::string_view text) {
  constexpr std::size_t kDigits = 64;
  if (text.size() == kDigits && text.find_first_not_of("0123456789abcdef") == text.npos) return {};
  return fail(Code::kInvalid, "a SHA-256 in 64 lower-case hexadecimal digits expected, '{}' found",
              clipped(text));
}

bool is_served(const Call& call, const std::string& digest) {
  const std::string place =
      call.hub.repository.folder() + "/blobs/sha256/" + digest.substr(0, 2) + "/" + digest;
  return entry_kind(place).ok();
}

Response upload_document(const Call& call, const Uploaded& uploaded) {
  return document(
      trust::Json::Members{{"received", uploaded.received}, {"complete", uploaded.is_whole}},
      call.request);
}

trust::Json text_or_null(const Value& value) {
  return value.is_null() ? trust::Json() : trust::Json(value.text());
}

using Rivals = std::map<std::string, std::vector<std::string>>;

trust::Json::Members approval_json(const Row& row, const Rivals& all) {
  trust::Json::Array rivals;
  if (const auto found = all.find(row[0].text()); found != all.end())
    rivals.assign(found->second.begin(), found->second.end());
  return {{"id", row[0].text()},
          {"kind", row[1].text()},
          {"what", row[2].text()},
          {"asked_by", row[3].text()},
          {"asked", time_or_null(row[4])},
          {"state", row[5].text()},
          {"decided_by", text_or_null(row[6])},
          {"decided", time_or_null(row[7])},
          {"reason", row[10].text()},
          {"rivals", std::move(rivals)},
          {"done", time_or_null(row[8])}};
}

// With all that is asked for.
Result<Response> approval_document(const Call& call, const std::string& id, int status = 200) {
  TRY_VALUE(const Rows rows, ask(call.hub, std::string(kApprovals) + "WHERE id = ?", {id}));
  if (rows.empty())
    return fail(Code::kNotFound,
                "there is no approval with this id: 'polder hub approvals --all' (/v1/approvals) "
                "lists them");
  TRY_VALUE(const Rivals all, rivals(call.hub));
  trust::Json::Members members = approval_json(rows[0], all);
  const auto details = trust::Json::parse(rows[0][9].text(), "approval.details");
  if (!details.ok()) return Error{Code::kIo, details.error().message};
  members.emplace("details", *details);
  return document(std::move(members), call.request, status);
}

}  // namespace

// --- Files ---------------------------------------------------------------------------------------

Result<Response> list_missing_uploads(const Call& call) {
  TRY(call.target.only({}));
  TRY_VALUE(const trust::Json json, call.json());
  TRY_VALUE(const trust::Object body, trust::Object::of(json, "body"));
  TRY(body.only({"sha256"}));
  TRY_VALUE(const auto digests, body.texts("sha256", kMaxAsked));
  trust::Json::Array missing;
  for (const std::string& digest : digests) {
    TRY(check_digest(digest));
    if (is_served(call, digest)) continue;
    const auto come = call.hub.uploads.find(digest);
    if (!come.ok() && come.error().code != Code::kNotFound) return come.error();
    if (!come.ok() || !come->is_whole) missing.emplace_back(digest);
  }
  return document(trust::Json::Members{{"missing", std::move(missing)}}, call.request);
}

Result<Response> show_upload(const Call& call) {
  TRY(call.target.only({}));
  TRY(check_digest(call.parts[0]));
  TRY_VALUE(const Uploaded uploaded, call.hub.uploads.find(call.parts[0]));
  return upload_document(call, uploaded);
}

Result<Response> add_upload(const Call& call) {
  TRY(call.target.only({"from", "total"}));
  TRY(check_digest(call.parts[0]));
  Piece piece;
  TRY_VALUE(piece.from, call.target.integer("from", 0, kMaxUploadBytes, 0));
  TRY_VALUE(piece.total, call.target.integer("total", 0, kMaxUploadBytes, -1));
  if (piece.total < 0)
    return fail(Code::kInvalid, "the query: total: the size of the whole file expected");
  TRY_VALUE(const Uploaded uploaded, call.hub.uploads.add(call.parts[0], piece, call.request.body));
  return upload_document(call, uploaded);
}

// --- Publications and approvals ------------------------------------------------------------------

Result<Response> create_publication(const Call& call) {
  TRY(call.target.only({}));
  TRY_VALUE(const trust::Json json, call.json());
  TRY_VALUE(const trust::Object body, trust::Object::of(json, "body"));
  TRY(body.only({"roles"}));
  TRY_VALUE(const trust::Object named, body.object("roles"));
  if (named.members().empty())
    return fail(Code::kInvalid, "body.roles: is empty; nothing is staged");
  if (named.members().size() > kMaxRoleFiles)
    return fail(Code::kInvalid, "body.roles: {} roles; at most {}", named.members().size(),
                kMaxRoleFiles);
  std::map<std::string, std::string> roles;
  for (const auto& [role, value] : named.members()) {
    TRY_VALUE(const std::string digest, named.text(role));
    TRY(check_digest(digest));
    roles.emplace(role, digest);
  }
  TRY_VALUE(const std::string id, ask_for_publication(call.hub, call.actor, roles));
  return approval_document(call, id, 201);
}

Result<Response> list_approvals(const Call& call) {
  TRY(call.target.only({"state", "limit", "after"}));
  TRY_VALUE(const std::int64_t limit, call.target.integer("limit", 1, kMaxPage, kPage));
  const std::string state = call.target.text("state"), after = call.target.text("after");
  if (!state.empty() && state != "open" && state != "approved" && state != "rejected" &&
      state != "taken_back" && state != "superseded")
    return fail(Code::kInvalid,
                "the query: state: open, approved, rejected, taken_back or superseded expected, "
                "'{}' found",
                clipped(state));
  std::string sql = std::string(kApprovals) + "WHERE (? = '' OR state = ?)";
  Values values = {state, state};
  if (!after.empty()) {
    TRY_VALUE(const Rows last, ask(call.hub, "SELECT asked_s FROM approval WHERE id = ?", {after}));
    if (last.empty()) return fail(Code::kNotFound, "the query: after: there is no such approval");
    sql += " AND (asked_s < ? OR (asked_s = ? AND id < ?))";
    values.insert(values.end(), {last[0][0], last[0][0], after});
  }
  values.push_back(limit + 1);
  TRY_VALUE(const Rows rows,
            ask(call.hub, sql + " ORDER BY asked_s DESC, id DESC LIMIT ?", values));
  TRY_VALUE(const Rivals all, rivals(call.hub));
  trust::Json::Array list;
  for (const Row& row : rows)
    if (static_cast<std::int64_t>(list.size()) < limit) list.emplace_back(approval_json(row, all));
  trust::Json::Members page;
  if (rows.size() > list.size())
    page.emplace("next", fmt::format("/v1/approvals?limit={}&after={}{}{}", limit,
                                     rows[list.size() - 1][0].text(),
                                     state.empty() ? "" : "&state=", state));
  page.emplace("approvals", std::move(list));
  return document(std::move(page), call.request);
}

Result<Response> show_approval(const Call& call) {
  TRY(call.target.only({}));
  return approval_document(call, call.parts[0]);
}

Result<Response> approve_one(const Call& call) {
  TRY(call.target.only({}));
  TRY(approve(call.hub, call.parts[0], call.actor));
  return approval_document(call, call.parts[0]);
}

Result<Response> reject_one(const Call& call) {
  TRY(call.target.only({}));
  std::string reason;
  if (!call.request.body.empty()) {
    TRY_VALUE(reason, reason_of(call));
  }
  TRY(reject(call.hub, call.parts[0], call.actor, reason));
  return approval_document(call, call.parts[0]);
}

}  // namespace polder::hub
