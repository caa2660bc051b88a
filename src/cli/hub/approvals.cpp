// polder hub approvals, approve and reject: what waits for a second person.
#include <algorithm>
#include <cstdio>
#include <string>

#include "base/fail.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/hub/client.h"
#include "cli/hub/print.h"
#include "cli/repo/changes.h"
#include "cli/repo/key_names.h"
#include "trust/tuf_changes_read.h"
#include "trust/tuf_repository.h"

namespace polder::cli {

namespace {

using trust::Json;

constexpr std::size_t kMaxListed = 1'000;
constexpr std::size_t kMaxSignatures = 1'000'000;  // of a role and its hash bins

constexpr Option kListOptions[] = {
    POLDER_HUB_OPTIONS,
    {"--all", "", "also those that were decided"},
    {"--repo", "FOLDER", "with ID: a repository whose names of keys are shown with their ids"},
    {"--json", "", "prints them as JSON"}};
constexpr Option kJson = {"--json", "", "prints the approval as JSON"};
constexpr Option kApproveOptions[] = {POLDER_HUB_OPTIONS, kJson};
constexpr Option kRejectOptions[] = {
    POLDER_HUB_OPTIONS,
    {"--reason", "TEXT", "why, for the others and the audit log", false, check_reason},
    kJson};

// "/v1/approvals/ID".
Result<std::string> approval_path(const std::string& id) {
  const auto is_odd = [](char c) { return (c < 'a' || c > 'z') && (c < '0' || c > '9'); };
  if (std::ranges::any_of(id, is_odd))
    return fail(Code::kInvalid, "'{}' is the id of no approval: 'polder hub approvals' lists them",
                clipped(id));
  return "/v1/approvals/" + id;
}

// A state as people say it: "taken back".
std::string words_of(const std::string& state) {
  std::string words = one_line(state);
  std::ranges::replace(words, '_', ' ');
  return words;
}

// ": why" of one for which somebody said it.
std::string reason_of(const Json& approval) {
  const Json* const reason = approval.find("reason");
  return reason && reason->string() && !reason->string()->empty() ? ": " + shown(*reason) : "";
}

// "  asked by anna at 2026-12-01T00:00:00Z".
void print_act(const Json& approval, std::string_view act, const char* by, const char* at,
               std::string_view why = "") {
  const Json* const time = approval.find(at);
  if (time == nullptr || time->is_null()) return;
  const Json* const who = by == nullptr ? nullptr : approval.find(by);
  fmt::print("  {}{} at {}{}\n", act, who ? " by " + shown(*who) : "", shown(*time), why);
}

// Of keys: as the repository in --repo has them. A hub may say which one is its own, and no other
// name: one that was taken over would call its key whatever people trust.
Result<KeyNames> names_for(const Args& args, const trust::Object& details) {
  KeyNames names;
  if (args.has("--repo")) {
    TRY_VALUE(const auto repository, trust::tuf::Repository::open_to_read(args.text("--repo")));
    TRY_VALUE(names, KeyNames::of(repository.folder()));
  }
  if (!details.has("key_names")) return names;
  TRY_VALUE(const trust::Object known, details.object("key_names"));
  if (known.members().size() == 1)
    names.set_unnamed(known.members().begin()->first, "the hub's own, as it says");
  return names;
}

// Who has signed it, and all that it changes, as 'polder repo show' says it.
Status print_publication(const Args& args, const trust::Object& details) {
  TRY_VALUE(const KeyNames names, names_for(args, details));
  TRY_VALUE(const Json::Array* const signatures, details.array("signatures", kMaxSignatures));
  for (const Json& item : *signatures) {
    TRY_VALUE(const trust::Object one, trust::Object::of(item, details.place("signatures")));
    TRY_VALUE(const std::string role, one.text("role"));
    TRY_VALUE(const std::string key, one.text("key"));
    if (role.find(".bin-") != role.npos) continue;  // hundreds, by whoever signs for their role
    fmt::print("  {} signed by {}\n", one_line(role), names.beside(one_line(key)));
  }
  TRY_VALUE(const Json* const json, details.get("changes"));
  TRY_VALUE(const auto changes, trust::tuf::parse_changes(*json, details.place("changes")));
  print_changes(stdout, changes, names);
  return {};
}

Result<int> show(const Args& args) {
  TRY_VALUE(const std::string path, approval_path(args.positional()[0]));
  TRY_VALUE(HubClient hub, HubClient::open(args));
  TRY_VALUE(const Json approval, hub.get(path));
  if (args.has("--json")) {
    fmt::print("{}", approval.pretty());
    return 0;
  }
  TRY_VALUE(const trust::Object object, trust::Object::of(approval, "answer"));
  TRY_VALUE(const std::string id, object.text("id"));
  TRY_VALUE(const std::string state, object.text("state"));
  TRY_VALUE(const std::string kind, object.text("kind"));
  TRY_VALUE(const std::string what, object.text("what"));
  fmt::print("{} {}\n{} ({})\n", one_line(kind), one_line(id), one_line(what), words_of(state));
  print_act(approval, "asked", "asked_by", "asked");
  const Json* const details_json = approval.find("details");
  const Json* const by = details_json ? details_json->find("superseded_by") : nullptr;
  if (by) print_act(approval, "superseded by " + shown(*by), nullptr, "decided");
  else print_act(approval, words_of(state), "decided_by", "decided", reason_of(approval));
  print_act(approval, "done", nullptr, "done");
  if (const std::string rivals = rivals_of(approval); !rivals.empty()) fmt::print("  {}\n", rivals);
  if (kind != "publication") return 0;
  TRY_VALUE(const trust::Object details, object.object("details"));
  TRY(print_publication(args, details));
  return 0;
}

Result<int> list(const Args& args) {
  if (!args.positional().empty()) return show(args);
  if (args.has("--repo"))
    return wrong_usage(kHubApprovals,
                       fail(Code::kInvalid, "--repo: names keys of one approval: which ID?"),
                       args.has("--json"));
  TRY_VALUE(HubClient hub, HubClient::open(args));
  TRY_VALUE(Json::Array approvals, hub.get_all(fmt::format("/v1/approvals?limit={}{}", kMaxListed,
                                                           args.has("--all") ? "" : "&state=open"),
                                               "approvals"));
  std::string notes;
  for (const Json& approval : approvals) {
    const Json* const id = approval.find("id");
    if (const std::string rivals = rivals_of(approval); !rivals.empty())
      notes += fmt::format("{} waits {}\n", id ? shown(*id) : "", rivals);
  }
  TRY_VALUE(const int status, print_list(args, std::move(approvals),
                                         {.member = "approvals",
                                          .columns = {"id", "state", "asked", "asked_by", "what"},
                                          .none = "nothing waits"}));
  if (!args.has("--json")) fmt::print("{}", notes);
  return status;
}

Result<int> decide(const Args& args, std::string_view how, const std::string& reason = "") {
  TRY_VALUE(const std::string path, approval_path(args.positional()[0]));
  TRY_VALUE(HubClient hub, HubClient::open(args));
  const std::string target = fmt::format("{}/{}", path, how);
  TRY_VALUE(const Json approval, reason.empty()
                                     ? hub.post(target)
                                     : hub.post(target, Json::Members{{"reason", reason}}));
  if (args.has("--json")) {
    fmt::print("{}", approval.pretty());
    return 0;
  }
  TRY_VALUE(const trust::Object object, trust::Object::of(approval, "answer"));
  TRY_VALUE(const std::string what, object.text("what"));
  TRY_VALUE(const std::string state, object.text("state"));
  const Json* const done = approval.find("done");
  const bool waits = state == "approved" && (done == nullptr || done->is_null());
  fmt::print("{}: {}{}{}\n", one_line(what), words_of(state), reason_of(approval),
             waits ? "; it is not published yet: the hub tries again, and its log says why" : "");
  return 0;
}

Result<int> approve(const Args& args) { return decide(args, "approve"); }
Result<int> reject(const Args& args) { return decide(args, "reject", args.text("--reason")); }

}  // namespace

const Command kHubApprovals = {
    .name = "hub approvals",
    .summary = "Lists what waits at a hub for a second person, or shows all that one changes.",
    .arguments = "[ID]",
    .example =
        "  polder hub approvals --hub https://hub.example.org:8443\n"
        "  polder hub approvals 5f0e7a2b9c1d4e3f --repo repo",
    .options = kListOptions,
    .min_positional = 0,
    .max_positional = 1,
    .run = list};

const Command kHubApprove = {
    .name = "hub approve",
    .summary = "Agrees to what somebody else has asked a hub for. A publication is then published.",
    .arguments = "ID",
    .example = "  polder hub approve 5f0e7a2b9c1d4e3f --hub https://hub.example.org:8443",
    .options = kApproveOptions,
    .min_positional = 1,
    .max_positional = 1,
    .run = approve};

const Command kHubReject = {
    .name = "hub reject",
    .summary =
        "Refuses what somebody has asked a hub for, or takes back what you have asked for. Nothing "
        "of it is\nleft there.",
    .arguments = "ID",
    .example = "  polder hub reject 5f0e7a2b9c1d4e3f --reason 'the wrong labels'",
    .options = kRejectOptions,
    .min_positional = 1,
    .max_positional = 1,
    .run = reject};

}  // namespace polder::cli
