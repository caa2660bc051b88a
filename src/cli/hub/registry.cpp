// polder hub models, releases, alias and repository: what a hub has published.
#include <string>

#include "base/fail.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/hub/client.h"
#include "cli/hub/print.h"
#include "trust/tuf_updater.h"

namespace polder::cli {

namespace {

using trust::Json;
using trust::tuf::percent_encoded;

constexpr Option kJson = {"--json", "", "prints the hub's answer as JSON"};
constexpr Option kOptions[] = {POLDER_HUB_OPTIONS, kJson};
constexpr Option kReleasesOptions[] = {
    POLDER_HUB_OPTIONS, {"--model", "NAME", "of this model alone"}, kJson};

Result<int> models(const Args& args) {
  TRY_VALUE(HubClient hub, HubClient::open(args));
  TRY_VALUE(Json::Array all, hub.get_all("/v1/models?limit=1000", "models"));
  return print_list(args, std::move(all),
                    {.member = "models",
                     .columns = {"name", "versions", "aliases"},
                     .none = "no model is published"});
}

Result<int> releases(const Args& args) {
  TRY_VALUE(HubClient hub, HubClient::open(args));
  if (args.positional().size() == 2) {
    TRY_VALUE(const Json release,
              hub.get(fmt::format("/v1/releases/{}/{}", percent_encoded(args.positional()[0]),
                                  percent_encoded(args.positional()[1]))));
    return print_document(args, release);
  }
  if (!args.positional().empty())
    return fail(Code::kInvalid, "MODEL VERSION names a release; --model NAME all of a model");
  std::string path = "/v1/releases?limit=1000";
  if (args.has("--model")) path += "&model=" + percent_encoded(args.text("--model"));
  TRY_VALUE(Json::Array all, hub.get_all(std::move(path), "releases"));
  return print_list(args, std::move(all),
                    {.member = "releases",
                     .columns = {"model", "version", "state", "added", "added_by", "approved_by"},
                     .none = "no releases"});
}

Result<int> alias(const Args& args) {
  const auto words = args.positional();
  TRY_VALUE(HubClient hub, HubClient::open(args));
  TRY_VALUE(const Json answer,
            hub.put(fmt::format("/v1/models/{}/aliases/{}", percent_encoded(words[0]),
                                percent_encoded(words[1])),
                    Json::Members{{"version", words[2]}}));
  if (args.has("--json")) return print_document(args, answer);
  const Json* const approval = answer.find("approval");
  fmt::print("{}: {} {} {}{}\n", one_line(words[0]), one_line(words[1]),
             approval ? "is to be" : "is", one_line(words[2]),
             approval ? fmt::format(": waits for another person: 'polder hub approve {}'",
                                    shown(*approval))
                      : "");
  return 0;
}

Result<int> repository(const Args& args) {
  TRY_VALUE(HubClient hub, HubClient::open(args));
  TRY_VALUE(const Json answer, hub.get("/v1/repository"));
  return print_document(args, answer);
}

}  // namespace

const Command kHubModels = {.name = "hub models",
                            .summary = "Lists the models of a hub, their versions and aliases.",
                            .arguments = "",
                            .example = "  polder hub models",
                            .options = kOptions,
                            .min_positional = 0,
                            .max_positional = 0,
                            .run = models};

const Command kHubReleases = {
    .name = "hub releases",
    .summary = "Lists the releases of a hub, who added and approved them, or shows one.",
    .arguments = "[MODEL VERSION]",
    .example = "  polder hub releases --model people\n  polder hub releases people 1.2.0",
    .options = kReleasesOptions,
    .min_positional = 0,
    .max_positional = 2,
    .run = releases};

const Command kHubAlias = {
    .name = "hub alias",
    .summary = "Gives a published version an alias; 'champion' waits for a second person.",
    .arguments = "MODEL ALIAS VERSION",
    .example = "  polder hub alias people champion 1.2.0",
    .options = kOptions,
    .min_positional = 3,
    .max_positional = 3,
    .run = alias};

const Command kHubRepository = {
    .name = "hub repository",
    .summary = "Shows the roles of a hub's repository, who signs them, and what expires soon.",
    .arguments = "",
    .example = "  polder hub repository",
    .options = kOptions,
    .min_positional = 0,
    .max_positional = 0,
    .run = repository};

}  // namespace polder::cli
