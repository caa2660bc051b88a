#include "trust/tuf_repository.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/fail.h"
#include "base/text.h"
#include "base/toml.h"
#include "platform/file.h"
#include "platform/folder.h"
#include "trust/digest.h"
#include "trust/file_digest.h"
#include "trust/floors.h"

namespace polder::trust::tuf {

namespace {

constexpr std::size_t kMaxFiles = 1u << 20;
constexpr std::size_t kMaxConfigBytes = 64 * 1024;
constexpr std::uint64_t kMaxTargetBytes = std::uint64_t(1) << 40;
constexpr std::string_view kTopLevel[] = {"root", "targets", "snapshot", "timestamp"};
// Bins that 1,000 targets go to and, from 16,000 on, no role holds more than it may.
constexpr int kBins = 256;

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

bool is_top_level(std::string_view role) {
  return std::find(std::begin(kTopLevel), std::end(kTopLevel), role) != std::end(kTopLevel);
}

// A role's hash bins are named after it: "people.bin-0a".
constexpr std::string_view kBinMark = ".bin-";

bool is_bin(std::string_view role) { return role.find(kBinMark) != role.npos; }

// What devices look for in the top level itself stays there.
bool goes_into_bins(std::string_view path) { return path != kFloorsTarget; }

bool file_exists(const std::string& path) { return entry_kind(path).ok(); }

// A role's name is a file's name as well.
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

Status check_target_path(std::string_view path) {
  const auto bad = [&](std::string_view why) {
    return fail(Code::kInvalid,
                "target '{}': {}; a relative path such as 'people/1.0.0/manifest."
                "json' expected",
                clipped(path), why);
  };
  if (path.empty() || path.size() > kMaxNameBytes) return bad("empty or too long");
  for (std::size_t start = 0; start <= path.size();) {
    const std::size_t end = std::min(path.find('/', start), path.size());
    const std::string_view part = path.substr(start, end - start);
    if (part.empty() || part == "." || part == "..") return bad("an empty part, '.' or '..'");
    start = end + 1;
  }
  const auto odd = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == '\\'; };
  if (std::any_of(path.begin(), path.end(), odd)) return bad("a control character or '\\'");
  return {};
}

// "people/1.0.0/DIGEST.manifest.json" (specification, section 6.2).
std::string consistent_name(std::string_view path, std::string_view digest) {
  const std::size_t slash = path.rfind('/');
  const std::size_t start = slash == path.npos ? 0 : slash + 1;
  return fmt::format("{}{}.{}", path.substr(0, start), digest, path.substr(start));
}

std::string parent_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

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

// Writes a file under its digest's name, if it is not there.
Status copy_file(const std::string& from, const std::string& to) {
  DiskStore disk;
  TRY(make_folders(parent_of(to)));
  TRY_VALUE(const auto output, disk.create(to));
  TRY_VALUE([[maybe_unused]] const std::uint64_t bytes,
            stream_file(from, kMaxTargetBytes,
                        [&](std::string_view piece) { return output->write(piece); }));
  return output->commit();
}

std::string list_of(const std::vector<std::string>& words) {
  return fmt::format("{}", fmt::join(words, ", "));
}

// Drops the keys that no role has any more.
template <class Roles>
void forget_unused(Keys& keys, const Roles& roles_of) {
  std::set<std::string_view> used;
  roles_of([&](const RoleKeys& role) { used.insert(role.key_ids.begin(), role.key_ids.end()); });
  std::erase_if(keys, [&](const auto& entry) { return !used.contains(entry.first); });
}

}  // namespace

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
  return fmt::format("{}/staged/{}.json", folder_, role);
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
  TRY_VALUE(const auto paths, list_folder(folder_ + "/metadata", kMaxFiles));
  const std::string suffix = fmt::format(".{}.json", role);
  std::int64_t newest = 0;
  for (const std::string& path : paths) {
    std::string_view name = std::string_view(path).substr(path.rfind('/') + 1);
    if (!name.ends_with(suffix)) continue;
    name.remove_suffix(suffix.size());
    std::int64_t version = 0;
    for (const char digit : name) {
      if (digit < '0' || digit > '9' || version > kMaxInteger / 10) {
        version = 0;
        break;
      }
      version = version * 10 + (digit - '0');
    }
    newest = std::max(newest, version);
  }
  return newest;
}

template <class Body>
Result<Metadata<Body>> Repository::published(std::string_view role) const {
  TRY_VALUE(const std::int64_t version, published_version(role));
  if (version == 0) return fail(Code::kNotFound, "{}: role '{}' is not published", folder_, role);
  const std::string path = published_path(role, version);
  TRY_VALUE(const std::string bytes, read_file(path, Body::kMaxBytes));
  TRY_VALUE(auto metadata, parse_metadata<Body>(bytes, path));
  if (metadata.body.version != version) {
    return fail(Code::kCorrupt, "{}: version {} expected, {} found", path, version,
                metadata.body.version);
  }
  return metadata;
}

template <class Body>
Result<Metadata<Body>> Repository::current(std::string_view role) const {
  const std::string path = staged_path(role);
  if (!file_exists(path)) return published<Body>(role);
  TRY_VALUE(const std::string bytes, read_file(path, Body::kMaxBytes));
  return parse_metadata<Body>(bytes, path);
}

template <class Body>
Status Repository::stage(std::string_view role, Body body, std::int64_t now_s) {
  const std::int64_t days = Body::kType == Root::kType ? profile_.root_days : profile_.targets_days;
  TRY_VALUE(const std::int64_t before, published_version(role));
  body.version = before + 1;
  body.spec_version = kSpecVersion;
  body.expires_s = now_s + days * kDayS;
  TRY_VALUE(const std::string bytes, sign_metadata(to_json(body), {}));
  if (bytes.size() > Body::kMaxBytes) {
    return fail(Code::kExhausted, "role '{}' would have {} bytes of metadata; {} at most", role,
                bytes.size(), Body::kMaxBytes);
  }
  TRY(make_folders(folder_ + "/staged"));
  return write_file_atomic(staged_path(role), bytes);
}

Result<std::vector<std::string>> Repository::staged_roles() const {
  std::vector<std::string> roles;
  if (!file_exists(folder_ + "/staged")) return roles;
  TRY_VALUE(const auto paths, list_folder(folder_ + "/staged", kMaxFiles));
  for (const std::string& path : paths) {
    std::string_view name = std::string_view(path).substr(path.rfind('/') + 1);
    if (!name.ends_with(".json")) continue;
    name.remove_suffix(5);
    TRY(check_role_name(name));
    roles.emplace_back(name);
  }
  return roles;
}

// --- Making and opening ---

Result<Repository> Repository::create(const std::string& folder, const TopLevelTrust& trust,
                                      const Profile& profile, std::int64_t now_s) {
  if (file_exists(folder)) {
    TRY_VALUE(const auto entries, list_folder(folder, kMaxFiles));
    if (!entries.empty()) {
      return fail(Code::kDenied, "{}: is not empty; a repository begins in a new folder", folder);
    }
  }
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
  for (const char* name : {"/staged", "/metadata", "/targets", "/blobs"}) {
    TRY(make_folders(folder + name));
  }
  Repository repository(folder, profile);
  TRY(repository.stage("root", std::move(root), now_s));
  TRY(repository.stage("targets", Targets(), now_s));
  // Last: a folder with it is a repository.
  TRY(write_file_atomic(folder + "/repository.toml", config_text(profile)));
  return repository;
}

Result<Repository> Repository::open(const std::string& folder) {
  const std::string path = folder + "/repository.toml";
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
  return Repository(folder, Profile{.name = settings.string("profile"),
                                    .root_days = settings.integer("root_days"),
                                    .targets_days = settings.integer("targets_days"),
                                    .snapshot_days = settings.integer("snapshot_days"),
                                    .timestamp_days = settings.integer("timestamp_days")});
}

// --- Targets ---

// The role that holds targets of such a path: as a client looks for it, the first delegation that
// covers it, and the bin where a role has bins.
Result<std::string> Repository::role_for(const std::string& path, std::string_view wanted) const {
  std::string role = wanted.empty() ? "targets" : std::string(wanted);
  if (wanted.empty() || wanted != "targets") {
    TRY_VALUE(const auto top, current<Targets>("targets"));
    const DelegatedRole* found = nullptr;
    if (top.body.delegations) {
      for (const DelegatedRole& delegated : top.body.delegations->roles) {
        if (wanted.empty() ? delegated.covers(path) : delegated.name == wanted) {
          found = &delegated;
          break;
        }
      }
    }
    if (!wanted.empty() && found == nullptr) {
      return fail(Code::kNotFound, "no role '{}' is delegated; 'polder repo delegate' makes one",
                  wanted);
    }
    if (found != nullptr) {
      if (!found->covers(path)) {
        return fail(Code::kInvalid, "target '{}': role '{}' is not trusted for it", path, wanted);
      }
      role = found->name;
    }
  }
  TRY_VALUE(const auto metadata, current<Targets>(role));
  // The top level's own delegations are model families, which were looked at; its bins have
  // prefixes.
  if (metadata.body.delegations && goes_into_bins(path)) {
    for (const DelegatedRole& bin : metadata.body.delegations->roles) {
      if (bin.path_hash_prefixes && bin.covers(path)) return bin.name;
    }
  }
  return role;
}

Status Repository::record(const std::string& path, const TargetFile& target, std::int64_t now_s,
                          std::string_view role) {
  TRY_VALUE(std::string holder, role_for(path, role));
  TRY_VALUE(auto metadata, current<Targets>(holder));
  const auto before = metadata.body.targets.find(path);
  if (before != metadata.body.targets.end() && before->second.length == target.length &&
      before->second.hashes == target.hashes) {
    return {};
  }
  if (before == metadata.body.targets.end() && metadata.body.targets.size() >= kTargetsBeforeBins &&
      !is_bin(holder) && goes_into_bins(path)) {
    TRY(split_into_bins(holder, now_s));
    TRY_VALUE(holder, role_for(path, role));
    TRY_VALUE(metadata, current<Targets>(holder));
  }
  metadata.body.targets[path] = target;
  return stage(holder, std::move(metadata.body), now_s);
}

Status Repository::add_file(const std::string& path, const std::string& file, std::int64_t now_s,
                            std::string_view role) {
  TRY(check_target_path(path));
  TRY_VALUE([[maybe_unused]] const std::string holder, role_for(path, role));
  TRY_VALUE(const FileDigest digest, digest_file(file, kMaxTargetBytes));
  const std::string sha256 = hex(digest.sha256);
  const std::string place = folder_ + "/targets/" + consistent_name(path, sha256);
  if (!file_exists(place)) TRY(copy_file(file, place));
  return record(path,
                TargetFile{.length = std::int64_t(digest.bytes), .hashes = {{"sha256", sha256}}},
                now_s, role);
}

Status Repository::add_bytes(const std::string& path, std::string_view bytes, std::int64_t now_s,
                             std::string_view role) {
  TRY(check_target_path(path));
  TRY_VALUE([[maybe_unused]] const std::string holder, role_for(path, role));
  const std::string digest = hex(sha256(bytes));
  const std::string place = folder_ + "/targets/" + consistent_name(path, digest);
  TRY(make_folders(parent_of(place)));
  TRY(write_file_atomic(place, bytes));
  return record(path,
                TargetFile{.length = std::int64_t(bytes.size()), .hashes = {{"sha256", digest}}},
                now_s, role);
}

Result<std::string> Repository::add_blob(const std::string& file) {
  TRY_VALUE(const FileDigest digest, digest_file(file, kMaxTargetBytes));
  std::string name = hex(digest.sha256);
  const std::string place = fmt::format("{}/blobs/sha256/{}/{}", folder_, name.substr(0, 2), name);
  if (!file_exists(place)) TRY(copy_file(file, place));
  return name;
}

Status Repository::remove_target(const std::string& path, std::int64_t now_s) {
  TRY_VALUE(const auto all, targets());
  const auto found = all.find(path);
  if (found == all.end()) return fail(Code::kNotFound, "no target '{}'", clipped(path));
  TRY_VALUE(auto metadata, current<Targets>(found->second));
  metadata.body.targets.erase(path);
  return stage(found->second, std::move(metadata.body), now_s);
}

Status Repository::split_into_bins(const std::string& role, std::int64_t now_s) {
  Delegators delegators;
  TRY_VALUE(const Signers signers, signers_of(role, delegators));
  TRY_VALUE(auto metadata, current<Targets>(role));
  Delegations& delegations =
      metadata.body.delegations ? *metadata.body.delegations : metadata.body.delegations.emplace();
  for (const std::string& id : signers.role.key_ids) delegations.keys[id] = signers.keys.at(id);
  std::vector<Targets> bins(kBins);
  std::vector<DelegatedRole> roles(kBins);
  for (int bin = 0; bin < kBins; ++bin) {
    DelegatedRole& delegated = roles[std::size_t(bin)];
    delegated.key_ids = signers.role.key_ids;
    delegated.threshold = signers.role.threshold;
    delegated.name = fmt::format("{}{}{:02x}", role, kBinMark, bin);
    delegated.terminating = true;
    delegated.path_hash_prefixes = {fmt::format("{:02x}", bin)};
  }
  std::erase_if(metadata.body.targets, [&](auto& item) {
    auto& [path, target] = item;
    if (!goes_into_bins(path)) return false;
    bins[sha256(path)[0]].targets.emplace(path, std::move(target));
    return true;
  });
  // Behind the families, which are more particular.
  delegations.roles.insert(delegations.roles.end(), roles.begin(), roles.end());
  for (int bin = 0; bin < kBins; ++bin) {
    TRY(stage(roles[std::size_t(bin)].name, std::move(bins[std::size_t(bin)]), now_s));
  }
  return stage(role, std::move(metadata.body), now_s);
}

// --- Trust ---

Status Repository::delegate(const std::string& role, const Trust& trust,
                            std::vector<std::string> paths, bool terminating, std::int64_t now_s) {
  TRY(check_role_name(role));
  if (is_bin(role)) return fail(Code::kInvalid, "role '{}': '{}' marks hash bins", role, kBinMark);
  if (is_top_level(role)) {
    return fail(Code::kInvalid, "role '{}' is the top level's: 'polder repo rotate' changes it",
                role);
  }
  if (paths.empty()) {
    return fail(Code::kInvalid, "role '{}' is trusted for nothing: give --path, such as '{}/*/*'",
                role, role);
  }
  DelegatedRole delegated;
  TRY_VALUE(static_cast<RoleKeys&>(delegated), role_keys(trust, role));
  delegated.name = role;
  delegated.terminating = terminating;
  delegated.paths = std::move(paths);
  TRY_VALUE(auto top, current<Targets>("targets"));
  Delegations& delegations =
      top.body.delegations ? *top.body.delegations : top.body.delegations.emplace();
  const auto same = std::find_if(delegations.roles.begin(), delegations.roles.end(),
                                 [&](const DelegatedRole& other) { return other.name == role; });
  if (same != delegations.roles.end()) {
    *same = std::move(delegated);
  } else {
    // Before the bins of the top level, which cover everything.
    const auto bins =
        std::find_if(delegations.roles.begin(), delegations.roles.end(),
                     [](const DelegatedRole& other) { return other.path_hash_prefixes; });
    delegations.roles.insert(bins, std::move(delegated));
  }
  for (const PublicKey& key : trust.keys) delegations.keys[key.id()] = to_key(key);
  forget_unused(delegations.keys, [&](const auto& use) {
    for (const DelegatedRole& other : delegations.roles) use(other);
  });
  TRY(stage("targets", std::move(top.body), now_s));
  auto before = current<Targets>(role);
  if (before) return {};
  if (before.error().code != Code::kNotFound) return std::move(before).error();
  return stage(role, Targets(), now_s);
}

namespace {

Status change(RoleKeys& role, Keys& keys, const std::string& name, std::span<const PublicKey> add,
              std::span<const std::string> remove_ids, std::optional<int> threshold) {
  for (const std::string& id : remove_ids) {
    if (std::erase(role.key_ids, id) == 0) {
      return fail(Code::kNotFound, "role '{}' has no key {}; it has {}", name, clipped(id),
                  list_of(role.key_ids));
    }
  }
  for (const PublicKey& key : add) {
    const std::string id = key.id();
    if (std::find(role.key_ids.begin(), role.key_ids.end(), id) != role.key_ids.end()) {
      return fail(Code::kInvalid, "role '{}' has key {} already", name, id);
    }
    role.key_ids.push_back(id);
    keys[id] = to_key(key);
  }
  if (threshold) role.threshold = *threshold;
  if (role.threshold < 1 || std::size_t(role.threshold) > role.key_ids.size()) {
    return fail(Code::kInvalid, "role '{}': {} of {} keys would have to sign", name, role.threshold,
                role.key_ids.size());
  }
  return {};
}

}  // namespace

Status Repository::rotate(const std::string& role, std::span<const PublicKey> add,
                          std::span<const std::string> remove_ids, std::optional<int> threshold,
                          std::int64_t now_s) {
  if (is_top_level(role)) {
    TRY_VALUE(auto root, current<Root>("root"));
    TRY(change(root.body.roles.at(role), root.body.keys, role, add, remove_ids, threshold));
    forget_unused(root.body.keys, [&](const auto& use) {
      for (const auto& [name, keys] : root.body.roles) use(keys);
    });
    TRY(stage("root", std::move(root.body), now_s));
    // What the role had signed may not be enough for its new keys.
    return role == "targets" ? renew("targets", now_s) : Status();
  }
  TRY_VALUE(auto top, current<Targets>("targets"));
  if (top.body.delegations) {
    for (DelegatedRole& delegated : top.body.delegations->roles) {
      if (delegated.name != role) continue;
      TRY(change(delegated, top.body.delegations->keys, role, add, remove_ids, threshold));
      forget_unused(top.body.delegations->keys, [&](const auto& use) {
        for (const DelegatedRole& other : top.body.delegations->roles) use(other);
      });
      TRY(stage("targets", std::move(top.body), now_s));
      return renew(role, now_s);
    }
  }
  return fail(Code::kNotFound, "no role '{}'", clipped(role));
}

Status Repository::renew(const std::string& role, std::int64_t now_s) {
  if (role == "root") {
    TRY_VALUE(auto root, current<Root>(role));
    return stage(role, std::move(root.body), now_s);
  }
  if (role == "snapshot" || role == "timestamp") {
    return fail(Code::kInvalid, "role '{}': 'polder repo publish' makes it anew", role);
  }
  TRY(check_role_name(role));
  TRY_VALUE(auto metadata, current<Targets>(role));
  return stage(role, std::move(metadata.body), now_s);
}

Status Repository::discard() {
  TRY_VALUE(const auto roles, staged_roles());
  for (const std::string& role : roles) TRY(remove_file(staged_path(role)));
  return {};
}

// --- Signing ---

Result<Repository::Signers> Repository::signers_of(std::string_view role,
                                                   Delegators& delegators) const {
  if (is_top_level(role)) {
    if (!delegators.root) {
      TRY_VALUE(delegators.root, current<Root>("root"));
    }
    return Signers{delegators.root->body.keys, delegators.root->body.roles.at(std::string(role))};
  }
  // Of a bin: the role before it.
  const std::size_t bin = role.find(kBinMark);
  const std::string_view parent = bin == role.npos ? "targets" : role.substr(0, bin);
  auto found = delegators.targets.find(parent);
  if (found == delegators.targets.end()) {
    TRY_VALUE(auto metadata, current<Targets>(parent));
    found = delegators.targets.emplace(parent, std::move(metadata)).first;
  }
  if (const auto& delegations = found->second.body.delegations) {
    for (const DelegatedRole& delegated : delegations->roles) {
      if (delegated.name == role) return Signers{delegations->keys, delegated};
    }
  }
  return fail(Code::kCorrupt, "{}: '{}' delegates to no role '{}'", folder_, parent, role);
}

Result<std::vector<Repository::Signers>> Repository::all_signers_of(std::string_view role,
                                                                    Delegators& delegators) const {
  std::vector<Signers> result;
  TRY_VALUE(Signers now, signers_of(role, delegators));
  result.push_back(std::move(now));
  if (role == "root" && is_staged("root")) {
    auto before = published<Root>("root");
    if (before) {
      result.push_back(Signers{std::move(before->body.keys), before->body.roles.at("root")});
    } else if (before.error().code != Code::kNotFound) {
      return std::move(before).error();
    }
  }
  return result;
}

Result<std::vector<Staged>> Repository::staged() const {
  std::vector<Staged> result;
  Delegators delegators;
  TRY_VALUE(const auto roles, staged_roles());
  for (const std::string& role : roles) {
    const std::string path = staged_path(role);
    TRY_VALUE(const std::string bytes, read_file(path, kMaxTargetsBytes));
    TRY_VALUE(const Envelope envelope, parse_envelope(bytes, kMaxTargetsBytes, path));
    TRY_VALUE(const Object body, Object::of(envelope.signed_part, path));
    Staged staged{.role = role, .complete = true};
    TRY_VALUE(staged.version, body.integer("version", 1, kMaxInteger));
    TRY_VALUE(const auto all, all_signers_of(role, delegators));
    for (const Signers& signers : all) {
      TRY_VALUE(const int count, envelope.count(signers.keys, signers.role));
      // The one that lacks most is told of.
      const int lacks = int(signers.role.threshold) - count;
      if (&signers == all.data() || lacks > staged.threshold - staged.signatures) {
        staged.signatures = count;
        staged.threshold = int(signers.role.threshold);
      }
      if (lacks <= 0) continue;
      staged.complete = false;
      for (const std::string& id : signers.role.key_ids) {
        const bool has_signed =
            std::any_of(envelope.signatures.begin(), envelope.signatures.end(),
                        [&](const Signature& signature) { return signature.key_id == id; });
        const bool listed = std::find(staged.open_keys.begin(), staged.open_keys.end(), id) !=
                            staged.open_keys.end();
        if (!has_signed && !listed) staged.open_keys.push_back(id);
      }
    }
    result.push_back(std::move(staged));
  }
  return result;
}

Result<std::vector<std::string>> Repository::sign(Signer& signer) {
  std::vector<std::string> done;
  Delegators delegators;
  TRY_VALUE(const auto roles, staged_roles());
  if (roles.empty()) return fail(Code::kNotFound, "{}: nothing is staged to be signed", folder_);
  for (const std::string& role : roles) {
    TRY_VALUE(const auto all, all_signers_of(role, delegators));
    std::string key_id;
    for (const Signers& signers : all) {
      for (const std::string& id : signers.role.key_ids) {
        const auto key = signers.keys.find(id);
        if (key != signers.keys.end() && key->second.key &&
            *key->second.key == signer.public_key()) {
          key_id = id;
        }
      }
    }
    if (key_id.empty()) continue;
    const std::string path = staged_path(role);
    TRY_VALUE(const std::string bytes, read_file(path, kMaxTargetsBytes));
    TRY_VALUE(Envelope envelope, parse_envelope(bytes, kMaxTargetsBytes, path));
    TRY(envelope.add_signature(signer, key_id));
    TRY(write_file_atomic(path, envelope.bytes()));
    done.push_back(role);
  }
  if (!done.empty()) return done;
  return fail(Code::kDenied, "key {} signs for none of the staged roles: {}",
              signer.public_key().id(), list_of(roles));
}

// --- Publishing ---

namespace {

// Signs with those of the signers that the role trusts; held to its threshold.
Result<std::string> signed_by_role(Json body, const Keys& keys, const RoleKeys& role,
                                   std::span<Signer* const> signers, std::string_view name) {
  Envelope envelope;
  envelope.signed_part = std::move(body);
  for (Signer* signer : signers) {
    for (const std::string& id : role.key_ids) {
      const auto key = keys.find(id);
      if (key == keys.end() || !key->second.key || *key->second.key != signer->public_key()) {
        continue;
      }
      TRY(envelope.add_signature(*signer, id));
    }
  }
  auto status = envelope.check(keys, role, name);
  if (status) return envelope.bytes();
  return fail(Code::kDenied, "{}; give --key for {} of its keys: {}", status.error().message,
              role.threshold, list_of(role.key_ids));
}

}  // namespace

Result<Snapshot> Repository::next_snapshot(bool& changed, std::int64_t now_s) const {
  Snapshot snapshot;
  auto before = published<Snapshot>("snapshot");
  if (before) {
    snapshot = std::move(before->body);
  } else if (before.error().code != Code::kNotFound) {
    return std::move(before).error();
  }
  changed = !before || snapshot.expires_s - now_s < profile_.snapshot_days * kDayS / 2;
  TRY_VALUE(const auto roles, staged_roles());
  for (const std::string& role : roles) {
    if (role == "root") continue;
    TRY_VALUE(const std::string bytes, read_file(staged_path(role), kMaxTargetsBytes));
    TRY_VALUE(const auto metadata, parse_metadata<Targets>(bytes, staged_path(role)));
    MetaFile& file = snapshot.meta[role + ".json"];
    file.version = metadata.body.version;
    file.length = std::int64_t(bytes.size());
    file.hashes = {{"sha256", hex(sha256(bytes))}};
    changed = true;
  }
  if (changed) {
    snapshot.version = before ? snapshot.version + 1 : 1;
    snapshot.spec_version = kSpecVersion;
    snapshot.expires_s = now_s + profile_.snapshot_days * kDayS;
  }
  return snapshot;
}

Status Repository::publish(std::span<Signer* const> signers, std::int64_t now_s) {
  // All that can be refused is refused before the first file is written.
  TRY_VALUE(const auto all_staged, staged());
  for (const Staged& file : all_staged) {
    if (file.complete) continue;
    return fail(Code::kDenied,
                "role '{}' version {}: {} of {} signatures are there; sign with 'polder repo sign' "
                "and one of {}",
                file.role, file.version, file.signatures, file.threshold, list_of(file.open_keys));
  }
  Delegators delegators;
  TRY_VALUE(const Signers snapshot_signers, signers_of("snapshot", delegators));
  TRY_VALUE(const Signers timestamp_signers, signers_of("timestamp", delegators));
  bool changed = false;
  TRY_VALUE(const Snapshot snapshot, next_snapshot(changed, now_s));
  std::string snapshot_bytes;
  if (changed) {
    TRY_VALUE(snapshot_bytes, signed_by_role(to_json(snapshot), snapshot_signers.keys,
                                             snapshot_signers.role, signers, "snapshot"));
    if (snapshot_bytes.size() > kMaxSnapshotBytes) {
      return fail(Code::kExhausted, "snapshot: {} bytes; {} at most", snapshot_bytes.size(),
                  kMaxSnapshotBytes);
    }
  } else {
    TRY_VALUE(snapshot_bytes,
              read_file(published_path("snapshot", snapshot.version), kMaxSnapshotBytes));
  }
  TRY_VALUE(const std::int64_t timestamp_version, published_version("timestamp"));
  Timestamp timestamp;
  timestamp.version = timestamp_version + 1;
  timestamp.expires_s = now_s + profile_.timestamp_days * kDayS;
  timestamp.snapshot.version = snapshot.version;
  timestamp.snapshot.length = std::int64_t(snapshot_bytes.size());
  timestamp.snapshot.hashes = {{"sha256", hex(sha256(snapshot_bytes))}};
  TRY_VALUE(const std::string timestamp_bytes,
            signed_by_role(to_json(timestamp), timestamp_signers.keys, timestamp_signers.role,
                           signers, "timestamp"));

  // What clients find only through what is written after it, down to timestamp.json. A run that
  // was cut short is made good by the next.
  for (const Staged& file : all_staged) {
    TRY_VALUE(const std::string bytes, read_file(staged_path(file.role), kMaxTargetsBytes));
    if (file.role != "root") TRY(write_file_atomic(published_path(file.role, file.version), bytes));
  }
  if (changed) TRY(write_file_atomic(published_path("snapshot", snapshot.version), snapshot_bytes));
  if (is_staged("root")) {
    TRY_VALUE(const std::string bytes, read_file(staged_path("root"), kMaxRootBytes));
    TRY_VALUE(const auto root, parse_metadata<Root>(bytes, staged_path("root")));
    TRY(write_file_atomic(published_path("root", root.body.version), bytes));
  }
  TRY(write_file_atomic(published_path("timestamp", timestamp.version), timestamp_bytes));
  return discard();
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

Result<std::map<std::string, std::string>> Repository::targets() const {
  std::map<std::string, std::string> result;
  std::vector<std::string> open = {"targets"};
  std::set<std::string> seen;
  while (!open.empty()) {
    const std::string role = std::move(open.back());
    open.pop_back();
    if (!seen.insert(role).second) continue;
    TRY_VALUE(const auto metadata, current<Targets>(role));
    for (const auto& [path, target] : metadata.body.targets) result.emplace(path, role);
    if (!metadata.body.delegations) continue;
    for (const DelegatedRole& delegated : metadata.body.delegations->roles) {
      open.push_back(delegated.name);
    }
  }
  return result;
}

Result<std::string> Repository::read_target(const std::string& path, std::size_t cap_bytes,
                                            std::string_view role) const {
  TRY_VALUE(const std::string holder, role_for(path, role));
  TRY_VALUE(const auto metadata, current<Targets>(holder));
  const auto target = metadata.body.targets.find(path);
  if (target == metadata.body.targets.end()) {
    return fail(Code::kNotFound, "no target '{}'", clipped(path));
  }
  const auto digest = target->second.hashes.find("sha256");
  if (digest == target->second.hashes.end()) {
    return fail(Code::kUnsupported, "target '{}' has no SHA-256", path);
  }
  const std::string place = folder_ + "/targets/" + consistent_name(path, digest->second);
  TRY_VALUE(std::string bytes, read_file(place, cap_bytes));
  TRY(check_bytes(bytes, target->second.length, target->second.hashes, place));
  return bytes;
}

}  // namespace polder::trust::tuf
