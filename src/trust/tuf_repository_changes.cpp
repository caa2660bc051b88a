// What is staged against what is published, for whoever signs or publishes it.
#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <utility>

#include "base/text.h"
#include "trust/floors.h"
#include "trust/tuf_repository_files.h"

namespace polder::trust::tuf {

namespace {

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

}  // namespace

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

}  // namespace polder::trust::tuf
