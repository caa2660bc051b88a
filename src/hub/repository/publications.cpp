#include "hub/repository/publications.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "base/fail.h"
#include "base/text.h"
#include "hub/repository/publisher.h"
#include "hub/repository/registry.h"
#include "hub/repository/title.h"
#include "hub/tokens.h"
#include "platform/file.h"
#include "trust/tuf_limits.h"

namespace polder::hub {
namespace {

using trust::Json;
constexpr std::size_t kIdDigits = 16;

Result<std::string> new_id() {
  TRY_VALUE(const std::string name, random_name());
  return name.substr(0, kIdDigits);
}

// The id of one that waits for the same; empty: none.
Result<std::string> waiting_for(const Hub& hub, const std::string& digest) {
  TRY_VALUE(const Rows rows,
            ask(hub, "SELECT id FROM approval WHERE state = 'open' AND digest = ?", {digest}));
  return rows.empty() ? std::string() : rows[0][0].text();
}

Status check_room(Database& database) {
  TRY_VALUE(const Rows rows,
            ask(database, "SELECT COUNT(*) FROM approval WHERE state = 'open'", {}));
  if (rows[0][0].integer() < kMaxOpenApprovals) return {};
  return fail(Code::kIncompatible, "{} approvals are open: approve or reject some first",
              kMaxOpenApprovals);
}

struct Asked {
  std::string id, kind, what, digest;
  Json details;
  std::string actor;
  trust::Act act = trust::Act::kPublicationAsked;
  std::string roles = {};
};

Status put_approval(Database& database, const Asked& asked, std::int64_t now_s) {
  TRY(check_room(database));
  TRY(tell(database,
           "INSERT INTO approval (id, kind, what, digest, details, asked_by, asked_s, roles, "
           "state) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'open')",
           {asked.id, asked.kind, asked.what, asked.digest, asked.details.compact(), asked.actor,
            now_s, asked.roles}));
  return put_on_record(database,
                       {now_s, asked.actor, asked.act, asked.what, {{"approval", asked.id}}});
}

// That no role lists any more.
std::vector<std::string> withdrawn_by(const Proposal& proposal) {
  std::vector<std::string> withdrawn;
  for (const trust::tuf::TargetChange& change : proposal.changes.targets)
    if (trust::tuf::is_manifest(change.path) && change.after.empty() &&
        std::ranges::count(proposal.releases, change.path, &ProposedRelease::target) == 0)
      withdrawn.push_back(change.path);
  return withdrawn;
}

Json details_of(const Proposal& proposal, const std::string& own_key_id) {
  Json::Array added, signatures;
  for (const ProposedRelease& release : proposal.releases) added.emplace_back(release.target);
  const auto withdrawn = withdrawn_by(proposal);
  for (const trust::tuf::Staged& role : proposal.roles)
    for (const std::string& key : role.signed_keys)
      signatures.emplace_back(Json::Members{{"role", role.role}, {"key", key}});
  return Json::Members{{"releases", std::move(added)},
                       {"withdrawn", Json::Array(withdrawn.begin(), withdrawn.end())},
                       {"signatures", std::move(signatures)},
                       {"key_names", Json::Members{{own_key_id, "the hub's own"}}},
                       {"changes", trust::tuf::to_json(proposal.changes)}};
}

Result<std::map<std::string, std::string>> read_roles(
    const Hub& hub, const std::map<std::string, std::string>& roles) {
  std::map<std::string, std::string> bytes;
  for (const auto& [role, digest] : roles) {
    const auto come = hub.uploads.find(digest);
    if (!come.ok() && come.error().code != Code::kNotFound) return come.error();
    if (!come.ok() || !come->is_whole)
      return fail(Code::kNotFound, "role '{}': its file {} has not come: push it again",
                  clipped(role), digest);
    auto read = read_file(hub.uploads.path(digest), trust::tuf::kMaxTargetsBytes);
    if (!read.ok() && read.error().code == Code::kExhausted)
      return fail(Code::kInvalid, "role '{}': a file of metadata has at most {} bytes",
                  clipped(role), trust::tuf::kMaxTargetsBytes);
    if (!read.ok()) return Error{Code::kIo, read.error().message};
    bytes.emplace(role, *std::move(read));
  }
  return bytes;
}

// What is to be decided.
struct Open {
  std::string kind, what, asked_by;
  Json details;
};
constexpr std::string_view kApproval =
    "SELECT kind, what, details, asked_by, state, decided_by, asked_s FROM approval WHERE id = ?";

Result<Open> open_approval(const Rows& rows) {
  if (rows.empty())
    return fail(Code::kNotFound,
                "there is no approval with this id: 'polder hub approvals --all' (/v1/approvals) "
                "lists them");
  const Row& row = rows[0];
  if (row[4].text() != "open")
    return row[4].text() == "superseded"
               ? fail(Code::kIncompatible,
                      "another publication came first, so no device would take it: who asked for "
                      "it stages it anew ('polder repo discard', 'polder hub pull')")
               : fail(Code::kIncompatible, "it was {} by {}",
                      row[4].text() == "taken_back" ? "taken back" : row[4].text(), row[5].text());
  TRY_VALUE(Json details, Json::parse(row[2].text(), "approval.details"));
  return Open{row[0].text(), row[1].text(), row[3].text(), std::move(details)};
}

// The same, for who may agree to it.
Result<Open> approvable(const Rows& rows, const std::string& id, const std::string& actor) {
  TRY_VALUE(Open open, open_approval(rows));
  if (open.asked_by != actor) return open;
  return fail(Code::kDenied,
              "{} asked for it: another person decides ('polder hub reject {}' takes it back)",
              actor, id);
}

struct Decision {
  std::string state, what, actor, reason;
  trust::Act act = trust::Act::kApproved;
  std::int64_t now_s = 0;
};

Status put_decision(Database& database, const std::string& id, const Decision& decision) {
  TRY(tell(database,
           "UPDATE approval SET state = ?, decided_by = ?, decided_s = ?, reason = ? WHERE id = ?",
           {decision.state, decision.actor, decision.now_s, decision.reason, id}));
  Json::Members details{{"approval", id}, {"state", decision.state}};
  if (!decision.reason.empty()) details.emplace("reason", decision.reason);
  return put_on_record(
      database, {decision.now_s, decision.actor, decision.act, decision.what, std::move(details)});
}

Status agree(Database& database, const std::string& id, const std::string& actor,
             std::int64_t now_s) {
  TRY_VALUE(const Rows rows, ask(database, kApproval, {id}));
  TRY_VALUE(const Open open, approvable(rows, id, actor));
  TRY_VALUE(const trust::Object details, trust::Object::of(open.details, "approval.details"));
  const bool is_alias = open.kind == "alias";
  if (!is_alias) {
    TRY_VALUE(const auto withdrawn, details.texts("withdrawn", trust::tuf::kMaxTargets));
    for (const std::string& target : withdrawn) TRY(may_withdraw(database, target));
  }
  TRY(put_decision(database, id, {"approved", open.what, actor, "", trust::Act::kApproved, now_s}));
  if (!is_alias) return {};
  TRY(tell(database, "UPDATE approval SET done_s = ? WHERE id = ?", {now_s, id}));
  TRY_VALUE(const std::string model, details.text("model"));
  TRY_VALUE(const std::string name, details.text("alias"));
  TRY_VALUE(const std::string version, details.text("version"));
  return set_alias(database, model, name, version, actor, now_s);
}

Status refuse(Database& database, const std::string& id, const std::string& actor,
              const std::string& reason, std::int64_t now_s) {
  TRY_VALUE(const Rows rows, ask(database, kApproval, {id}));
  TRY_VALUE(const Open open, open_approval(rows));
  const bool is_own = open.asked_by == actor;
  TRY(put_decision(database, id,
                   {is_own ? "taken_back" : "rejected", open.what, actor, reason,
                    trust::Act::kRejected, now_s}));
  return forget_waiting(database, id);
}

}  // namespace

Result<std::string> ask_for_publication(const Hub& hub, std::string_view actor,
                                        const std::map<std::string, std::string>& roles) {
  std::string list;
  for (const auto& [role, digest] : roles) list += fmt::format("{} {}\n", role, digest);
  const std::string digest = trust::hex(trust::sha256(list));
  TRY_VALUE(const std::string same, waiting_for(hub, digest));
  if (!same.empty()) return same;
  TRY_VALUE(const auto bytes, read_roles(hub, roles));
  TRY_VALUE(const std::string id, new_id());
  const std::int64_t now_s = hub.wall.now_s();
  TRY_VALUE(const Proposal proposal, hub.repository.propose(id, bytes, hub.uploads, now_s));
  const std::string own_key_id = hub.repository.key().id();
  const Asked asked{.id = id,
                    .kind = "publication",
                    .what = title_of(proposal, own_key_id),
                    .digest = digest,
                    .details = details_of(proposal, own_key_id),
                    .actor = std::string(actor),
                    .roles = Json(Json::Members(roles.begin(), roles.end())).compact()};
  Status done = write(hub, [&](Database& database) -> Status {
    for (const std::string& target : withdrawn_by(proposal)) TRY(may_withdraw(database, target));
    TRY(put_approval(database, asked, now_s));
    return note_waiting(database, proposal, {id, asked.actor, now_s});
  });
  if (done.ok()) return id;
  TRY(hub.repository.drop(id));
  return std::move(done).error();
}

Result<std::string> ask_for_alias(const Hub& hub, std::string_view actor, const std::string& model,
                                  const std::string& alias, const std::string& version) {
  const std::string digest = fmt::format("alias {} {} {}", model, alias, version);
  TRY_VALUE(const std::string same, waiting_for(hub, digest));
  if (!same.empty()) return same;
  TRY_VALUE(const std::string id, new_id());
  const Asked asked{
      .id = id,
      .kind = "alias",
      .what = fmt::format("makes {} {} the {}", model, version, alias),
      .digest = digest,
      .details = Json::Members{{"model", model}, {"alias", alias}, {"version", version}},
      .actor = std::string(actor),
      .act = trust::Act::kAliasAsked};
  Status done = write(
      hub, [&](Database& database) { return put_approval(database, asked, hub.wall.now_s()); });
  TRY(std::move(done));
  return id;
}

Result<std::map<std::string, std::vector<std::string>>> rivals(const Hub& hub) {
  TRY_VALUE(const Rows rows, ask(hub,
                                 "SELECT id, roles FROM approval WHERE state = 'open' AND roles "
                                 "<> '' ORDER BY asked_s, id"));
  std::vector<std::pair<std::string, Json>> waiting;
  for (const Row& row : rows) {
    auto roles = Json::parse(row[1].text(), "approval.roles");
    if (!roles.ok() || !roles->members()) continue;  // damaged: it holds up no other
    // The hub makes assignments anew, on whatever is published.
    std::erase_if(*roles->members(),
                  [](const auto& role) { return is_of_assignments(role.first); });
    waiting.emplace_back(row[0].text(), std::move(*roles));
  }
  const auto differ = [](const Json& some, const Json& others) {
    return std::ranges::any_of(*some.members(), [&](const auto& role) {
      const Json* const same = others.find(role.first);
      return same && *same != role.second;
    });
  };
  std::map<std::string, std::vector<std::string>> all;
  for (const auto& [id, roles] : waiting)
    for (const auto& [other, theirs] : waiting)
      if (differ(roles, theirs)) all[id].push_back(other);
  return all;
}

namespace {

// Nobody waits, for as long as large files are read: devices are answered by the same threads.
Error being_decided() {
  return fail(Code::kUnavailable, "another approval is being decided: ask again");
}

}  // namespace

Status approve(const Hub& hub, const std::string& id, const std::string& actor) {
  const auto alone = hub.publisher.decide();
  if (!alone) return being_decided();
  const std::int64_t now_s = hub.wall.now_s();
  // Who may not, hears so before large files are read.
  TRY_VALUE(const Rows rows, ask(hub, kApproval, {id}));
  TRY_VALUE(const Open open, approvable(rows, id, actor));
  std::optional<Proposal> proposal;
  if (open.kind == "publication") {
    auto checked = hub.repository.check(id, now_s);
    if (!checked.ok()) return checked.error();
    proposal = *std::move(checked);
  }
  Status done = write(hub, [&](Database& database) -> Status {
    TRY(agree(database, id, actor, now_s));
    if (!proposal) return {};
    // What another had brought before, which was rejected, is on record by this one.
    return note_waiting(database, *proposal, {id, rows[0][3].text(), rows[0][6].integer()});
  });
  TRY(std::move(done));
  if (open.kind != "publication") return {};
  // It is approved, whatever happens now: the publisher tries again.
  if (Status published = hub.publisher.finish(id); !published.ok())
    hub.log(fmt::format("publication {}: {}", id, published.error().message));
  return {};
}

Status reject(const Hub& hub, const std::string& id, const std::string& actor,
              const std::string& reason) {
  const auto alone = hub.publisher.decide();
  if (!alone) return being_decided();
  Status done = write(hub, [&](Database& database) {
    return refuse(database, id, actor, reason, hub.wall.now_s());
  });
  TRY(std::move(done));
  return hub.repository.drop(id);
}

}  // namespace polder::hub
