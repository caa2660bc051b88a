#include "trust/tuf_updater.h"

#include <algorithm>
#include <set>

#include "base/check.h"
#include "base/fail.h"
#include "base/text.h"
#include "trust/digest.h"

namespace polder::trust::tuf {

namespace {

constexpr std::size_t kMaxFileNameBytes = 200;

// Whether a path stays below the folder that it is relative to.
bool stays_below(std::string_view path) {
  while (true) {
    const std::size_t end = std::min(path.find('/'), path.size());
    const std::string_view part = path.substr(0, end);
    if (part.empty() || part == "." || part == "..") return false;
    if (part.find_first_of(std::string_view("\\\0", 2)) != part.npos) return false;
    if (end == path.size()) return true;
    path.remove_prefix(end + 1);
  }
}

// Whether the role may be trusted for paths below the folder. Parts of a pattern match part by
// part.
bool may_cover(const DelegatedRole& role, std::string_view folder) {
  if (role.path_hash_prefixes || folder.empty()) return true;
  DelegatedRole first_parts;
  first_parts.paths.emplace();
  for (const std::string& pattern : role.paths.value_or(std::vector<std::string>()))
    first_parts.paths->push_back(pattern.substr(0, pattern.find('/')));
  return first_parts.covers(folder.substr(0, folder.find('/')));
}

// Whom a role delegates paths below the folder to.
std::vector<std::string> delegates_for(const Targets& role, std::string_view folder) {
  std::vector<std::string> names;
  if (!role.delegations) return names;
  for (const DelegatedRole& delegate : role.delegations->roles)
    if (may_cover(delegate, folder)) names.push_back(delegate.name);
  if (const auto& bins = role.delegations->succinct)
    for (unsigned i = 0; i < 1u << bins->bit_length; ++i) names.push_back(bins->bin_name(i));
  return names;
}

}  // namespace

std::string percent_encoded(std::string_view text, std::string_view keep) {
  static constexpr std::string_view kPlain =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
  std::string result;
  for (const char character : text) {
    if (kPlain.find(character) != kPlain.npos || keep.find(character) != keep.npos) {
      result += character;
    } else {
      result += fmt::format("%{:02X}", static_cast<unsigned char>(character));
    }
  }
  return result;
}

std::string stored_name(std::string_view role) {
  const std::string name = percent_encoded(role);
  // Longer than file systems take: two roles with such names do not meet.
  if (name.size() > kMaxFileNameBytes) return hex(sha256(role)) + ".json";
  return name + ".json";
}

Result<std::string> target_name(const Target& target, bool consistent_snapshot) {
  if (!stays_below(target.path)) {
    return fail(Code::kDenied, "target '{}': a path below the repository expected",
                clipped(target.path));
  }
  if (!consistent_snapshot) return percent_encoded(target.path, "/");
  for (const char* kind : {"sha256", "sha512"}) {
    const auto found = target.file.hashes.find(kind);
    if (found == target.file.hashes.end()) continue;
    const std::size_t slash = target.path.rfind('/');
    const std::size_t start = slash == target.path.npos ? 0 : slash + 1;
    return percent_encoded(target.path.substr(0, start), "/") + found->second + "." +
           percent_encoded(target.path.substr(start));
  }
  return fail(Code::kCorrupt, "target '{}': a sha256 or sha512 is needed", clipped(target.path));
}

Result<TargetCheck> TargetCheck::start(const Target& target) {
  TargetCheck check(target);
  if (target.file.hashes.count("sha256") != 0) check.sha256_.emplace();
  if (target.file.hashes.count("sha512") != 0) check.sha512_.emplace();
  if (check.sha256_ || check.sha512_) return check;
  return fail(Code::kCorrupt, "target '{}': a sha256 or sha512 is needed", clipped(target.path));
}

Status TargetCheck::update(std::string_view bytes) {
  if (std::int64_t(bytes.size()) > target_.file.length - size_) {
    return fail(Code::kCorrupt, "target '{}': {} bytes expected, more found", clipped(target_.path),
                target_.file.length);
  }
  size_ += std::int64_t(bytes.size());
  if (sha256_) sha256_->update(bytes);
  if (sha512_) sha512_->update(bytes);
  return {};
}

Status TargetCheck::finish() {
  if (size_ != target_.file.length) {
    return fail(Code::kCorrupt, "target '{}': {} bytes expected, {} found", clipped(target_.path),
                target_.file.length, size_);
  }
  const auto check = [&](const char* kind, const std::string& found) -> Status {
    const std::string& expected = target_.file.hashes.at(kind);
    if (found == expected) return {};
    return fail(Code::kCorrupt, "target '{}': {} {} expected, {} found", clipped(target_.path),
                kind, clipped(expected), found);
  };
  if (sha256_) TRY(check("sha256", hex(sha256_->finish())));
  if (sha512_) TRY(check("sha512", hex(sha512_->finish())));
  return {};
}

Status Updater::refresh() {
  TRY_VALUE(const std::string root, store_->read(stored_name("root"), kMaxRootBytes));
  TRY_VALUE(TrustedSet set, TrustedSet::start(root, now_s_));
  set_ = std::move(set);
  TRY(update_roots());
  TRY(update_timestamp());
  TRY(update_snapshot());
  return update_targets("targets", "root");
}

Status Updater::update_roots() {
  for (int i = 0; i < kMaxRootRotations; ++i) {
    const std::int64_t next = set_->root().version + 1;
    auto bytes = fetcher_->fetch_metadata(fmt::format("{}.root.json", next), kMaxRootBytes);
    if (!bytes && bytes.error().code == Code::kNotFound) break;
    if (!bytes) return std::move(bytes).error();
    TRY(set_->update_root(*bytes));
    // Before that root is stored: an update that begins with it knows of no change.
    if (set_->keys_were_rotated()) {
      TRY(store_->remove(stored_name("timestamp")));
      TRY(store_->remove(stored_name("snapshot")));
    }
    TRY(store_->replace(stored_name("root"), *bytes));
  }
  return set_->end_roots();
}

Status Updater::update_timestamp() {
  const auto stored = store_->read(stored_name("timestamp"), kMaxTimestampBytes);
  if (stored) {
    // One that no longer verifies counts for nothing.
    [[maybe_unused]] const Status loaded = set_->load_timestamp(*stored);
  }
  TRY_VALUE(const std::string bytes,
            fetcher_->fetch_metadata("timestamp.json", kMaxTimestampBytes));
  TRY_VALUE(const bool is_new, set_->update_timestamp(bytes));
  if (!is_new) return {};
  return store_->replace(stored_name("timestamp"), bytes);
}

Status Updater::update_snapshot() {
  const auto stored = store_->read(stored_name("snapshot"), kMaxSnapshotBytes);
  if (stored) {
    [[maybe_unused]] const Status loaded = set_->load_snapshot(*stored);
    if (set_->has_snapshot()) return {};
  }
  const MetaFile& meta = set_->timestamp()->snapshot;
  TRY_VALUE(const std::string bytes, fetch("snapshot", meta, kMaxSnapshotBytes));
  TRY(set_->update_snapshot(bytes));
  return store_->replace(stored_name("snapshot"), bytes);
}

Status Updater::update_targets(const std::string& role, const std::string& delegator) {
  TRY_VALUE(const MetaFile meta, set_->meta_of(role));
  const auto stored = store_->read(stored_name(role), kMaxTargetsBytes);
  if (stored && set_->update_targets(role, delegator, *stored).ok()) return {};
  TRY_VALUE(const std::string bytes, fetch(role, meta, kMaxTargetsBytes));
  TRY(set_->update_targets(role, delegator, bytes));
  return store_->replace(stored_name(role), bytes);
}

// A file that another describes.
Result<std::string> Updater::fetch(std::string_view role, const MetaFile& meta,
                                   std::size_t cap_bytes) {
  std::string name = percent_encoded(role) + ".json";
  if (set_->root().consistent_snapshot.value_or(false)) {
    name = fmt::format("{}.{}", meta.version, name);
  }
  const std::int64_t length = meta.length.value_or(std::int64_t(cap_bytes));
  auto bytes = fetcher_->fetch_metadata(name, std::min(cap_bytes, std::size_t(length)));
  if (bytes || bytes.error().code != Code::kNotFound) return bytes;
  // Not kNotFound: whoever serves the repository would decide what find() does not find.
  return fail(Code::kCorrupt,
              "{}: signed metadata list it, but it is not there ({}): this copy of the repository "
              "is not whole; copy it again, or tell who serves it",
              clipped(name), bytes.error().message);
}

Result<Target> Updater::find(std::string_view target_path) {
  POLDER_CHECK(set_);
  while (true) {
    TRY_VALUE(const Lookup lookup, set_->find(target_path));
    if (lookup.file != nullptr) {
      return Target{std::string(target_path), lookup.role, *lookup.file};
    }
    if (!lookup.needs_more()) {
      return fail(Code::kNotFound, "target '{}': no role that is trusted for it lists it",
                  clipped(target_path));
    }
    TRY(update_targets(lookup.missing_role, lookup.delegator));
  }
}

Result<std::vector<std::string>> Updater::list(std::string_view folder) {
  POLDER_CHECK(set_);
  std::set<std::string> paths, seen = {"targets"};
  std::vector<std::string> roles = {"targets"};
  for (std::size_t i = 0; i < roles.size(); ++i) {
    const Targets* role = set_->targets(roles[i]);
    auto at = role->targets.lower_bound(folder);
    for (; at != role->targets.end() && at->first.starts_with(folder); ++at)
      paths.insert(at->first);
    for (const std::string& name : delegates_for(*role, folder)) {
      if (!seen.insert(name).second) continue;
      if (roles.size() == kMaxListedRoles) {
        return fail(Code::kExhausted, "targets below '{}': more than {} roles may list some",
                    clipped(folder), kMaxListedRoles);
      }
      if (set_->targets(name) == nullptr) TRY(update_targets(name, roles[i]));
      roles.push_back(name);
    }
  }
  // What a role lists beyond what it is trusted for counts for nothing, here as well.
  std::vector<std::string> found;
  for (const std::string& path : paths) {
    const auto target = find(path);
    if (target) found.push_back(path);
    else if (target.error().code != Code::kNotFound) return Error(target.error());
  }
  return found;
}

Status Updater::download(const Target& target, const Sink& sink) {
  POLDER_CHECK(set_);
  TRY_VALUE(const std::string name,
            target_name(target, set_->root().consistent_snapshot.value_or(false)));
  TRY_VALUE(TargetCheck check, TargetCheck::start(target));
  const Sink checked = [&](std::string_view bytes) -> Status {
    TRY(check.update(bytes));
    return sink(bytes);
  };
  TRY(fetcher_->fetch_target(name, target.file.length, checked));
  return check.finish();
}

}  // namespace polder::trust::tuf
