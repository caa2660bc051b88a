// polder hub approvals, approve and reject: what waits for a second person.
#include <algorithm>
#include <string>

#include "base/fail.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/hub/client.h"

namespace polder::cli {

namespace {

using trust::Json;

constexpr std::size_t kMaxListed = 1'000;

constexpr Option kListOptions[] = {POLDER_HUB_OPTIONS,
                                   {"--all", "", "also those that were decided"},
                                   {"--json", "", "prints them as JSON"}};
constexpr Option kDecideOptions[] = {POLDER_HUB_OPTIONS,
                                     {"--json", "", "prints the approval as JSON"}};

Result<int> list(const Args& args) {
  TRY_VALUE(HubClient hub, HubClient::open(args));
  TRY_VALUE(const Json page, hub.get(fmt::format("/v1/approvals?limit={}{}", kMaxListed,
                                                 args.has("--all") ? "" : "&state=open")));
  if (args.has("--json")) {
    fmt::print("{}", page.pretty());
    return 0;
  }
  TRY_VALUE(const trust::Object object, trust::Object::of(page, "answer"));
  TRY_VALUE(const Json::Array* const approvals, object.array("approvals", kMaxListed));
  if (approvals->empty()) fmt::print("nothing waits\n");
  for (const Json& each : *approvals) {
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
  const std::string& id = args.positional()[0];
  const auto is_odd = [](char c) { return (c < 'a' || c > 'z') && (c < '0' || c > '9'); };
  if (std::ranges::any_of(id, is_odd))
    return fail(Code::kInvalid, "'{}' is the id of no approval: 'polder hub approvals' lists them",
                clipped(id));
  TRY_VALUE(HubClient hub, HubClient::open(args));
  TRY_VALUE(const Json approval, hub.post(fmt::format("/v1/approvals/{}/{}", id, how)));
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
    .summary = "Lists what waits at a hub for a second person.",
    .arguments = "",
    .example = "  polder hub approvals --hub https://hub.example.org:8443",
    .options = kListOptions,
    .min_positional = 0,
    .max_positional = 0,
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
