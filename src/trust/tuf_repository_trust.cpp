// Whom a repository trusts: delegations, rotation, renewal.
#include <algorithm>
#include <set>
#include <utility>

#include "base/text.h"
#include "trust/assignment.h"
#include "trust/hub_authorities.h"
#include "trust/tuf_repository_files.h"

namespace polder::trust::tuf {

namespace {

// Drops the keys that no role has any more.
template <class Roles>
void forget_unused(Keys& keys, const Roles& roles_of) {
  std::set<std::string_view> used;
  roles_of([&](const RoleKeys& role) { used.insert(role.key_ids.begin(), role.key_ids.end()); });
  std::erase_if(keys, [&](const auto& entry) { return !used.contains(entry.first); });
}

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

DelegatedRole* delegated_role(Targets& top, const std::string& name) {
  if (!top.delegations) return nullptr;
  const auto found = std::ranges::find(top.delegations->roles, name, &DelegatedRole::name);
  return found == top.delegations->roles.end() ? nullptr : &*found;
}

// Their keys are where they sign often, without anybody; those of all others need not be.
bool is_online(std::string_view role) {
  return role == "snapshot" || role == "timestamp" || role == kAssignmentsRole;
}

std::vector<std::string> roles_with(const std::string& key_id, const Root& root,
                                    const Targets* top) {
  std::vector<std::string> names;
  const auto look = [&](const std::string& name, const RoleKeys& role) {
    if (std::ranges::find(role.key_ids, key_id) != role.key_ids.end()) names.push_back(name);
  };
  for (const auto& [name, role] : root.roles) look(name, role);
  if (top == nullptr || !top->delegations) return names;
  for (const DelegatedRole& role : top->delegations->roles) {
    if (!is_bin(role.name)) look(role.name, role);
  }
  return names;
}

}  // namespace

Status check_key_is_apart(const std::string& key_id, const Root& root, const Targets* top,
                          bool force) {
  const auto names = roles_with(key_id, root, top);
  const auto online = std::ranges::find_if(names, is_online);
  // Of root first, which allows no exception.
  auto offline = std::ranges::find(names, "root");
  const bool never = offline != names.end();
  if (!never) offline = std::ranges::find_if_not(names, is_online);
  if (online == names.end() || offline == names.end() || (force && !never)) return {};
  return fail(Code::kDenied,
              "key {} would sign for '{}' and for '{}', whose keys are online: who breaks in there "
              "would sign for both; give each its own, 'polder keys create' makes one{}",
              key_id, *offline, *online, never ? "" : "; --force does it all the same");
}

Status Repository::delegate(const std::string& role, const Trust& trust,
                            std::vector<std::string> paths, bool terminating, std::int64_t now_s,
                            bool force) {
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
  bool same_signers = false;
  if (same != delegations.roles.end()) {
    same_signers = same->key_ids == delegated.key_ids && same->threshold == delegated.threshold;
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
  TRY_VALUE(const auto root, current<Root>("root"));
  for (const PublicKey& key : trust.keys)
    TRY(check_key_is_apart(key.id(), root.body, &top.body, force));
  TRY(stage("targets", std::move(top.body), now_s));
  if (same_signers && current<Targets>(role).ok()) return {};
  return renew(role, now_s);
}

Status Repository::rotate(std::span<const std::string> roles, std::span<const PublicKey> add,
                          std::span<const std::string> remove_ids, std::optional<int> threshold,
                          std::int64_t now_s, bool force) {
  TRY_VALUE(auto root, current<Root>("root"));
  TRY_VALUE(auto top, current<Targets>("targets"));
  bool root_changes = false, top_changes = false;
  for (const std::string& role : roles) {
    if (is_top_level(role)) {
      TRY(change(root.body.roles.at(role), root.body.keys, role, add, remove_ids, threshold));
      root_changes = true;
      continue;
    }
    DelegatedRole* const delegated = delegated_role(top.body, role);
    if (delegated == nullptr) return fail(Code::kNotFound, "no role '{}'", clipped(role));
    TRY(change(*delegated, top.body.delegations->keys, role, add, remove_ids, threshold));
    top_changes = true;
  }
  for (const PublicKey& key : add) TRY(check_key_is_apart(key.id(), root.body, &top.body, force));
  if (root_changes) {
    forget_unused(root.body.keys, [&](const auto& use) {
      for (const auto& [name, keys] : root.body.roles) use(keys);
    });
    TRY(stage("root", std::move(root.body), now_s));
  }
  if (top_changes) {
    forget_unused(top.body.delegations->keys, [&](const auto& use) {
      for (const DelegatedRole& other : top.body.delegations->roles) use(other);
    });
    TRY(stage("targets", std::move(top.body), now_s));
  }
  // What a role had signed may not be enough for its new keys.
  for (const std::string& role : roles) {
    if (!is_top_level(role) || role == "targets") TRY(renew(role, now_s));
  }
  return {};
}

Status Repository::trust_hub(const std::vector<std::string>& authorities, std::int64_t now_s) {
  TRY_VALUE(auto root, current<Root>("root"));
  TRY(set_hub_authorities(root.body, authorities));
  return stage("root", std::move(root.body), now_s);
}

Result<std::vector<std::string>> Repository::roles_of_key(const std::string& key_id) const {
  TRY_VALUE(const auto root, current<Root>("root"));
  TRY_VALUE(const auto top, current<Targets>("targets"));
  return roles_with(key_id, root.body, &top.body);
}

Result<std::vector<KeyUse>> Repository::uses_of_key(const PublicKey& key) const {
  std::vector<KeyUse> uses;
  const auto look = [&](const std::string& by, const Keys& keys, const std::string& role,
                        const RoleKeys& trusted) {
    const bool is_trusted = std::ranges::any_of(trusted.key_ids, [&](const std::string& id) {
      const auto found = keys.find(id);
      return found != keys.end() && found->second.key && *found->second.key == key;
    });
    if (is_trusted) uses.push_back({role, by});
  };
  TRY_VALUE(const auto root, current<Root>("root"));
  for (const auto& [role, trusted] : root.body.roles) look("root", root.body.keys, role, trusted);
  TRY_VALUE(const auto staged, staged_roles());
  TRY_VALUE(const auto snapshot, or_none(published<Snapshot>("snapshot")));
  std::set<std::string> names(staged.begin(), staged.end());
  if (snapshot)
    for (const auto& [file, meta] : snapshot->meta) names.insert(file.substr(0, file.size() - 5));
  names.erase("root");
  for (const std::string& name : names) {
    TRY_VALUE(const auto metadata, current<Targets>(name));
    for (const DelegatedRole& role : delegated_by(metadata.body.delegations))
      look(name, metadata.body.delegations->keys, role.name, role);
  }
  return uses;
}

Result<RoleKeys> Repository::keys_of(std::string_view role) const {
  Delegators delegators;
  TRY_VALUE(Signers signers, signers_of(role, delegators));
  return std::move(signers.role);
}

void Repository::trust_bins(Targets& metadata, const Signers& signers) {
  if (!metadata.delegations) return;
  Delegations& delegations = *metadata.delegations;
  for (DelegatedRole& delegated : delegations.roles) {
    if (!is_bin(delegated.name)) continue;
    delegated.key_ids = signers.role.key_ids;
    delegated.threshold = signers.role.threshold;
    for (const std::string& id : signers.role.key_ids) delegations.keys[id] = signers.keys.at(id);
  }
  forget_unused(delegations.keys, [&](const auto& use) {
    for (const DelegatedRole& delegated : delegations.roles) use(delegated);
  });
}

Status Repository::renew_where_unsigned(const std::string& role, std::int64_t now_s) {
  Delegators delegators;
  TRY_VALUE(const Signers signers, signers_of(role, delegators));
  const auto before = published<Targets>(role);
  if (before.ok() && before->envelope.check(signers.keys, signers.role, role).ok()) return {};
  if (!before.ok() && before.error().code != Code::kNotFound) return before.error();
  return renew(role, now_s);
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
  Delegators delegators;
  TRY_VALUE(const Signers signers, signers_of(role, delegators));
  auto before = current<Targets>(role);
  if (!before.ok() && before.error().code == Code::kNotFound && !is_top_level(role))
    return stage(role, Targets(), now_s);
  TRY_VALUE(auto metadata, std::move(before));
  trust_bins(metadata.body, signers);
  TRY(stage(role, metadata.body, now_s));
  if (!metadata.body.delegations) return {};
  for (const DelegatedRole& delegated : metadata.body.delegations->roles) {
    if (!is_bin(delegated.name)) continue;
    TRY_VALUE(auto bin, current<Targets>(delegated.name));
    TRY(stage(delegated.name, std::move(bin.body), now_s));
  }
  return {};
}

}  // namespace polder::trust::tuf
