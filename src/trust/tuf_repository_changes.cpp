// What is staged against what is published, for whoever signs or publishes it.
#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <utility>

#include "base/text.h"
#include "trust/certificate.h"
#include "trust/floors.h"
#include "trust/hub_authorities.h"
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

// "SHA-256 5F:0E:..., of 'polder-hub'", of each certificate that root names.
std::vector<std::string> shown_authorities(const Root& root) {
  const auto pems = hub_authorities(root);
  if (!pems.ok()) return {one_line(pems.error().message)};
  std::vector<std::string> shown;
  for (const std::string& pem : *pems) {
    const auto facts = read_certificate(pem);
    if (facts.ok())
      shown.push_back(fmt::format("SHA-256 {} ('{}', until {})",
                                  shown_fingerprint(facts->fingerprint),
                                  one_line(facts->common_name), time_text(facts->until_s)));
  }
  return shown;
}

// As root has it: what is not shown is a change, too.
std::string said_authorities(const Root& root) {
  const auto found = root.other.find(kAuthoritiesMember);
  return found == root.other.end() ? "" : found->second.compact();
}

void compare_authorities(std::vector<std::string>& other, const Root& before, const Root& root) {
  if (said_authorities(before) == said_authorities(root)) return;
  const auto were = shown_authorities(before), are = shown_authorities(root);
  const auto list = [](const std::vector<std::string>& shown) {
    return shown.empty() ? "[hub] 'ca_file' of each device"
                         : fmt::format("{}", fmt::join(shown, ", "));
  };
  other.push_back(
      fmt::format("root: devices know their hub by {}; before, by {}", list(are), list(were)));
}

void compare_roots(Changes& changes, const std::optional<Root>& before, const Root& root) {
  for (const auto& [role, keys] : root.roles) {
    const bool was = before && before->roles.contains(role);
    add_trust(changes.trust, role, was ? before->roles.find(role)->second : kNobody, keys);
  }
  compare_authorities(changes.other, before ? *before : Root(), root);
  // A repository begins with them.
  const bool were_consistent = !before || before->consistent_snapshot.value_or(false);
  const bool are_consistent = root.consistent_snapshot.value_or(false);
  if (are_consistent == were_consistent) return;
  changes.other.push_back(
      are_consistent
          ? "root: consistent snapshots begin (consistent_snapshot is true): devices ask for files "
            "by version and digest"
          : "root: consistent snapshots end (consistent_snapshot is false): devices ask for files "
            "by names that this repository does not have");
}

// Whether it is a hash bin as split_into_bins() makes them: its role's keys sign it.
bool follows(const DelegatedRole& bin, const std::string& role, const Keys& keys,
             const Repository::Signers& signers) {
  if (!bin.name.starts_with(role + std::string(kBinMark)) || !bin.path_hash_prefixes) return false;
  if (bin.key_ids != signers.role.key_ids || bin.threshold != signers.role.threshold) return false;
  return std::ranges::all_of(bin.key_ids, [&](const std::string& id) {
    const auto key = keys.find(id), of_role = signers.keys.find(id);
    return key != keys.end() && of_role != signers.keys.end() &&
           key->second.json == of_role->second.json;
  });
}

std::vector<std::string> paths_of(const DelegatedRole& role) {
  std::vector<std::string> paths = role.paths.value_or(std::vector<std::string>());
  for (const std::string& prefix : role.path_hash_prefixes.value_or(std::vector<std::string>()))
    paths.push_back(fmt::format("SHA-256 {}...", prefix));
  return paths;
}

std::vector<std::string> names_of(const std::vector<DelegatedRole>& roles) {
  std::vector<std::string> names;
  for (const DelegatedRole& role : roles) names.push_back(role.name);
  return names;
}

// An id may be any text: what is none of a key's digits stands in quotation marks, so that it has
// no words of the sentence.
std::string id_text(std::string_view id) {
  const auto is_digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  if (std::ranges::all_of(id, is_digit)) return clipped(id);
  std::string text = clipped(one_line(id));
  std::ranges::replace(text, '\'', '?');
  return fmt::format("'{}'", text);
}

// Whoever is shown an id takes it for the key of that id.
void compare_keys(std::vector<std::string>& lines, const std::string& role, const Keys& before,
                  const Keys& now) {
  for (const auto& [id, key] : now) {
    const auto was = before.find(id);
    if (was != before.end() ? was->second.json == key.json : key.key && key.key->id() == id)
      continue;
    lines.push_back(
        fmt::format("{}: what stands there as key {} is another key, or none that is known here",
                    role, id_text(id)));
  }
}

void compare_delegations(Changes& changes, const std::string& role,
                         const std::optional<Targets>& published, const Targets& now,
                         const Repository::Signers& signers) {
  static const std::optional<Delegations> kNone;
  const auto& delegations_before = published ? published->delegations : kNone;
  const Keys no_keys;
  const Keys& keys_before = delegations_before ? delegations_before->keys : no_keys;
  const Keys& keys = now.delegations ? now.delegations->keys : no_keys;
  std::vector<DelegatedRole> were = delegated_by(delegations_before);
  std::vector<DelegatedRole> are = delegated_by(now.delegations);
  std::erase_if(are, [&](const DelegatedRole& each) { return follows(each, role, keys, signers); });
  // Bins that were there had the keys of then.
  const std::vector<std::string> names = names_of(are);
  std::erase_if(were, [&](const DelegatedRole& each) {
    return is_bin(each.name) && std::ranges::find(names, each.name) == names.end();
  });
  for (const DelegatedRole& each : are) {
    const auto was = std::ranges::find(were, each.name, &DelegatedRole::name);
    if (was == were.end()) {
      add_trust(changes.trust, each.name, kNobody, each, {}, paths_of(each));
      continue;
    }
    add_trust(changes.trust, each.name, *was, each, paths_of(*was), paths_of(each));
    if (was->terminating == each.terminating) continue;
    changes.other.push_back(
        fmt::format("{}: {} asked for what it does not list", each.name,
                    each.terminating ? "no role behind it is" : "roles behind it are"));
  }
  const std::vector<std::string> names_before = names_of(were);
  std::vector<std::string> stay;
  for (const DelegatedRole& each : were) {
    if (std::ranges::find(names, each.name) != names.end()) stay.push_back(each.name);
    else add_trust(changes.trust, each.name, each, kNobody, paths_of(each), {});
  }
  // What is new comes behind what is there.
  if (!std::equal(stay.begin(), stay.end(), names.begin()))
    changes.other.push_back(
        fmt::format("{}: asks its roles in the order {}", role, list_of(names)));
  compare_keys(changes.other, role, keys_before, keys);
}

}  // namespace

std::vector<DelegatedRole> delegated_by(const std::optional<Delegations>& delegations) {
  if (!delegations) return {};
  if (!delegations->succinct) return delegations->roles;
  DelegatedRole bins;
  static_cast<RoleKeys&>(bins) = *delegations->succinct;
  bins.name = delegations->succinct->name_prefix + "-*";
  bins.path_hash_prefixes = std::vector<std::string>{""};
  return {bins};
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

namespace {

std::string floors_digest(const std::optional<Targets>& targets) {
  if (!targets) return {};
  const auto listed = targets->targets.find(kFloorsTarget);
  return listed == targets->targets.end() ? "" : digest_of(listed->second);
}

}  // namespace

Result<Floors> Repository::floors() const {
  TRY_VALUE(const auto top, current<Targets>("targets"));
  const auto listed = top.body.targets.find(kFloorsTarget);
  if (listed == top.body.targets.end()) return Floors();
  TRY_VALUE(const std::string bytes,
            read_target_file(listed->first, listed->second, kMaxFloorsBytes));
  return Floors::parse(bytes, kFloorsTarget);
}

Result<Floors> Repository::published_floors() const {
  TRY_VALUE(auto top, or_none(published<Targets>("targets")));
  for (std::int64_t version = top ? top->version : 0; version > 0; --version) {
    if (version < top->version) {
      const std::string path = published_path("targets", version);
      const auto bytes = read_file(path, kMaxTargetsBytes);
      if (!bytes.ok() && bytes.error().code == Code::kNotFound) continue;
      if (!bytes.ok()) return bytes.error();
      TRY_VALUE(auto older, parse_metadata<Targets>(*bytes, path));
      top = std::move(older.body);
    }
    const auto listed = top->targets.find(kFloorsTarget);
    if (listed == top->targets.end()) return Floors();
    if (listed->second.length > std::int64_t(kMaxFloorsBytes)) continue;
    TRY_VALUE(const std::string bytes,
              read_target_file(listed->first, listed->second, kMaxFloorsBytes));
    auto floors = Floors::parse(bytes, kFloorsTarget);
    // What no device can read has ended nothing: those before it still hold.
    if (floors.ok() || floors.error().code == Code::kIncompatible) return floors;
  }
  return Floors();
}

Status Repository::check_rise(const Floors& floors) const {
  TRY_VALUE(const Floors before, published_floors());
  for (const auto& [model, version] : before.floors) {
    const auto now = floors.floors.find(model);
    if (now != floors.floors.end() && now->second >= version) continue;
    return fail(Code::kDenied,
                "{}: the floor of {} is {} and would be {}: floors only rise, for devices keep the "
                "highest that they have seen",
                kFloorsTarget, model, version.text(),
                now == floors.floors.end() ? "none" : now->second.text());
  }
  return {};
}

Status Repository::check_floors() const {
  if (!is_staged("targets")) return {};
  // On a stick the files are not, and where nothing of them changes need not be.
  TRY_VALUE(const auto before, or_none(published<Targets>("targets")));
  TRY_VALUE(const auto now, current<Targets>("targets"));
  if (floors_digest(before) == floors_digest(now.body)) return {};
  TRY_VALUE(const Floors staged, floors());
  return check_rise(staged);
}

Result<Changes> Repository::changes() const {
  Changes result;
  Delegators delegators;
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
      compare_roots(result, before, now.body);
      compare_keys(result.other, role, before ? before->keys : Keys(), now.body.keys);
      continue;
    }
    TRY_VALUE(const auto before, or_none(published<Targets>(role)));
    TRY_VALUE(const auto now, current<Targets>(role));
    result.files.push_back(version_of(role, before, now.body));
    TRY_VALUE(const Signers signers, signers_of(role, delegators));
    compare_delegations(result, role, before, now.body, signers);
    const std::string family = role.substr(0, role.find(kBinMark));
    if (before) {
      for (const auto& [path, file] : before->targets) targets[{family, path}].first = file;
    }
    for (const auto& [path, file] : now.body.targets) targets[{family, path}].second = file;
  }
  for (const auto& [key, files] : targets) {
    const auto& [before, after] = files;
    if (before && after && before->length == after->length && before->hashes == after->hashes &&
        before->custom == after->custom)
      continue;
    TargetChange change{key.first, key.second, digest_of(before), digest_of(after), {}, false};
    if (after) change.problem = problem_of(key.second, *after, &change.is_refused);
    result.targets.push_back(std::move(change));
    if (key.second == kFloorsTarget) compare_floors(before, after, result);
  }
  return result;
}

}  // namespace polder::trust::tuf
