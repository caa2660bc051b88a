// polder fleet enrolment-token, enrolment-tokens and revoke-enrolment-token: what devices enrol by.
#include <algorithm>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/fail.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/hub/client.h"
#include "cli/hub/print.h"
#include "platform/file.h"
#include "platform/private_file.h"
#include "trust/manifest.h"
#include "trust/tuf_updater.h"

namespace polder::cli {
namespace {

using trust::Json;
using trust::Object;

constexpr std::size_t kMaxNamesBytes = 16 << 20;
constexpr std::size_t kMaxAsked = 500;  // of the hub at once
constexpr int kMaxNames = 10'000;       // as arguments

constexpr Option kJson = {"--json", "", "prints the hub's answer as JSON"};
constexpr Option kOptions[] = {POLDER_HUB_OPTIONS, kJson};
constexpr Option kTokenOptions[] = {
    POLDER_HUB_OPTIONS,
    {"--names", "FILE", "a token for each device of this file too, a name a line"},
    {"--output", "FOLDER", "for DEVICE.token of each of several devices, which its owner can read"},
    {"--valid-hours", "N", "how long they hold, to 720 (default: a day)", false, whole<1, 720>},
    kJson};

// A device, and where its name stands: "names.txt:12".
struct Named {
  std::string device, place;
};

// Without what is empty or begins with '#'.
Status read_names(const std::string& file, std::vector<Named>& into) {
  TRY_VALUE(const std::string text, read_file(file, kMaxNamesBytes));
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf", kSpace = " \t\r";
  std::string_view rest = text;
  if (rest.starts_with(kByteOrderMark)) rest.remove_prefix(kByteOrderMark.size());
  for (int line = 1; !rest.empty(); ++line) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view name = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    name.remove_prefix(std::min(name.find_first_not_of(kSpace), name.size()));
    name = name.substr(0, name.find_last_not_of(kSpace) + 1);
    if (name.empty() || name[0] == '#') continue;
    into.push_back({std::string(name), fmt::format("{}:{}", file, line)});
  }
  return {};
}

// Each once, and fit to name a file; what else the hub expects of it, the hub says.
Result<std::vector<Named>> names_of(const Args& args) {
  std::vector<Named> all;
  for (const std::string& name : args.positional()) all.push_back({name, "DEVICE"});
  if (args.has("--names")) {
    TRY(read_names(args.text("--names"), all));
    if (all.empty())
      return fail(Code::kInvalid, "{}: has no name of a device", args.text("--names"));
  }
  std::map<std::string_view, std::string_view> seen;
  for (const Named& named : all) {
    if (!trust::is_release_name(named.device))
      return fail(Code::kInvalid,
                  "{}: a device's name expected, of letters, digits, '.', '_' and '-', '{}' found",
                  named.place, clipped(named.device));
    const auto [before, is_first] = seen.emplace(named.device, named.place);
    if (!is_first)
      return fail(Code::kInvalid, "{}: '{}' is there twice; first: {}", named.place, named.device,
                  before->second);
  }
  return all;
}

std::string file_of(const std::string& folder, const std::string& device) {
  return fmt::format("{}/{}.token", folder, device);
}

// Before any is made: no token takes the place of one that a device may still need.
Status check_free(const std::string& folder, const std::vector<Named>& names) {
  TRY(make_folders(folder));
  for (const Named& named : names) {
    const std::string file = file_of(folder, named.device);
    const auto there = written_at(file);
    if (there.ok())
      return fail(Code::kIncompatible, "{}: is there already: remove it, or leave {} out", file,
                  named.device);
    if (there.error().code != Code::kNotFound) return there.error();
  }
  return {};
}

Result<Json> ask_for(HubClient& hub, std::span<const Named> names, const Args& args) {
  Json::Array devices;
  for (const Named& named : names) devices.emplace_back(named.device);
  Json::Members order{{"devices", std::move(devices)}};
  if (args.has("--valid-hours")) order.emplace("valid_s", 3600 * args.integer("--valid-hours", 0));
  return hub.post("/v1/enrolment-token-batches", order);
}

// Into its file, of which the answer then tells in place of the secret.
Status keep(Json& token, const Named& named, const std::string& folder) {
  TRY_VALUE(const Object object, Object::of(token, "answer.tokens"));
  TRY_VALUE(const std::string device, object.text("device"));
  TRY_VALUE(const std::string text, object.text("token"));
  if (device != named.device)
    return fail(Code::kCorrupt, "answer.tokens: '{}' is answered for '{}'", clipped(device),
                named.device);
  const std::string file = file_of(folder, named.device);
  TRY(create_private_file(file, text + "\n"));
  token.members()->erase("token");
  token.members()->emplace("file", file);
  return {};
}

Result<int> several(const Args& args) {
  TRY_VALUE(const std::vector<Named> names, names_of(args));
  const std::string folder = args.text("--output");
  // Of what is made and not shown, as the next could not be, nobody would have the tokens.
  if (folder.empty() && (!args.has("--json") || names.size() > kMaxAsked))
    return fail(Code::kInvalid,
                "--output: a folder for {} tokens expected (--json alone shows up to {})",
                names.size(), kMaxAsked);
  if (names.empty()) return fail(Code::kInvalid, "--output: for which devices? Name them");
  TRY_VALUE(HubClient hub, HubClient::open(args));
  if (!folder.empty()) TRY(check_free(folder, names));
  Json::Array made;
  for (std::span<const Named> rest = names; !rest.empty();) {
    const auto part = rest.first(std::min(rest.size(), kMaxAsked));
    rest = rest.subspan(part.size());
    Status done;
    auto answer = ask_for(hub, part, args);
    const Json* const tokens = answer.ok() ? answer->find("tokens") : nullptr;
    if (!answer.ok()) done = answer.error();
    else if (!tokens || !tokens->array() || tokens->array()->size() != part.size())
      done = fail(Code::kCorrupt, "{}: {} tokens expected in its answer", hub.url(), part.size());
    for (std::size_t i = 0; done.ok() && i < part.size(); ++i) {
      Json token = (*tokens->array())[i];
      if (!folder.empty()) done = keep(token, part[i], folder);
      if (done.ok()) made.push_back(std::move(token));
    }
    if (!done.ok()) {
      if (folder.empty() || made.empty()) return done.error();
      return fail(done.error().code,
                  "{}; the tokens of the first {} of {} devices are in {}: leave these out then",
                  done.error().message, made.size(), names.size(), folder);
    }
    if (!rest.empty() && !args.has("--json"))
      fmt::print(stderr, "polder: {} of {} tokens\n", made.size(), names.size());
  }
  if (args.has("--json")) {
    fmt::print("{}", Json(Json::Members{{"tokens", std::move(made)}}).pretty());
    return 0;
  }
  const Json* const until = made[0].find("expires");
  fmt::print("{} token{} in {}, until {}\n", made.size(), made.size() == 1 ? "" : "s",
             one_line(folder), until ? shown(*until) : "-");
  return 0;
}

// One token alone on stdout, for a file.
Result<int> enrolment_token(const Args& args) {
  if (args.has("--names") || args.has("--output") || args.positional().size() > 1)
    return several(args);
  Json::Members order;
  if (!args.positional().empty()) order.emplace("device", args.positional()[0]);
  if (args.has("--valid-hours")) order.emplace("valid_s", 3600 * args.integer("--valid-hours", 0));
  TRY_VALUE(HubClient hub, HubClient::open(args));
  TRY_VALUE(const Json answer, hub.post("/v1/enrolment-tokens", order));
  return print_token(args, answer);
}

Result<int> enrolment_tokens(const Args& args) {
  TRY_VALUE(HubClient hub, HubClient::open(args));
  TRY_VALUE(Json::Array all, hub.get_all("/v1/enrolment-tokens?limit=1000", "tokens"));
  return print_list(
      args, std::move(all),
      {.member = "tokens",
       .columns = {"id", "device", "created", "created_by", "expires", "enrolled", "revoked"},
       .none = "no token was made"});
}

Result<int> revoke_enrolment_token(const Args& args) {
  TRY_VALUE(HubClient hub, HubClient::open(args));
  TRY(hub.post(fmt::format("/v1/enrolment-tokens/{}/revoke",
                           trust::tuf::percent_encoded(args.positional()[0]))));
  if (!args.has("--json")) fmt::print("revoked: token {}\n", one_line(args.positional()[0]));
  return 0;
}

}  // namespace

const Command kFleetEnrolmentToken = {
    .name = "fleet enrolment-token",
    .summary =
        "Makes a token by which one device enrols, once; with DEVICE that one alone. With several "
        "devices a file\nfor each: all are made, or none (of each 500).",
    .arguments = "[DEVICE...]",
    .example =
        "  polder fleet enrolment-token camera-17 > token\n"
        "  polder fleet enrolment-token camera-{001..500} --output tokens --valid-hours 720\n"
        "  polder fleet enrolment-token --names cameras.txt --output tokens",
    .options = kTokenOptions,
    .min_positional = 0,
    .max_positional = kMaxNames,
    .run = enrolment_token};

const Command kFleetEnrolmentTokens = {
    .name = "fleet enrolment-tokens",
    .summary = "Lists the tokens by which devices enrol, and who used them, never their secrets.",
    .arguments = "",
    .example = "  polder fleet enrolment-tokens",
    .options = kOptions,
    .min_positional = 0,
    .max_positional = 0,
    .run = enrolment_tokens};

const Command kFleetRevokeEnrolmentToken = {
    .name = "fleet revoke-enrolment-token",
    .summary =
        "Revokes a token by which a device could enrol, by its id; a device that has, stays.",
    .arguments = "ID",
    .example = "  polder fleet revoke-enrolment-token 5f0e7a2b9c1d4e3f",
    .options = kOptions,
    .min_positional = 1,
    .max_positional = 1,
    .run = revoke_enrolment_token};

}  // namespace polder::cli
