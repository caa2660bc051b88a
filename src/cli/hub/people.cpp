// polder hub tokens, add-token, revoke-token, log, proof and checkpoint: who may do what at a hub,
// and what was done there.
#include <string>

#include "base/fail.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/hub/client.h"
#include "cli/hub/print.h"
#include "hub/api/roles.h"
#include "trust/tuf_updater.h"

namespace polder::cli {

namespace {

using trust::Json;
using trust::tuf::percent_encoded;

constexpr std::int64_t kDayS = 24 * 3600;

constexpr Option kJson = {"--json", "", "prints the hub's answer as JSON"};
constexpr Option kOptions[] = {POLDER_HUB_OPTIONS, kJson};
constexpr Option kAddOptions[] = {
    POLDER_HUB_OPTIONS,
    {"--valid-days", "N", "how long it holds (default: until it is revoked)", false,
     whole<1, 3650>},
    kJson};
constexpr Option kLogOptions[] = {
    POLDER_HUB_OPTIONS,
    {"--actor", "NAME", "done by this person or device"},
    {"--act", "NAME", "such as device_revoked"},
    {"--object", "NAME", "done to this"},
    {"--limit", "N", "so many, the newest (default: 100)", false, whole<1, 1000>},
    kJson};

Result<int> tokens(const Args& args) {
  TRY_VALUE(HubClient hub, HubClient::open(args));
  TRY_VALUE(Json::Array all, hub.get_all("/v1/tokens?limit=1000", "tokens"));
  return print_list(args, std::move(all),
                    {.member = "tokens",
                     .columns = {"id", "name", "role", "created", "expires", "revoked"},
                     .none = "nobody has a token"});
}

Result<int> add_token(const Args& args) {
  Json::Members order{{"name", args.positional()[0]}, {"role", args.positional()[1]}};
  if (args.has("--valid-days")) order.emplace("valid_s", kDayS * args.integer("--valid-days", 0));
  TRY_VALUE(HubClient hub, HubClient::open(args));
  TRY_VALUE(const Json answer, hub.post("/v1/tokens", order));
  return print_token(args, answer);
}

Result<int> revoke_token(const Args& args) {
  TRY_VALUE(HubClient hub, HubClient::open(args));
  TRY(hub.post(fmt::format("/v1/tokens/{}/revoke", percent_encoded(args.positional()[0]))));
  if (!args.has("--json")) fmt::print("revoked: token {}\n", one_line(args.positional()[0]));
  return 0;
}

Result<int> log(const Args& args) {
  std::string path = fmt::format("/v1/audit?limit={}", args.integer("--limit", 100));
  for (const std::string_view name : {"actor", "act", "object"}) {
    const std::string option = fmt::format("--{}", name);
    if (args.has(option)) path += fmt::format("&{}={}", name, percent_encoded(args.text(option)));
  }
  TRY_VALUE(HubClient hub, HubClient::open(args));
  TRY_VALUE(const Json page, hub.get(path));
  TRY_VALUE(const trust::Object object, trust::Object::of(page, "answer"));
  TRY_VALUE(const Json::Array* const entries, object.array("entries", 1000));
  return print_list(args, *entries,
                    {.member = "entries",
                     .columns = {"sequence", "time", "actor", "act", "object", "details"},
                     .none = "no entries"});
}

// As `polder audit check-proof` takes it.
Result<int> proof(const Args& args) {
  TRY_VALUE(HubClient hub, HubClient::open(args));
  TRY_VALUE(const Json answer,
            hub.get(fmt::format("/v1/audit/{}/proof", percent_encoded(args.positional()[0]))));
  fmt::print("{}", answer.pretty());
  return 0;
}

Result<int> checkpoint(const Args& args) {
  TRY_VALUE(HubClient hub, HubClient::open(args));
  TRY_VALUE(const Json answer, hub.get("/v1/audit/checkpoint"));
  if (args.has("--json")) {
    fmt::print("{}", answer.pretty());
    return 0;
  }
  TRY_VALUE(const trust::Object object, trust::Object::of(answer, "answer"));
  TRY_VALUE(const std::string note, object.text("checkpoint", 64 << 10));
  fmt::print("{}", note);
  return 0;
}

}  // namespace

const Command kHubTokens = {.name = "hub tokens",
                            .summary = "Lists the tokens of people at a hub, never their secrets.",
                            .arguments = "",
                            .example = "  polder hub tokens",
                            .options = kOptions,
                            .min_positional = 0,
                            .max_positional = 0,
                            .run = tokens};

const Command kHubAddToken = {
    .name = "hub add-token",
    .summary = "Makes the token of a person, a viewer, operator, releaser or admin; shown once.",
    .arguments = "NAME ROLE",
    .example = "  polder hub add-token anna operator --valid-days 30 > token",
    .options = kAddOptions,
    .min_positional = 2,
    .max_positional = 2,
    .run = add_token,
    .last = hub::kRoles};

const Command kHubRevokeToken = {.name = "hub revoke-token",
                                 .summary = "Revokes the token of a person, by its id.",
                                 .arguments = "ID",
                                 .example = "  polder hub revoke-token 5f0e7a2b9c1d4e3f",
                                 .options = kOptions,
                                 .min_positional = 1,
                                 .max_positional = 1,
                                 .run = revoke_token};

const Command kHubLog = {.name = "hub log",
                         .summary = "Shows what was done at a hub, the newest first.",
                         .arguments = "",
                         .example = "  polder hub log --object camera-17",
                         .options = kLogOptions,
                         .min_positional = 0,
                         .max_positional = 0,
                         .run = log};

const Command kHubProof = {
    .name = "hub proof",
    .summary = "Fetches the proof that an entry is in a hub's log, for 'audit check-proof'.",
    .arguments = "SEQUENCE",
    .example = "  polder hub proof 7 > proof.json",
    .options = kOptions,
    .min_positional = 1,
    .max_positional = 1,
    .run = proof};

const Command kHubCheckpoint = {
    .name = "hub checkpoint",
    .summary = "Fetches the newest signed checkpoint of a hub's log; --json has its key.",
    .arguments = "",
    .example = "  polder hub checkpoint > kept-elsewhere.txt",
    .options = kOptions,
    .min_positional = 0,
    .max_positional = 0,
    .run = checkpoint};

}  // namespace polder::cli
