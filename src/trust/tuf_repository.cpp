#include "trust/tuf_repository.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/text.h"
#include "base/toml.h"
#include "trust/tuf_repository_files.h"

namespace polder::trust::tuf {

namespace {

constexpr char kConfigFile[] = "/repository.toml";
constexpr const char* kFolders[] = {"/staged", "/metadata", "/targets", "/blobs"};
constexpr std::size_t kMaxConfigBytes = 64 * 1024;

constexpr Option kConfig[] = {
    {.name = "profile", .required = true, .choices = "hub|static"},
    {.name = "root_days", .type = OptionType::kInteger, .required = true, .min = 1, .max = 36500},
    {.name = "targets_days",
     .type = OptionType::kInteger,
     .required = true,
     .min = 1,
     .max = 36500},
    {.name = "snapshot_days",
     .type = OptionType::kInteger,
     .required = true,
     .min = 1,
     .max = 36500},
    {.name = "timestamp_days",
     .type = OptionType::kInteger,
     .required = true,
     .min = 1,
     .max = 36500}};

std::string config_text(const Profile& profile) {
  return fmt::format(
      "# How long the metadata of this repository hold from when they are made, in days. An "
      "expired\n"
      "# repository stops updates; what runs on a device goes on.\n"
      "profile = \"{}\"\nroot_days = {}\ntargets_days = {}\nsnapshot_days = {}\n"
      "timestamp_days = {}\n",
      profile.name, profile.root_days, profile.targets_days, profile.snapshot_days,
      profile.timestamp_days);
}

}  // namespace

bool is_top_level(std::string_view role) {
  return std::find(std::begin(kTopLevel), std::end(kTopLevel), role) != std::end(kTopLevel);
}

bool file_exists(const std::string& path) { return entry_kind(path).ok(); }

std::string parent_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

PublishedName published_name(std::string_view path) {
  const std::string_view name = path.substr(path.rfind('/') + 1);
  const std::size_t dot = name.find('.');
  if (dot == name.npos || !name.ends_with(".json") || name.size() < dot + 6) return {};
  std::int64_t version = 0;
  const auto read = std::from_chars(name.data(), name.data() + dot, version);
  if (read.ec != std::errc() || read.ptr != name.data() + dot || version < 0) return {};
  return {std::string(name.substr(dot + 1, name.size() - dot - 6)), version};
}

Status check_role_name(std::string_view role) {
  const auto good = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
  };
  if (!role.empty() && role.size() <= 64 && role[0] != '.' &&
      std::all_of(role.begin(), role.end(), good)) {
    return {};
  }
  return fail(Code::kInvalid,
              "role '{}': 1 to 64 of a-z, 0-9, '-', '_' and '.' expected, no '.' first",
              clipped(role));
}

Result<RoleKeys> role_keys(const Trust& trust, std::string_view role) {
  RoleKeys result;
  for (const PublicKey& key : trust.keys) {
    const std::string id = key.id();
    if (std::find(result.key_ids.begin(), result.key_ids.end(), id) != result.key_ids.end()) {
      return fail(Code::kInvalid, "role '{}': key {} is given twice", role, id);
    }
    result.key_ids.push_back(id);
  }
  result.threshold = trust.threshold;
  if (trust.threshold < 1 || std::size_t(trust.threshold) > trust.keys.size()) {
    return fail(Code::kInvalid, "role '{}': {} of {} keys are to sign; from 1 to {} can", role,
                trust.threshold, trust.keys.size(), trust.keys.size());
  }
  return result;
}

std::string list_of(const std::vector<std::string>& words) {
  return fmt::format("{}", fmt::join(words, ", "));
}

Result<Profile> profile(std::string_view name) {
  if (name == "hub") return Profile{.name = "hub"};
  if (name == "static") {
    return Profile{.name = "static",
                   .root_days = 730,
                   .targets_days = 365,
                   .snapshot_days = 180,
                   .timestamp_days = 180};
  }
  return fail(Code::kInvalid, "profile '{}': hub and static exist", clipped(name));
}

// --- Files ---

std::string Repository::staged_path(std::string_view role) const {
  return fmt::format("{}/{}.json", staged_, role);
}

std::string Repository::published_path(std::string_view role, std::int64_t version) const {
  if (role == "timestamp") return folder_ + "/metadata/timestamp.json";
  return fmt::format("{}/metadata/{}.{}.json", folder_, version, role);
}

bool Repository::is_staged(std::string_view role) const { return file_exists(staged_path(role)); }

Result<std::int64_t> Repository::published_version(std::string_view role) const {
  if (role == "timestamp") {
    if (!file_exists(published_path(role, 0))) return std::int64_t(0);
    TRY_VALUE(const std::string bytes, read_file(published_path(role, 0), kMaxTimestampBytes));
    TRY_VALUE(const auto metadata, parse_metadata<Timestamp>(bytes, published_path(role, 0)));
    return metadata.body.version;
  }
  if (role == "snapshot") {
    const auto timestamp = published<Timestamp>("timestamp");
    if (timestamp.ok()) return timestamp->body.snapshot.version;
    return timestamp.error().code == Code::kNotFound ? Result<std::int64_t>(0) : timestamp.error();
  }
  if (role != "root") return listed_version(role);
  TRY_VALUE(const auto paths, list_folder(folder_ + "/metadata", kMaxRepositoryFiles));
  std::int64_t newest = 0;
  for (const std::string& path : paths) {
    const PublishedName name = published_name(path);
    if (name.role == role) newest = std::max(newest, name.version);
  }
  return newest;
}

Result<std::int64_t> Repository::listed_version(std::string_view role) const {
  TRY_VALUE(const std::int64_t version, published_version("snapshot"));
  if (version == 0) return std::int64_t(0);
  auto bytes = read_file(published_path("snapshot", version), kMaxSnapshotBytes);
  if (!bytes.ok() || *bytes != snapshot_.bytes) {
    TRY_VALUE(auto snapshot, published<Snapshot>("snapshot"));  // or what is wrong with it
    TRY_VALUE(snapshot_.bytes, std::move(bytes));
    snapshot_.body = std::move(snapshot.body);
  }
  const auto meta = snapshot_.body.meta.find(fmt::format("{}.json", role));
  return meta == snapshot_.body.meta.end() ? 0 : meta->second.version;
}

Result<std::vector<std::string>> Repository::staged_roles() const {
  std::vector<std::string> roles;
  if (!file_exists(staged_)) return roles;
  TRY_VALUE(const auto paths, list_folder(staged_, kMaxRepositoryFiles));
  for (const std::string& path : paths) {
    std::string_view name = std::string_view(path).substr(path.rfind('/') + 1);
    if (!name.ends_with(".json")) continue;
    name.remove_suffix(5);
    TRY(check_role_name(name));
    if (std::ranges::find(kMadeByPublishing, name) != std::end(kMadeByPublishing))
      return fail(Code::kDenied,
                  "{}: somebody put it there, and nothing signs or publishes it: 'polder repo "
                  "publish' makes the {} itself; remove this file",
                  path, name);
    roles.emplace_back(name);
  }
  return roles;
}

// --- Making and opening ---

namespace {

// What waits is moved, and in the end all of it removed: no link leads to another folder.
Status check_staged_folders(const std::string& staged) {
  for (const char* name : {"", "/targets", "/blobs"}) {
    const auto kind = entry_kind(staged + name);
    if (kind.ok() ? *kind == EntryKind::kFolder : kind.error().code == Code::kNotFound) continue;
    if (!kind.ok()) return kind.error();
    return fail(Code::kDenied,
                "{}{}: a folder is expected, and a link or a file is there: remove "
                "it; nothing was changed",
                staged, name);
  }
  return {};
}

// What create() leaves where it is cut off: no key has signed any of it, for nobody could open it.
bool is_of_create(const FolderEntry& entry) {
  if (entry.kind == EntryKind::kFolder)
    return std::ranges::find(kFolders, "/" + entry.path) != std::end(kFolders);
  return entry.kind == EntryKind::kFile &&
         (entry.path == "staged/root.json" || entry.path == "staged/targets.json");
}

Status check_empty(const std::string& folder) {
  if (file_exists(folder + kConfigFile)) {
    return fail(Code::kDenied, "{}: a repository is here already; nothing was changed", folder);
  }
  TRY_VALUE(const auto entries, walk_folder(folder, kMaxRepositoryFiles));
  const auto other = std::ranges::find_if_not(entries, is_of_create);
  if (other == entries.end()) return {};
  return fail(Code::kDenied,
              "{}: is not empty, '{}' is there; a repository begins in a new folder, or where "
              "'polder repo init' was cut off and nothing else is",
              folder, clipped(other->path));
}

}  // namespace

Result<Repository> Repository::create(const std::string& folder, const TopLevelTrust& trust,
                                      const Profile& profile, std::int64_t now_s) {
  Root root;
  root.consistent_snapshot = true;
  const std::pair<std::string_view, const Trust*> roles[] = {{"root", &trust.root},
                                                             {"targets", &trust.targets},
                                                             {"snapshot", &trust.snapshot},
                                                             {"timestamp", &trust.timestamp}};
  for (const auto& [name, role] : roles) {
    TRY_VALUE(root.roles[std::string(name)], role_keys(*role, name));
    for (const PublicKey& key : role->keys) root.keys[key.id()] = to_key(key);
  }
  for (const auto& [id, key] : root.keys) TRY(check_key_is_apart(id, root, nullptr, false));
  TRY(make_folders(folder));
  TRY_VALUE(const FileLock alone, FileLock::take(folder, kRepositoryWaitMs));
  TRY(check_empty(folder));
  for (const char* name : kFolders) TRY(make_folders(folder + name));
  Repository repository(folder, "", profile);
  repository.before_.try_emplace(folder + kConfigFile);
  TRY(repository.stage("root", std::move(root), now_s));
  TRY(repository.stage("targets", Targets(), now_s));
  // Last: a folder with it is a repository.
  TRY(write_file_atomic(folder + kConfigFile, config_text(profile)));
  TRY(repository.lock(kRepositoryWaitMs));
  return repository;
}

Status Repository::begin(const std::string& folder, const Profile& profile) {
  TRY(make_folders(folder));
  if (file_exists(folder + kConfigFile)) return {};
  TRY(check_empty(folder));
  for (const char* name : kFolders) TRY(make_folders(folder + name));
  return write_file_atomic(folder + kConfigFile, config_text(profile));
}

Result<Repository> Repository::open(const std::string& folder, std::int64_t wait_ms,
                                    const std::string& staged) {
  TRY_VALUE(Repository repository, open_to_read(folder, staged));
  TRY(repository.lock(wait_ms));
  TRY(check_staged_folders(repository.staged_));
  return repository;
}

Status Repository::lock(std::int64_t wait_ms) {
  auto lock = FileLock::take(folder_ + kConfigFile, wait_ms);
  if (!lock.ok() && lock.error().code == Code::kUnavailable) {
    return fail(
        Code::kUnavailable,
        "{}: another command changes this repository ({}); nothing was done: try again when "
        "it has ended",
        folder_, lock.error().message);
  }
  if (!lock.ok()) return std::move(lock).error();
  lock_ = *std::move(lock);
  return {};
}

Result<Repository> Repository::open_to_read(const std::string& folder, const std::string& staged) {
  const std::string path = folder + kConfigFile;
  auto text = read_file(path, kMaxConfigBytes);
  if (!text) {
    if (text.error().code != Code::kNotFound) return std::move(text).error();
    return fail(Code::kNotFound,
                "{}: no repository is here (no repository.toml); 'polder repo "
                "init' makes one",
                folder);
  }
  TRY_VALUE(const TomlValue table, parse_toml(*text, path));
  TRY_VALUE(const Settings settings, Settings::check(table, kConfig, path, "the repository"));
  return Repository(folder, staged,
                    Profile{.name = settings.string("profile"),
                            .root_days = settings.integer("root_days"),
                            .targets_days = settings.integer("targets_days"),
                            .snapshot_days = settings.integer("snapshot_days"),
                            .timestamp_days = settings.integer("timestamp_days")});
}

// --- Looking ---

Result<std::vector<RoleState>> Repository::roles() const {
  std::vector<RoleState> result;
  Delegators delegators;
  const auto add = [&](const auto& metadata, const Signers& signers, std::string_view role,
                       std::size_t targets) {
    result.push_back({.role = std::string(role),
                      .version = metadata.body.version,
                      .expires_s = metadata.body.expires_s,
                      .threshold = int(signers.role.threshold),
                      .keys = int(signers.role.key_ids.size()),
                      .targets = targets,
                      .bytes = metadata.envelope.bytes().size()});
  };
  TRY_VALUE(const auto root, published<Root>("root"));
  TRY_VALUE(const auto snapshot, published<Snapshot>("snapshot"));
  TRY_VALUE(const auto timestamp, published<Timestamp>("timestamp"));
  const auto signers = [&](const char* role) {
    return Signers{root.body.keys, root.body.roles.at(role)};
  };
  add(root, signers("root"), "root", 0);
  add(timestamp, signers("timestamp"), "timestamp", 0);
  add(snapshot, signers("snapshot"), "snapshot", 0);
  for (const auto& [file, meta] : snapshot.body.meta) {
    const std::string role = file.substr(0, file.size() - 5);
    TRY_VALUE(const auto targets, published<Targets>(role));
    TRY_VALUE(const Signers keys, signers_of(role, delegators));
    add(targets, keys, role, targets.body.targets.size());
  }
  return result;
}

}  // namespace polder::trust::tuf
