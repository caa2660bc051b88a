// polder fleet status, devices, groups, group, show, metrics, tag and revoke: the devices of a hub.
#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>

#include "base/fail.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/hub/client.h"
#include "cli/hub/print.h"
#include "cli/model_options.h"
#include "trust/tuf_metadata.h"
#include "trust/tuf_updater.h"

namespace polder::cli {

namespace {

using trust::Json;
using trust::Object;

constexpr std::size_t kMaxListed = 1'000;  // of a page

constexpr Option kJson = {"--json", "", "prints the hub's answer as JSON"};

// Of "90m" and "1d"; nothing for what is no such time.
std::optional<std::int64_t> seconds_of(std::string_view text) {
  constexpr std::string_view kUnits = "smhd";
  constexpr std::int64_t kUnitS[] = {1, 60, 3'600, 86'400}, kMost = 100'000;
  std::int64_t number = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view unit(read.ptr, static_cast<std::size_t>(text.end() - read.ptr));
  const std::size_t which = unit.size() == 1 ? kUnits.find(unit) : kUnits.npos;
  if (read.ec != std::errc() || which == kUnits.npos || number < 1 || number > kMost) return {};
  return number * kUnitS[which];
}

Status check_span(std::string_view option, const std::string& value) {
  if (seconds_of(value)) return {};
  return fail(Code::kInvalid, "{}: a time such as 90m, 12h or 1d expected, '{}' given", option,
              clipped(value));
}

Status check_release(std::string_view option, const std::string& value) {
  const std::size_t equals = value.find('=');
  if (equals != value.npos && equals > 0 && equals + 1 < value.size()) return {};
  return fail(Code::kInvalid, "{}: MODEL=VERSION expected, such as people=1.2.0; '{}' given",
              option, clipped(value));
}

constexpr std::string_view kHealths[] = {"idle", "starting", "well", "failed"};
constexpr std::string_view kTruths[] = {"true", "false"};

constexpr Option kDevicesOptions[] = {
    POLDER_HUB_OPTIONS,
    {"--query", "TAG=VALUE,...", "devices with all of these tags (default: all)", false,
     check_query},
    {"--group", "NAME", "those of this group"},
    {"--health", "HEALTH", "those with a unit that is idle, starting, well or failed", false,
     one_of<kHealths>},
    {"--version", "MODEL=VERSION", "those with a unit of this release; with --health that unit",
     false, check_release},
    {"--target", "NAME", "those that run this instruction set, such as arm64", false, check_target},
    {"--unseen", "TIME", "those that have not checked in for so long: 90m, 12h, 1d", false,
     check_span},
    {"--revoked", "true|false", "those that are revoked, or are not (default: both)", false,
     one_of<kTruths>},
    kJson};
constexpr Option kGroupOptions[] = {
    POLDER_HUB_OPTIONS,
    {"--query", "TAG=VALUE,...", "from now on, devices with all of these tags", false, check_query},
    {"--remove", "", "removes the name; nothing changes for the devices"},
    kJson};
constexpr Option kOptions[] = {POLDER_HUB_OPTIONS, kJson};
constexpr Option kMetricsOptions[] = {
    POLDER_HUB_OPTIONS,
    {"--unit", "NAME", "of this unit alone"},
    {"--from", "TIME", "such as 2026-11-28T00:00:00Z (default: a day before --to)", false,
     check_time},
    {"--to", "TIME", "(default: now)", false, check_time},
    kJson};
std::string device_path(const std::string& device) {
  return "/v1/devices/" + trust::tuf::percent_encoded(device);
}

Result<std::string> tags_text(const Object& device) {
  TRY_VALUE(const Object tags, device.object("tags"));
  std::string text;
  for (const auto& [name, value] : tags.members())
    text += fmt::format("{}{}={}", text.empty() ? "" : ",", one_line(name), shown(value));
  return text;
}

// "people 1.2.0 (well), gate 3.0.0 (failed)".
std::string units_text(const Json& device) {
  const Json* const units = device.find("units");
  std::string text;
  if (!units || !units->array()) return "-";
  for (const Json& unit : *units->array()) {
    const auto said = [&](const char* name) {
      const Json* const value = unit.find(name);
      return value ? shown(*value) : "-";
    };
    text += fmt::format("{}{} {} ({})", text.empty() ? "" : ", ", said("name"), said("version"),
                        said("health"));
  }
  return text.empty() ? "-" : text;
}

// As one document, or a line for each device.
Result<int> devices(const Args& args) {
  TRY_VALUE(HubClient hub, HubClient::open(args));
  std::string path = fmt::format("/v1/devices?limit={}", kMaxListed);
  TRY_VALUE(const std::string query, query_of(args, hub));
  if (!query.empty()) path += "&query=" + trust::tuf::percent_encoded(query);
  for (const std::string_view name : {"health", "version", "target", "revoked"})
    if (const std::string option = fmt::format("--{}", name); args.has(option))
      path += fmt::format("&{}={}", name, trust::tuf::percent_encoded(args.text(option)));
  if (args.has("--unseen"))
    path += "&seen_before=" +
            trust::tuf::time_text(SystemWallClock().now_s() - *seconds_of(args.text("--unseen")));
  TRY_VALUE(Json::Array all, hub.get_all(std::move(path), "devices"));
  if (args.has("--json")) {
    fmt::print("{}", Json(Json::Members{{"devices", std::move(all)}}).pretty());
    return 0;
  }
  if (all.empty()) fmt::print("no devices\n");
  Table table{{"DEVICE", "SEEN", "RUNS", "TAGS"}};
  for (Json& each : all) {
    mark_silent(each);
    TRY_VALUE(const Object device, Object::of(each, "answer.devices"));
    TRY_VALUE(const std::string id, device.text("id"));
    TRY_VALUE(const std::string tags, tags_text(device));
    const Json* const revoked = each.find("revoked");
    const Json* const seen = each.find("seen");
    table.push_back({one_line(id) + (revoked && !revoked->is_null() ? " (revoked)" : ""),
                     seen && !seen->is_null() ? shown(*seen) : "never", units_text(each),
                     tags.empty() ? "-" : tags});
  }
  if (!all.empty()) fmt::print("{}", table_text(table));
  return 0;
}

Result<int> groups(const Args& args) {
  TRY_VALUE(HubClient hub, HubClient::open(args));
  TRY_VALUE(Json::Array all, hub.get_all("/v1/groups", "groups"));
  return print_list(args, std::move(all),
                    {.member = "groups",
                     .columns = {"name", "query", "devices"},
                     .none = "no groups: 'polder fleet group NAME --query TAG=VALUE' makes one"});
}

Result<int> group(const Args& args) {
  const std::string& name = args.positional()[0];
  if (args.has("--query") && args.has("--remove"))
    return fail(Code::kInvalid, "--query and --remove: one of them");
  TRY_VALUE(HubClient hub, HubClient::open(args));
  if (args.has("--remove")) {
    TRY(hub.post(group_path(name) + "/remove"));
    if (!args.has("--json")) fmt::print("removed: group {}\n", one_line(name));
    return 0;
  }
  if (args.has("--query"))
    TRY(hub.put(group_path(name), Json::Members{{"query", args.text("--query")}}));
  TRY_VALUE(const Json answer, hub.get(group_path(name)));
  return print_document(args, answer);
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
  if (!args.has("--json")) {
    TRY_VALUE(const Object device, Object::of(answer, "answer"));
    TRY_VALUE(const std::string now, tags_text(device));
    fmt::print("{}: {}\n", one_line(args.positional()[0]),
               now.empty() ? "has no tags" : "has the tags " + now);
    return 0;
  }
  return print_document(args, answer);
}

// What it is goes last, line by line.
Result<int> show(const Args& args) {
  TRY_VALUE(HubClient hub, HubClient::open(args));
  TRY_VALUE(Json answer, hub.get(device_path(args.positional()[0])));
  const Json* const found = answer.find("machine");
  if (args.has("--json") || !found || !found->members()) return print_document(args, answer);
  const Json machine = *found;
  answer.members()->erase("machine");
  TRY_VALUE(const int status, print_document(args, answer));
  fmt::print("machine\n");
  for (const auto& [name, value] : *machine.members())
    fmt::print("  {:<16} {}\n", one_line(name), shown(value));
  return status;
}

Result<int> status(const Args& args) {
  TRY_VALUE(HubClient hub, HubClient::open(args));
  TRY_VALUE(const Json answer, hub.get("/v1/fleet"));
  return print_document(args, answer);
}

Result<int> metrics(const Args& args) {
  std::string path = device_path(args.positional()[0]) + "/metrics?limit=1000";
  for (const std::string_view name : {"unit", "from", "to"}) {
    const std::string option = fmt::format("--{}", name);
    if (args.has(option))
      path += fmt::format("&{}={}", name, trust::tuf::percent_encoded(args.text(option)));
  }
  TRY_VALUE(HubClient hub, HubClient::open(args));
  TRY_VALUE(Json::Array windows, hub.get_all(path, "windows"));
  // The newest page comes first.
  std::ranges::stable_sort(windows, {}, [](const Json& window) {
    const Json* const time = window.find("time");
    return time && time->string() ? *time->string() : std::string();
  });
  return print_list(args, std::move(windows),
                    {.member = "windows",
                     .columns = {"time", "unit", "version", "frames", "errors", "crashes"},
                     .none = "nothing was counted in this time"});
}

Result<int> revoke(const Args& args) {
  TRY_VALUE(HubClient hub, HubClient::open(args));
  TRY(hub.post(device_path(args.positional()[0]) + "/revoke"));
  if (!args.has("--json")) {
    fmt::print("revoked: {}; a token that names it lets it in again\n",
               one_line(args.positional()[0]));
    return 0;
  }
  TRY_VALUE(const Json answer, hub.get(device_path(args.positional()[0])));
  return print_document(args, answer);
}

}  // namespace

const Command kFleetDevices = {.name = "fleet devices",
                               .summary =
                                   "Lists the devices of a hub with their tags: all, or those for "
                                   "which everything that is asked for holds.",
                               .arguments = "",
                               .example =
                                   "  polder fleet devices --query site=ams,line=3\n"
                                   "  polder fleet devices --version people=1.2.0 --health failed\n"
                                   "  polder fleet devices --unseen 1d --revoked false",
                               .options = kDevicesOptions,
                               .min_positional = 0,
                               .max_positional = 0,
                               .run = devices};

const Command kFleetGroups = {
    .name = "fleet groups",
    .summary = "Lists groups: names for queries of devices, and how many devices each has now.",
    .arguments = "",
    .example = "  polder fleet groups",
    .options = kOptions,
    .min_positional = 0,
    .max_positional = 0,
    .run = groups};

const Command kFleetGroup = {
    .name = "fleet group",
    .summary =
        "Shows a group of devices; with --query makes or changes it, with --remove removes it.",
    .arguments = "NAME",
    .example =
        "  polder fleet group hall --query site=ams,line=3\n"
        "  polder rollout create people 1.3.0 --group hall",
    .options = kGroupOptions,
    .min_positional = 1,
    .max_positional = 1,
    .run = group};

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

const Command kFleetStatus = {
    .name = "fleet status",
    .summary = "Shows how many devices a hub has, what they run and how they do, and alarms.",
    .arguments = "",
    .example = "  polder fleet status --hub https://hub.example.org:8443",
    .options = kOptions,
    .min_positional = 0,
    .max_positional = 0,
    .run = status};

const Command kFleetMetrics = {
    .name = "fleet metrics",
    .summary = "Shows what a device has counted, window by window; --json has latency and drift.",
    .arguments = "DEVICE",
    .example = "  polder fleet metrics camera-17 --from 2026-11-28T00:00:00Z --json",
    .options = kMetricsOptions,
    .min_positional = 1,
    .max_positional = 1,
    .run = metrics};

const Command kFleetRevoke = {
    .name = "fleet revoke",
    .summary = "Revokes a device: no certificate of it holds from its next request on.",
    .arguments = "DEVICE",
    .example = "  polder fleet revoke camera-17",
    .options = kOptions,
    .min_positional = 1,
    .max_positional = 1,
    .run = revoke};

}  // namespace polder::cli
