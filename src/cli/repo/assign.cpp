// polder repo floor and assign: what devices may, and are to, run.
#include <algorithm>
#include <cctype>
#include <optional>
#include <set>
#include <span>

#include "base/fail.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/passphrase.h"
#include "cli/repo/common.h"
#include "cli/repo/staging.h"
#include "platform/file.h"
#include "trust/assignment.h"
#include "trust/manifest.h"

namespace polder::cli {

namespace {

using trust::Version;

Result<Version> version_of(const std::string& text) {
  auto version = Version::parse(text, "VERSION");
  if (!version.ok()) return Error{Code::kInvalid, version.error().message};
  return version;
}

constexpr Option kFloorOptions[] = {
    {"--without-release", "",
     "also a floor above every release of the model that is here: no update until a higher one is"},
    POLDER_REPO_SIGN_OPTION,
    POLDER_PASSPHRASE_OPTION,
    {"--json", "", "prints what is staged as JSON"}};

// Whether the repository has a release of the model that a floor leaves to devices. Errors: kDenied
// naming the highest that there is, for a floor that is a typing error cannot be lowered again.
Status check_reach(const trust::tuf::Repository& repository, const std::string& model,
                   const Version& floor) {
  TRY_VALUE(const auto targets, repository.targets());
  std::optional<Version> highest;
  for (const auto& [path, role] : targets) {
    std::string_view middle = path;
    constexpr std::string_view kManifest = "/manifest.json";
    if (!middle.starts_with(model + "/") || !middle.ends_with(kManifest)) continue;
    middle.remove_prefix(model.size() + 1);
    if (middle.size() <= kManifest.size()) continue;
    middle.remove_suffix(kManifest.size());
    const auto version = Version::parse(middle, path);
    if (version.ok() && (!highest || *highest < *version)) highest = *version;
  }
  if (highest && *highest >= floor) return {};
  return fail(Code::kDenied,
              "the repository has no release of {} at or above {}{}: devices would take no update "
              "of it, and a floor cannot be lowered; add such a release first, or say "
              "--without-release",
              clipped(model), floor.text(),
              highest ? fmt::format(", its highest is {}", highest->text()) : "");
}

// Those that are to be raised; where no device could read them, as they were before.
Result<trust::Floors> floors_to_raise(const trust::tuf::Repository& repository) {
  auto floors = repository.floors();
  if (floors.ok()) return floors;
  TRY_VALUE(auto before, repository.published_floors());
  fmt::print(stderr, "polder: {}: it is made anew, from the floors before it\n",
             one_line(floors.error().message));
  return before;
}

Status raise_floor(Staging& staging, const Args& args) {
  trust::tuf::Repository& repository = staging.repository;
  const std::string& model = args.positional()[1];
  TRY_VALUE(const Version version, version_of(args.positional()[2]));
  TRY_VALUE(trust::Floors floors, floors_to_raise(repository));
  TRY(floors.raise(model, version));
  if (const auto now = repository.floors(); now.ok() && *now == floors) {
    fmt::print(stderr, "polder: the floor of {} is {} already\n", model, version.text());
    TRY_VALUE(const auto staged, repository.staged());
    staging.has_nothing_to_sign = staged.empty();
    return {};
  }
  if (!args.has("--without-release")) TRY(check_reach(repository, model, version));
  TRY(repository.add_bytes(std::string(trust::kFloorsTarget), floors.bytes(), staging.now_s));
  staging.note(
      trust::Act::kFloorRaised, model + " " + version.text(),
      {{"repository", repository.folder()}, {"sha256", trust::hex(trust::sha256(floors.bytes()))}});
  return {};
}

Result<int> floor(const Args& args) {
  return stage(args, [&](Staging& staging) { return raise_floor(staging, args); });
}

Status check_time(std::string_view option, const std::string& value) {
  const auto time = trust::tuf::parse_time(value, option);
  return time.ok() ? Status() : Status(Error{Code::kInvalid, time.error().message});
}

constexpr Option kAssignOptions[] = {
    {"--shadow", "", "the new model runs beside the old one first, and only the old one counts"},
    {"--not-before", "TIME", "nothing is installed earlier: 2030-01-01T02:00:00Z", false,
     check_time},
    {"--retry", "N", "higher than before: releases that failed on a device may be tried again",
     false, whole<0, trust::kMaxRetry>, true},
    POLDER_REPO_SIGN_OPTION,
    POLDER_PASSPHRASE_OPTION,
    {"--json", "", "prints what is staged as JSON"}};

// NAME=VERSION of a release that the repository has, as devices will find it.
Result<trust::AssignedRelease> release_of(const trust::tuf::Repository& repository,
                                          const trust::Floors& floors, const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == text.npos) {
    return fail(Code::kInvalid,
                "NAME=VERSION expected, such as people=1.2.0, '{}' found (several devices are one "
                "word: cam-12,cam-13)",
                clipped(text));
  }
  trust::AssignedRelease release;
  release.model = text.substr(0, equals);
  if (!trust::is_release_name(release.model))
    return Error{Code::kInvalid, trust::not_a_name("NAME=VERSION", release.model)};
  TRY_VALUE(release.version, version_of(text.substr(equals + 1)));
  const std::string target =
      fmt::format("{}/{}/manifest.json", release.model, release.version.text());
  const auto bytes = repository.read_target(target, trust::kMaxManifestBytes);
  if (!bytes.ok() && bytes.error().code == Code::kNotFound) {
    return fail(
        Code::kNotFound,
        "{}: no release {} {} is here; 'polder repo show' lists what there is, 'polder repo "
        "add' adds one",
        repository.folder(), release.model, release.version.text());
  }
  if (!bytes.ok()) return bytes.error();
  TRY_VALUE(const trust::Manifest manifest, trust::Manifest::parse(*bytes, target));
  if (!floors.allows(release.model, release.version)) {
    return fail(Code::kDenied, "{} is below the floor {}: no device would take it", text,
                floors.floors.at(release.model).text());
  }
  release.is_runtime = std::ranges::all_of(manifest.artifacts, [](const trust::Artifact& artifact) {
    return artifact.kind == trust::ArtifactKind::kRuntime;
  });
  return release;
}

// A name that nobody would give a device by intent.
Status check_device(const std::string& device) {
  std::string lower = device;
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return std::tolower(c); });
  if (lower != trust::kDefaultDevice || device == trust::kDefaultDevice) return {};
  return fail(
      Code::kInvalid,
      "'{}' would be the name of one device; '{}' is every device that has no assignment of "
      "its own",
      device, trust::kDefaultDevice);
}

// More are as many files, and a signature too large for what devices take.
constexpr std::size_t kMaxDevices = 10'000, kMaxDevicesBytes = 1u << 20;

struct NamedDevice {
  std::string name;
  std::string place;  // where it was named, for errors: "devices.txt:7"
};

// One a line; of what follows a '#' nothing counts.
Result<std::vector<NamedDevice>> devices_in(const std::string& path) {
  TRY_VALUE(const std::string text, read_file(path, kMaxDevicesBytes));
  std::vector<NamedDevice> devices;
  std::string_view rest = text;
  for (int number = 1; !rest.empty(); ++number) {
    std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    constexpr std::string_view kBlanks = " \t\r";
    line = line.substr(0, line.find('#'));
    line.remove_prefix(std::min(line.find_first_not_of(kBlanks), line.size()));
    line = line.substr(0, line.find_last_not_of(kBlanks) + 1);
    if (!line.empty()) devices.push_back({std::string(line), fmt::format("{}:{}", path, number)});
  }
  if (devices.empty()) return fail(Code::kInvalid, "{}: names no device", path);
  return devices;
}

// DEVICE, DEVICE,DEVICE... or @FILE. Errors: kInvalid naming the one that is no name of a device,
// or is there twice.
Result<std::vector<std::string>> devices_of(const std::string& word) {
  std::vector<NamedDevice> named;
  if (word.starts_with('@')) {
    TRY_VALUE(named, devices_in(word.substr(1)));
  } else {
    for (std::size_t start = 0; start <= word.size();) {
      const std::size_t end = std::min(word.find(',', start), word.size());
      named.push_back({word.substr(start, end - start), "DEVICE"});
      start = end + 1;
    }
  }
  if (named.size() > kMaxDevices)
    return fail(Code::kExhausted,
                "{} devices, {} at most; what holds for all is the assignment '{}'", named.size(),
                kMaxDevices, trust::kDefaultDevice);
  std::vector<std::string> devices;
  std::set<std::string_view> seen;
  for (const NamedDevice& device : named) {
    trust::Assignment assignment;
    assignment.device = device.name;
    Status good = check_device(device.name);
    if (good.ok()) good = assignment.validate();
    if (!good.ok()) return std::move(good).error().at(device.place);
    if (!seen.insert(device.name).second)
      return fail(Code::kInvalid, "{}: '{}' is named twice", device.place, device.name);
    devices.push_back(device.name);
  }
  return devices;
}

// For whoever signs it: which devices it changes, and what of them.
std::string meaning_of(const std::vector<std::string>& devices,
                       const trust::Assignment& assignment) {
  constexpr std::size_t kNamed = 8;
  const bool is_default = devices.size() == 1 && devices[0] == trust::kDefaultDevice;
  std::string names = fmt::format(
      "{}", fmt::join(std::span(devices).first(std::min(devices.size(), kNamed)), ", "));
  if (devices.size() > kNamed) names += ", ...";
  const std::string who =
      is_default ? "every device that has no assignment of its own"
      : devices.size() == 1
          ? fmt::format("device {}, in place of '{}',", names, trust::kDefaultDevice)
          : fmt::format("each of {} devices ({}), in place of '{}',", devices.size(), names,
                        trust::kDefaultDevice);
  if (assignment.releases.empty()) return who + " is to install nothing; what runs there goes on";
  std::string list;
  for (const auto& release : assignment.releases)
    list += fmt::format("{}{} {}", list.empty() ? "" : ", ", release.model, release.version.text());
  return fmt::format("{} is to run {}; what is not named here stays there as it is", who, list);
}

// Files of the devices. Errors: kNotFound where nobody may assign yet.
Status stage_assignments(trust::tuf::Repository& repository,
                         const std::vector<std::string>& devices, trust::Assignment assignment,
                         std::int64_t now_s) {
  for (const std::string& device : devices) {
    assignment.device = device;
    Status status = repository.add_bytes(trust::assignment_target(device), assignment.bytes(),
                                         now_s, trust::kAssignmentsRole);
    if (status.ok()) continue;
    if (status.error().code != Code::kNotFound) return status;
    return fail(Code::kNotFound,
                "nobody may assign yet: 'polder repo delegate {} {} --role-key ONLINE.pub.pem "
                "--path '{}'' trusts a key with it",
                repository.folder(), trust::kAssignmentsRole, trust::kAssignmentsPattern);
  }
  return {};
}

Status assign_to(Staging& staging, const Args& args) {
  trust::tuf::Repository& repository = staging.repository;
  TRY_VALUE(const trust::Floors floors, repository.floors());
  TRY_VALUE(const std::vector<std::string> devices, devices_of(args.positional()[1]));
  trust::Assignment assignment;
  for (const std::string& text : args.positional().subspan(2)) {
    TRY_VALUE(trust::AssignedRelease release, release_of(repository, floors, text));
    assignment.releases.push_back(std::move(release));
  }
  assignment.shadow = args.has("--shadow");
  assignment.retry = args.integer("--retry", 0);
  if (args.has("--not-before")) {
    TRY_VALUE(assignment.not_before_s,
              trust::tuf::parse_time(args.text("--not-before"), "--not-before"));
  }
  TRY(assignment.validate());
  TRY(stage_assignments(repository, devices, assignment, staging.now_s));
  if (!args.has("--json")) fmt::print(stderr, "polder: {}\n", meaning_of(devices, assignment));
  const auto chosen = args.positional().subspan(2);
  for (const std::string& device : devices) {
    assignment.device = device;
    staging.note(trust::Act::kReleaseAssigned, device,
                 {{"repository", repository.folder()},
                  {"releases", trust::Json::Array(chosen.begin(), chosen.end())},
                  {"sha256", trust::hex(trust::sha256(assignment.bytes()))}});
  }
  return {};
}

Result<int> assign(const Args& args) {
  return stage(args, [&](Staging& staging) { return assign_to(staging, args); });
}

}  // namespace

const Command kRepoFloor = {
    .name = "repo floor",
    .summary =
        "Sets the lowest version of a model that devices still install.\nIt can be raised and "
        "never "
        "lowered again, so a floor above every release that is here is refused. Floors\nare signed "
        "by the key of targets, which stays offline: no key that is online can bring an "
        "old release back.",
    .arguments = "FOLDER NAME VERSION",
    .example = "  polder repo floor repo people 1.2.0 --key targets.pem",
    .options = kFloorOptions,
    .min_positional = 3,
    .max_positional = 3,
    .run = floor};

const Command kRepoAssign = {
    .name = "repo assign",
    .summary =
        "Says which releases a device is to run, or every device without an assignment of its own "
        "(default).\nSeveral devices: DEVICE,DEVICE,... or @FILE with one a line. Without "
        "NAME=VERSION they are to install\nnothing, and what runs there goes on. It only chooses "
        "among what is signed offline: the key of the role\n'assignments' may be online.",
    .arguments = "FOLDER DEVICES|default [NAME=VERSION...]",
    .example =
        "  polder repo delegate repo assignments --role-key online.pub.pem --path 'assignments/*' "
        "--key t.pem\n"
        "  polder repo assign repo cam-12 people=1.2.0 polderd=0.9.0 --shadow --key online.pem\n"
        "  polder repo assign repo cam-13,cam-14 people=1.2.0 --key online.pem\n"
        "  polder repo assign repo @north-hall.txt people=1.2.0 --key online.pem",
    .options = kAssignOptions,
    .min_positional = 2,
    .max_positional = 2 + int(trust::kMaxAssignedReleases),
    .run = assign};

}  // namespace polder::cli
