// polder hub approvals, approve and reject: what waits for a second person.
#include <algorithm>
#include <string>

#include "base/fail.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/hub/client.h"
#include "cli/hub/print.h"

namespace polder::cli {

namespace {

using trust::Json;

constexpr std::size_t kMaxListed = 1'000;

constexpr Option kListOptions[] = {POLDER_HUB_OPTIONS,
                                   {"--all", "", "also those that were decided"},
                                   {"--json", "", "prints them as JSON"}};
constexpr Option kDecideOptions[] = {POLDER_HUB_OPTIONS,
                                     {"--json", "", "prints the approval as JSON"}};

// "/v1/approvals/ID".
Result<std::string> approval_path(const std::string& id) {
  const auto is_odd = [](char c) { return (c < 'a' || c > 'z') && (c < '0' || c > '9'); };
  if (std::ranges::any_of(id, is_odd))
    return fail(Code::kInvalid, "'{}' is the id of no approval: 'polder hub approvals' lists them",
                clipped(id));
  return "/v1/approvals/" + id;
}

// All that it changes: what it is of, and below that each part, further in; nothing of what is
// empty.
void print_tree(std::string_view name, const Json& value, std::size_t depth) {
  const Json::Array* const list = value.array();
  const Json::Members* const members = value.members();
  if (value.is_null() || (list && list->empty()) || (members && members->empty())) return;
  const std::string margin(2 * depth, ' ');
  const bool is_table = list && list->front().members();
  if (!members && !is_table) {
    fmt::print("{}{:<{}}  {}\n", margin, one_line(name), 18 - std::min<std::size_t>(18, 2 * depth),
               shown(value));
    return;
  }
  fmt::print("{}{}\n", margin, one_line(name));
  if (members)
    for (const auto& [part, one] : *members) print_tree(part, one, depth + 1);
  if (is_table)
    for (const Json& one : *list) fmt::print("{}  {}\n", margin, shown(one));
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
  for (const auto& [name, value] : object.members())
    if (name != "details") print_tree(name, value, 0);
  if (const Json* const details = approval.find("details")) print_tree("details", *details, 0);
  return 0;
}

Result<int> list(const Args& args) {
  if (!args.positional().empty()) return show(args);
  TRY_VALUE(HubClient hub, HubClient::open(args));
  TRY_VALUE(Json::Array approvals, hub.get_all(fmt::format("/v1/approvals?limit={}{}", kMaxListed,
                                                           args.has("--all") ? "" : "&state=open"),
                                               "approvals"));
  if (args.has("--json")) {
    fmt::print("{}", Json(Json::Members{{"approvals", std::move(approvals)}}).pretty());
    return 0;
  }
  if (approvals.empty()) fmt::print("nothing waits\n");
  for (const Json& each : approvals) {
    TRY_VALUE(const trust::Object approval, trust::Object::of(each, "answer.approvals"));
    std::string line;
    for (const char* name : {"id", "state", "kind", "asked", "asked_by", "what"}) {
      TRY_VALUE(const std::string text, approval.text(name));
      line += (line.empty() ? "" : "  ") + one_line(text);
    }
    fmt::print("{}\n", line);
  }
  return 0;
}

Result<int> decide(const Args& args, std::string_view how) {
  TRY_VALUE(const std::string path, approval_path(args.positional()[0]));
  TRY_VALUE(HubClient hub, HubClient::open(args));
  TRY_VALUE(const Json approval, hub.post(fmt::format("{}/{}", path, how)));
  if (args.has("--json")) {
    fmt::print("{}", approval.pretty());
    return 0;
  }
  TRY_VALUE(const trust::Object object, trust::Object::of(approval, "answer"));
  TRY_VALUE(const std::string what, object.text("what"));
  TRY_VALUE(const std::string state, object.text("state"));
  const Json* const done = approval.find("done");
  const bool waits = state == "approved" && (done == nullptr || done->is_null());
  fmt::print("{}: {}{}\n", one_line(what), one_line(state),
             waits ? "; it is not published yet: the hub tries again, and its log says why" : "");
  return 0;
}

Result<int> approve(const Args& args) { return decide(args, "approve"); }
Result<int> reject(const Args& args) { return decide(args, "reject"); }

}  // namespace

const Command kHubApprovals = {
    .name = "hub approvals",
    .summary = "Lists what waits at a hub for a second person, or shows all that one changes.",
    .arguments = "[ID]",
    .example =
        "  polder hub approvals --hub https://hub.example.org:8443\n"
        "  polder hub approvals 5f0e7a2b9c1d4e3f",
    .options = kListOptions,
    .min_positional = 0,
    .max_positional = 1,
    .run = list};

const Command kHubApprove = {
    .name = "hub approve",
    .summary = "Agrees to what somebody else has asked a hub for. A publication is then published.",
    .arguments = "ID",
    .example = "  polder hub approve 5f0e7a2b9c1d4e3f --hub https://hub.example.org:8443",
    .options = kDecideOptions,
    .min_positional = 1,
    .max_positional = 1,
    .run = approve};

const Command kHubReject = {
    .name = "hub reject",
    .summary = "Refuses what somebody else has asked a hub for. Nothing of it is left there.",
    .arguments = "ID",
    .example = "  polder hub reject 5f0e7a2b9c1d4e3f --hub https://hub.example.org:8443",
    .options = kDecideOptions,
    .min_positional = 1,
    .max_positional = 1,
    .run = reject};

}  // namespace polder::cli
