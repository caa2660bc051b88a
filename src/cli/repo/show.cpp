// polder repo show and verify: what is in a repository, and whether devices will take it.
#include <map>
#include <optional>

#include "base/fail.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/repo/changes.h"
#include "cli/repo/common.h"
#include "cli/repo/contents.h"
#include "cli/repo/expiry.h"
#include "platform/file.h"
#include "platform/folder.h"
#include "trust/tuf_verify.h"

namespace polder::cli {

namespace {

using trust::Json;

constexpr Option kShowOptions[] = {{"--json", "", "prints the same as JSON"}};

std::string days_left(std::int64_t expires_s, std::int64_t now_s) {
  const std::int64_t days = (expires_s - now_s) / trust::tuf::kDayS;
  if (expires_s <= now_s) return "expired";
  if (days < 2) return fmt::format("{} hours left", (expires_s - now_s) / 3600);
  return fmt::format("{} days left", days);
}

Result<int> show(const Args& args) {
  TRY_VALUE(auto repository, trust::tuf::Repository::open_to_read(folder_of(args)));
  TRY_VALUE(const std::int64_t now_s, signing_time());
  TRY_VALUE(const auto staged, repository.staged());
  TRY_VALUE(const auto changes, repository.changes());
  TRY_VALUE(const KeyNames names, KeyNames::of(repository.folder()));
  TRY_VALUE(const auto targets, repository.targets());
  TRY_VALUE(const Contents contents, Contents::of(repository, targets));
  std::vector<trust::tuf::RoleState> roles;
  auto published = repository.roles();
  if (published) roles = *std::move(published);
  else if (published.error().code != Code::kNotFound) return std::move(published).error();
  auto warnings = trust::tuf::expiring(trust::tuf::expiry_of(roles), repository.profile(),
                                       repository.folder(), now_s);
  const auto is_hubs = [&](const std::string& role) {
    return is_of_hub(repository) && trust::tuf::is_made_by_publishing(role);
  };
  std::erase_if(warnings, [&](const auto& warning) { return is_hubs(warning.role); });
  if (args.has("--json")) {
    Json::Array role_list;
    for (const auto& role : roles) {
      role_list.emplace_back(Json::Members{{"role", role.role},
                                           {"version", role.version},
                                           {"expires", trust::tuf::time_text(role.expires_s)},
                                           {"threshold", role.threshold},
                                           {"keys", role.keys},
                                           {"targets", std::int64_t(role.targets)}});
    }
    Json::Members target_list;
    for (const auto& [path, role] : targets) target_list[path] = role;
    fmt::print("{}", Json(Json::Members{{"repository", repository.folder()},
                                        {"profile", repository.profile().name},
                                        {"roles", std::move(role_list)},
                                        {"warnings", trust::tuf::expiring_json(warnings)},
                                        {"targets", std::move(target_list)},
                                        {"releases", contents.releases_json()},
                                        {"floors", contents.floors_json()},
                                        {"assignments", contents.assignments_json()},
                                        {"key_names", names.json()},
                                        {"changes", trust::tuf::to_json(changes)},
                                        {"staged", staged_json(staged)}})
                         .pretty());
    return 0;
  }
  fmt::print("{}: profile {}, {} target{}\n", one_line(repository.folder()),
             repository.profile().name, targets.size(), targets.size() == 1 ? "" : "s");
  if (roles.empty()) fmt::print("nothing is published yet\n");
  for (const auto& role : roles) {
    fmt::print("  {:<24} version {:>5}  {} of {} keys  {:>6} targets  until {} ({}{})\n", role.role,
               role.version, role.threshold, role.keys, role.targets,
               trust::tuf::time_text(role.expires_s), days_left(role.expires_s, now_s),
               is_hubs(role.role) ? "; the hub renews it" : "");
  }
  fmt::print("{}", contents.text());
  print_expiring(stdout, warnings);
  if (staged.empty()) return 0;
  print_changes(stdout, changes, names);
  TRY(print_staged(repository, staged, names));
  return 0;
}

constexpr Option kVerifyOptions[] = {
    {"--root", "FILE", "the root that devices trust (default: metadata/1.root.json of the folder)"},
    {"--elsewhere", "", "does without files that the hub alone has that it was pulled from"},
    {"--json", "", "prints the same as JSON"}};

// What only the folder where releases are made has, and no copy of it needs.
struct Making {
  std::optional<trust::tuf::Profile> profile;
  std::map<std::string, std::int64_t> expiry;  // of the published roles
  std::vector<std::string> staged_problems;
};

Making making_of(const std::string& folder) {
  Making making;
  const auto repository = trust::tuf::Repository::open_to_read(folder);
  if (!repository.ok()) {
    if (repository.error().code != Code::kNotFound)
      making.staged_problems.push_back(repository.error().message);
    return making;
  }
  making.profile = repository->profile();
  // What is wrong with what is published is found as a device finds it.
  if (const auto roles = repository->roles(); roles.ok())
    making.expiry = trust::tuf::expiry_of(*roles);
  auto problems = repository->staged_problems();
  if (problems.ok()) making.staged_problems = *std::move(problems);
  else making.staged_problems.push_back(problems.error().message);
  return making;
}

// Of a copy without repository.toml: what its timestamp and snapshot say of themselves.
trust::tuf::Profile stated_profile(const std::vector<trust::tuf::VerifiedRole>& roles) {
  trust::tuf::Profile profile{.snapshot_days = 0, .timestamp_days = 0};
  for (const auto& role : roles) {
    if (role.role == "snapshot") profile.snapshot_days = role.life_days;
    if (role.role == "timestamp") profile.timestamp_days = role.life_days;
  }
  return profile;
}

Json list_json(const std::vector<std::string>& words) {
  return Json::Array(words.begin(), words.end());
}

Result<int> verify(const Args& args) {
  const std::string folder = folder_of(args);
  if (!entry_kind(folder + "/metadata/.").ok())
    return fail(Code::kNotFound, "{}: no repository is here (no folder metadata)", folder);
  const std::string root = args.text("--root", folder + "/metadata/1.root.json");
  TRY_VALUE(const std::string root_bytes, read_file(root, trust::tuf::kMaxRootBytes));
  TRY_VALUE(const std::int64_t now_s, signing_time());
  TRY_VALUE(const auto found,
            trust::tuf::verify_repository(
                folder, root_bytes, now_s,
                was_pulled(folder) ? trust::tuf::Files::kElsewhere : trust::tuf::Files::kHere));
  const Making making = making_of(folder);
  const auto warnings = trust::tuf::expiring(
      making.expiry.empty() ? trust::tuf::expiry_of(found.roles) : making.expiry,
      making.profile ? *making.profile : stated_profile(found.roles),
      making.profile ? folder : "REPOSITORY", now_s);
  // A folder that was pulled may be copied, too: devices would find no whole release in that.
  const bool is_whole = found.elsewhere == 0 || args.has("--elsewhere");
  const bool good = found.problems.empty() && making.staged_problems.empty() && is_whole;
  if (args.has("--json")) {
    Json::Array roles;
    for (const auto& role : found.roles) {
      roles.emplace_back(Json::Members{{"role", role.role},
                                       {"version", role.version},
                                       {"expires", trust::tuf::time_text(role.expires_s)},
                                       {"targets", std::int64_t(role.targets)}});
    }
    fmt::print("{}", Json(Json::Members{{"repository", folder},
                                        {"good", good},
                                        {"roles", std::move(roles)},
                                        {"targets", std::int64_t(found.targets)},
                                        {"blobs", std::int64_t(found.blobs)},
                                        {"bytes", std::int64_t(found.bytes)},
                                        {"elsewhere", std::int64_t(found.elsewhere)},
                                        {"warnings", trust::tuf::expiring_json(warnings)},
                                        {"problems", list_json(found.problems)},
                                        {"staged_problems", list_json(making.staged_problems)}})
                         .pretty());
  } else {
    for (const auto& role : found.roles) {
      fmt::print("  {:<24} version {:>5}  {:>6} targets  {}\n", one_line(role.role), role.version,
                 role.targets, days_left(role.expires_s, now_s));
    }
    for (const std::string& problem : found.problems) fmt::print("  {}\n", one_line(problem));
    fmt::print("{}: {} targets and {} blobs, {}: {}\n", one_line(folder), found.targets,
               found.blobs, bytes_text(found.bytes),
               !found.problems.empty() ? "not good; devices would refuse it"
               : is_whole              ? "good"
                                       : "not whole");
    if (found.elsewhere > 0)
      fmt::print("  {} {} at the hub alone, and {} not looked at{}\n", found.elsewhere,
                 found.elsewhere == 1 ? "file is" : "files are",
                 found.elsewhere == 1 ? "was" : "were",
                 is_whole ? "" : ": a copy for devices needs them; --elsewhere does without");
    print_expiring(stdout, warnings);
    for (const std::string& problem : making.staged_problems)
      fmt::print("  staged, not published: {}\n", one_line(problem));
  }
  return good ? 0 : 1;
}

}  // namespace

const Command kRepoShow = {
    .name = "repo show",
    .summary =
        "Shows a repository: roles and how long they hold, releases, floors, what devices are "
        "assigned, what is\nstaged and what that changes.",
    .arguments = "FOLDER",
    .example = "  polder repo show repo",
    .options = kShowOptions,
    .min_positional = 1,
    .max_positional = 1,
    .run = show};

const Command kRepoVerify = {
    .name = "repo verify",
    .summary =
        "Holds a published repository to all that a device holds it to. Every signature from the "
        "root on,\nevery expiry, every target and blob: a copy on a stick or a server is whole "
        "when this says good. What is\nstaged is looked at too. Of what was pulled from a hub "
        "--elsewhere does without files that the hub alone has.\n"
        "A role that expires soon is a "
        "warning, one that has expired an error.",
    .arguments = "FOLDER",
    .example = "  polder repo verify /media/stick/repo --root root.json",
    .options = kVerifyOptions,
    .min_positional = 1,
    .max_positional = 1,
    .run = verify};

}  // namespace polder::cli
