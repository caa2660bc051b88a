// polder fleet devices, tag and show: the devices of a hub.
#include <string>

#include "base/fail.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/hub/client.h"
#include "trust/tuf_updater.h"

namespace polder::cli {

namespace {

using trust::Json;
using trust::Object;

constexpr std::size_t kMaxListed = 1'000;  // of a page

constexpr Option kJson = {"--json", "", "prints the hub's answer as JSON"};
constexpr Option kDevicesOptions[] = {
    POLDER_HUB_OPTIONS,
    {"--query", "TAG=VALUE,...", "devices with all of these tags (default: all)", false,
     check_query},
    kJson};
constexpr Option kOptions[] = {POLDER_HUB_OPTIONS, kJson};

std::string device_path(const std::string& device) {
  return "/v1/devices/" + trust::tuf::percent_encoded(device);
}

// What a terminal may show of a value: text as it is, the rest as JSON.
std::string shown(const Json& value) {
  return one_line(value.string() ? *value.string() : value.compact());
}

Result<std::string> tags_text(const Object& device) {
  TRY_VALUE(const Object tags, device.object("tags"));
  std::string text;
  for (const auto& [name, value] : tags.members())
    text += fmt::format("{}{}={}", text.empty() ? "" : ",", one_line(name), shown(value));
  return text;
}

Result<int> print(const Args& args, const Json& answer) {
  if (args.has("--json")) {
    fmt::print("{}", answer.pretty());
    return 0;
  }
  TRY_VALUE(const Object object, Object::of(answer, "answer"));
  TRY_VALUE(const std::string tags, tags_text(object));
  for (const auto& [name, value] : object.members())
    fmt::print("{:<18} {}\n", one_line(name),
               name == "tags"    ? tags
               : value.is_null() ? "-"
                                 : shown(value));
  return 0;
}

// All pages: as one document, or a line for each device.
Result<int> devices(const Args& args) {
  TRY_VALUE(HubClient hub, HubClient::open(args));
  std::string path = fmt::format("/v1/devices?limit={}", kMaxListed);
  if (args.has("--query")) path += "&query=" + trust::tuf::percent_encoded(args.text("--query"));
  Json::Array all;
  while (!path.empty()) {
    TRY_VALUE(const Json page, hub.get(path));
    TRY_VALUE(const Object object, Object::of(page, "answer"));
    TRY_VALUE(const Json::Array* const list, object.array("devices", kMaxListed));
    all.insert(all.end(), list->begin(), list->end());
    const Json* const next = page.find("next");
    // A path of this hub, and no other address.
    path = next && next->string() && next->string()->starts_with("/v1/devices?") ? *next->string()
                                                                                 : "";
  }
  if (args.has("--json")) {
    fmt::print("{}", Json(Json::Members{{"devices", std::move(all)}}).pretty());
    return 0;
  }
  if (all.empty()) fmt::print("no devices\n");
  for (const Json& each : all) {
    TRY_VALUE(const Object device, Object::of(each, "answer.devices"));
    TRY_VALUE(const std::string id, device.text("id"));
    TRY_VALUE(const std::string tags, tags_text(device));
    const Json* const revoked = each.find("revoked");
    fmt::print("{:<24} {}{}\n", one_line(id), tags,
               revoked && !revoked->is_null() ? "  (revoked)" : "");
  }
  return 0;
}

Result<int> tag(const Args& args) {
  Json::Members tags;
  for (const std::string& pair : args.positional().subspan(1)) {
    const std::size_t equals = pair.find('=');
    if (equals == pair.npos)
      return fail(Code::kInvalid, "'{}': TAG=VALUE expected, such as site=ams", clipped(pair));
    if (!tags.emplace(pair.substr(0, equals), pair.substr(equals + 1)).second)
      return fail(Code::kInvalid, "tag '{}' is given twice", clipped(pair.substr(0, equals)));
  }
  TRY_VALUE(HubClient hub, HubClient::open(args));
  TRY_VALUE(const Json answer, hub.put(device_path(args.positional()[0]) + "/tags", tags));
  return print(args, answer);
}

Result<int> show(const Args& args) {
  TRY_VALUE(HubClient hub, HubClient::open(args));
  TRY_VALUE(const Json answer, hub.get(device_path(args.positional()[0])));
  return print(args, answer);
}

}  // namespace

const Command kFleetDevices = {.name = "fleet devices",
                               .summary = "Lists the devices of a hub with their tags.",
                               .arguments = "",
                               .example = "  polder fleet devices --query site=ams,line=3",
                               .options = kDevicesOptions,
                               .min_positional = 0,
                               .max_positional = 0,
                               .run = devices};

const Command kFleetTag = {
    .name = "fleet tag",
    .summary = "Gives a device these tags in place of those that it had; without any, none.",
    .arguments = "DEVICE [TAG=VALUE...]",
    .example = "  polder fleet tag camera-17 site=ams line=3",
    .options = kOptions,
    .min_positional = 1,
    .max_positional = 17,
    .run = tag};

const Command kFleetShow = {.name = "fleet show",
                            .summary = "Shows what a hub knows of a device.",
                            .arguments = "DEVICE",
                            .example = "  polder fleet show camera-17",
                            .options = kOptions,
                            .min_positional = 1,
                            .max_positional = 1,
                            .run = show};

}  // namespace polder::cli
