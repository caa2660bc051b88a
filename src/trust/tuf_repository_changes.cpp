// What is staged against what is published, for whoever signs or publishes it.
#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "base/text.h"
#include "platform/random_access.h"
#include "trust/file_digest.h"
#include "trust/floors.h"
#include "trust/manifest.h"
#include "trust/release_folder.h"
#include "trust/tuf_repository_files.h"

namespace polder::trust::tuf {

namespace {

template <class Body>
Result<std::optional<Body>> or_none(Result<Metadata<Body>> metadata) {
  if (metadata.ok()) return std::optional<Body>(std::move(metadata->body));
  if (metadata.error().code == Code::kNotFound) return std::optional<Body>();
  return std::move(metadata).error();
}

template <class Body>
StagedVersion version_of(const std::string& role, const std::optional<Body>& before,
                         const Body& body) {
  return {role, before ? before->version : 0, body.version, before ? before->expires_s : 0,
          body.expires_s};
}

std::vector<std::string> missing_from(const std::vector<std::string>& ids,
                                      const std::vector<std::string>& others) {
  std::vector<std::string> result;
  std::ranges::copy_if(ids, std::back_inserter(result), [&](const std::string& id) {
    return std::ranges::find(others, id) == others.end();
  });
  return result;
}

void add_trust(std::vector<TrustChange>& changes, const std::string& role, const RoleKeys& before,
               const RoleKeys& after, std::vector<std::string> paths_before = {},
               std::vector<std::string> paths = {}) {
  TrustChange change{.role = role,
                     .added_keys = missing_from(after.key_ids, before.key_ids),
                     .removed_keys = missing_from(before.key_ids, after.key_ids),
                     .threshold_before = int(before.threshold),
                     .threshold = int(after.threshold),
                     .paths_before = std::move(paths_before),
                     .paths = std::move(paths)};
  const bool same = change.added_keys.empty() && change.removed_keys.empty() &&
                    change.threshold_before == change.threshold &&
                    change.paths_before == change.paths;
  if (!same) changes.push_back(std::move(change));
}

const RoleKeys kNobody = [] {
  RoleKeys nobody;
  nobody.threshold = 0;
  return nobody;
}();

void compare_trust(std::vector<TrustChange>& changes, const std::optional<Root>& before,
                   const Root& root) {
  for (const auto& [role, keys] : root.roles) {
    const bool was = before && before->roles.contains(role);
    add_trust(changes, role, was ? before->roles.find(role)->second : kNobody, keys);
  }
}

// Hash bins are signed as their role is.
std::map<std::string, DelegatedRole> families(const std::optional<Targets>& targets) {
  std::map<std::string, DelegatedRole> result;
  if (!targets || !targets->delegations) return result;
  for (const DelegatedRole& role : targets->delegations->roles) {
    if (!is_bin(role.name)) result[role.name] = role;
  }
  return result;
}

void compare_trust(std::vector<TrustChange>& changes, const std::optional<Targets>& before,
                   const Targets& now) {
  const auto were = families(before), are = families(now);
  const auto paths = [](const DelegatedRole& role) {
    return role.paths.value_or(std::vector<std::string>());
  };
  for (const auto& [name, role] : are) {
    const auto was = were.find(name);
    if (was == were.end()) add_trust(changes, name, kNobody, role, {}, paths(role));
    else add_trust(changes, name, was->second, role, paths(was->second), paths(role));
  }
  for (const auto& [name, role] : were) {
    if (!are.contains(name)) add_trust(changes, name, role, kNobody, paths(role), {});
  }
}

std::string digest_of(const std::optional<TargetFile>& file) {
  if (!file) return {};
  const auto digest = file->hashes.find("sha256");
  return digest == file->hashes.end() ? "" : digest->second;
}

// "MODEL/VERSION/manifest.json": a release.
bool is_manifest(std::string_view path) {
  return path.ends_with("/manifest.json") && std::ranges::count(path, '/') == 2;
}

Status check_size(const std::string& place, std::int64_t bytes) {
  const auto file = open_readable(place);
  if (file.ok() && (*file)->size() == std::uint64_t(bytes)) return {};
  if (file.ok()) {
    return fail(Code::kCorrupt, "{}: {} bytes expected, {} found: add it again", place, bytes,
                (*file)->size());
  }
  if (file.error().code != Code::kNotFound) return file.error();
  return fail(Code::kNotFound, "{}: is missing: copy it here, or add it again", place);
}

}  // namespace

std::string Repository::problem_of(const std::string& path, const TargetFile& target) const {
  const std::string digest = digest_of(target);
  const std::string place = target_place(path, digest);
  if (const Status size = check_size(place, target.length); !size.ok()) return size.error().message;
  const auto found = digest_file(place, std::uint64_t(target.length));
  if (!found.ok()) return found.error().message;
  if (hex(found->sha256) == digest) return {};
  return fmt::format("{}: SHA-256 {} found: it is damaged, add it again", place,
                     hex(found->sha256));
}

void Repository::compare_floors(const std::optional<TargetFile>& before,
                                const std::optional<TargetFile>& after, Changes& changes) const {
  const std::string path(kFloorsTarget);
  const auto read = [&](const std::optional<TargetFile>& file) {
    if (!file) return Floors();
    const auto bytes = read_target_file(path, *file, kMaxFloorsBytes);
    if (!bytes.ok()) return Floors();  // it is among the problems
    auto floors = Floors::parse(*bytes, path);
    return floors.ok() ? *std::move(floors) : Floors();
  };
  const Floors were = read(before), are = read(after);
  for (const auto& [model, version] : are.floors) {
    const auto was = were.floors.find(model);
    const std::string text = was == were.floors.end() ? "" : was->second.text();
    if (text != version.text()) changes.floors.push_back({model, text, version.text()});
  }
  for (const auto& [model, version] : were.floors) {
    if (!are.floors.contains(model)) changes.floors.push_back({model, version.text(), ""});
  }
}

Result<Changes> Repository::changes() const {
  Changes result;
  // Of a role and its bins together: targets that only move between them have not changed.
  std::map<std::pair<std::string, std::string>,
           std::pair<std::optional<TargetFile>, std::optional<TargetFile>>>
      targets;
  TRY_VALUE(const auto roles, staged_roles());
  for (const std::string& role : roles) {
    if (role == "root") {
      TRY_VALUE(const auto before, or_none(published<Root>(role)));
      TRY_VALUE(const auto now, current<Root>(role));
      result.files.push_back(version_of(role, before, now.body));
      compare_trust(result.trust, before, now.body);
      continue;
    }
    TRY_VALUE(const auto before, or_none(published<Targets>(role)));
    TRY_VALUE(const auto now, current<Targets>(role));
    result.files.push_back(version_of(role, before, now.body));
    compare_trust(result.trust, before, now.body);
    const std::string family = role.substr(0, role.find(kBinMark));
    if (before) {
      for (const auto& [path, file] : before->targets) targets[{family, path}].first = file;
    }
    for (const auto& [path, file] : now.body.targets) targets[{family, path}].second = file;
  }
  for (const auto& [key, files] : targets) {
    const auto& [before, after] = files;
    if (before && after && before->length == after->length && before->hashes == after->hashes)
      continue;
    result.targets.push_back({key.first, key.second, digest_of(before), digest_of(after),
                              after ? problem_of(key.second, *after) : ""});
    if (key.second == kFloorsTarget) compare_floors(before, after, result);
  }
  return result;
}

Status Repository::remove_unpublished() const {
  TRY_VALUE(const Changes staged, changes());
  std::set<std::string> places;
  std::set<Sha256> blobs;
  for (const TargetChange& change : staged.targets) {
    if (change.after.empty()) continue;
    const std::string place = target_place(change.path, change.after);
    places.insert(place);
    if (!is_manifest(change.path) || !change.problem.empty()) continue;
    TRY_VALUE(const std::string bytes, read_file(place, kMaxManifestBytes));
    const auto manifest = Manifest::parse(bytes, change.path);
    if (!manifest) continue;
    for (const auto& [digest, blob] : manifest->blobs) blobs.insert(digest);
  }
  TRY_VALUE(const auto snapshot, or_none(published<Snapshot>("snapshot")));
  for (const auto& [file, meta] : snapshot.value_or(Snapshot()).meta) {
    if (places.empty()) return {};
    TRY_VALUE(const auto listed, published<Targets>(file.substr(0, file.size() - 5)));
    for (const auto& [path, target] : listed.body.targets) {
      places.erase(target_place(path, digest_of(target)));
      if (blobs.empty() || !is_manifest(path)) continue;
      const auto bytes = read_target_file(path, target, kMaxManifestBytes);
      const auto manifest = bytes.ok() ? Manifest::parse(*bytes, path) : bytes.error();
      if (!manifest.ok()) blobs.clear();  // which it has is not known: all stay
      else
        for (const auto& [digest, blob] : manifest->blobs) blobs.erase(digest);
    }
  }
  for (const Sha256& digest : blobs) TRY(remove_file(folder_ + "/" + blob_place(digest)));
  for (const std::string& place : places) TRY(remove_file(place));
  return {};
}

// --- Before publishing ---

namespace {

Status check_expiry(const std::string& folder, const std::string& role, std::int64_t expires_s,
                    std::int64_t now_s) {
  if (expires_s > now_s) return {};
  return fail(Code::kDenied,
              "role '{}' expired on {}, so no device would take this: 'polder repo renew {} {}', "
              "and sign it, or set this machine's clock, which says {}",
              role, time_text(expires_s), folder, role, time_text(now_s));
}

}  // namespace

Status Repository::check_release_blobs(const std::string& path, const TargetFile& target) const {
  TRY_VALUE(const std::string bytes, read_target_file(path, target, kMaxManifestBytes));
  TRY_VALUE(const Manifest manifest, Manifest::parse(bytes, path));
  for (const auto& [digest, blob] : manifest.blobs) {
    TRY(check_size(folder_ + "/" + blob_place(digest), blob.bytes));
  }
  return {};
}

Status Repository::check_publishable(std::int64_t now_s) const {
  TRY_VALUE(const auto timestamp, or_none(published<Timestamp>("timestamp")));
  const std::int64_t expires_s = now_s + profile_.timestamp_days * kDayS;
  if (timestamp && expires_s < timestamp->expires_s) {
    return fail(Code::kDenied,
                "timestamp: would hold until {}, and the one before holds until {}: set this "
                "machine's clock, which says {}",
                time_text(expires_s), time_text(timestamp->expires_s), time_text(now_s));
  }
  TRY_VALUE(const auto root, current<Root>("root"));
  TRY(check_expiry(folder_, "root", root.body.expires_s, now_s));
  return visit_targets([&](const std::string& role, const Targets& body) -> Status {
    TRY(check_expiry(folder_, role, body.expires_s, now_s));
    for (const auto& [path, target] : body.targets) {
      TRY(check_size(target_place(path, digest_of(target)), target.length));
      if (is_manifest(path)) TRY(check_release_blobs(path, target));
    }
    return {};
  });
}

}  // namespace polder::trust::tuf
