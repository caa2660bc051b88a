#include "trust/tuf_trusted_set.h"

#include <algorithm>

#include "base/check.h"
#include "base/fail.h"
#include "base/text.h"

namespace polder::trust::tuf {

namespace {

std::string file_name(std::string_view role) { return std::string(role) + ".json"; }

// The keys of the roles that fast-forward recovery is about, each with its role, by value: a key
// that is renamed is the same key.
std::set<std::string> online_keys(const Root& root) {
  std::set<std::string> keys;
  for (const char* name : {"timestamp", "snapshot"}) {
    for (const std::string& id : root.roles.at(name).key_ids) {
      const auto key = root.keys.find(id);
      if (key == root.keys.end() || !key->second.key) continue;
      keys.insert(fmt::format("{} {}", name, hex(sha256(key->second.key->der()))));
    }
  }
  return keys;
}

}  // namespace

TrustedSet::TrustedSet(Root root, std::int64_t now_s)
    : now_s_(now_s), root_(std::move(root)), first_keys_(online_keys(root_)) {}

Result<TrustedSet> TrustedSet::start(std::string_view root_bytes, std::int64_t now_s) {
  TRY_VALUE(Metadata<Root> root, parse_metadata<Root>(root_bytes, "root.json"));
  TRY(root.envelope.check(root.body.keys, root.body.roles.at("root"), "root.json"));
  return TrustedSet(std::move(root.body), now_s);
}

// What must not happen out of order is refused, not trusted to the caller.
Status TrustedSet::expect(Stage stage, std::string_view what) const {
  if (stage_ == stage) return {};
  return fail(Code::kInvalid,
              "{} may not be updated now: the order is root, timestamp, snapshot, "
              "targets",
              what);
}

Status TrustedSet::check_fresh(const Common& body, std::string_view name) const {
  if (body.expires_s > now_s_) return {};
  return fail(Code::kTimeout,
              "{}: version {} expired at {}, and it is {} by this clock: either nobody renews the "
              "repository, or somebody holds newer metadata back",
              name, body.version, time_text(body.expires_s), time_text(now_s_));
}

// Signed by the role's keys in the trusted root.
template <class Body>
Result<Metadata<Body>> TrustedSet::verified(std::string_view bytes) const {
  const std::string name = file_name(Body::kType);
  TRY_VALUE(Metadata<Body> metadata, parse_metadata<Body>(bytes, name));
  TRY(metadata.envelope.check(root_.keys, root_.roles.at(std::string(Body::kType)), name));
  return metadata;
}

Status TrustedSet::update_root(std::string_view bytes) {
  TRY(expect(Stage::kRoots, "root.json"));
  TRY_VALUE(Metadata<Root> next, verified<Root>(bytes));
  TRY(next.envelope.check(next.body.keys, next.body.roles.at("root"), "root.json"));
  if (next.body.version != root_.version + 1) {
    return fail(Code::kDenied, "root.json: version {} expected after version {}, {} found",
                root_.version + 1, root_.version, next.body.version);
  }
  root_ = std::move(next.body);
  const std::set<std::string> keys = online_keys(root_);
  rotated_ =
      rotated_ || !std::includes(keys.begin(), keys.end(), first_keys_.begin(), first_keys_.end());
  return {};
}

Status TrustedSet::end_roots() {
  TRY(expect(Stage::kRoots, "root.json"));
  TRY(check_fresh(root_, "root.json"));
  stage_ = Stage::kTimestamp;
  return {};
}

Status TrustedSet::load_timestamp(std::string_view bytes) {
  TRY(expect(Stage::kTimestamp, "timestamp.json"));
  if (rotated_) {
    return fail(Code::kDenied, "timestamp.json: stored before the root changed its keys");
  }
  TRY_VALUE(Metadata<Timestamp> stored, verified<Timestamp>(bytes));
  timestamp_ = std::move(stored.body);
  return {};
}

Result<bool> TrustedSet::update_timestamp(std::string_view bytes) {
  TRY(expect(Stage::kTimestamp, "timestamp.json"));
  TRY_VALUE(Metadata<Timestamp> next, verified<Timestamp>(bytes));
  if (timestamp_ && next.body.version < timestamp_->version) {
    return fail(Code::kDenied, "timestamp.json: version {} or later expected, {} found: a rollback",
                timestamp_->version, next.body.version);
  }
  if (timestamp_ && next.body.version == timestamp_->version) {
    TRY(check_fresh(*timestamp_, "timestamp.json"));
    stage_ = Stage::kSnapshot;
    return false;
  }
  if (timestamp_ && next.body.snapshot.version < timestamp_->snapshot.version) {
    return fail(Code::kDenied,
                "timestamp.json: version {} or later of snapshot.json expected, {} found: a "
                "rollback",
                timestamp_->snapshot.version, next.body.snapshot.version);
  }
  TRY(check_fresh(next.body, "timestamp.json"));
  timestamp_ = std::move(next.body);
  stage_ = Stage::kSnapshot;
  return true;
}

Status TrustedSet::load_snapshot(std::string_view bytes) {
  TRY(expect(Stage::kSnapshot, "snapshot.json"));
  if (rotated_) {
    return fail(Code::kDenied, "snapshot.json: stored before the root changed its keys");
  }
  TRY_VALUE(Metadata<Snapshot> stored, verified<Snapshot>(bytes));
  const MetaFile& asked = timestamp_->snapshot;
  snapshot_ = std::move(stored.body);
  snapshot_is_current_ = snapshot_->version == asked.version &&
                         check_bytes(bytes, asked.length, asked.hashes, "snapshot.json").ok() &&
                         check_fresh(*snapshot_, "snapshot.json").ok();
  if (snapshot_is_current_) stage_ = Stage::kTargets;
  return {};
}

Status TrustedSet::check_snapshot_rollback(const Snapshot& next) const {
  if (!snapshot_) return {};
  for (const auto& [name, before] : snapshot_->meta) {
    const auto now = next.meta.find(name);
    if (now == next.meta.end()) {
      return fail(Code::kDenied, "snapshot.json: {} is no longer listed: a rollback",
                  clipped(name));
    }
    if (now->second.version >= before.version) continue;
    return fail(Code::kDenied,
                "snapshot.json: version {} or later of {} expected, {} found: a rollback",
                before.version, clipped(name), now->second.version);
  }
  return {};
}

Status TrustedSet::update_snapshot(std::string_view bytes) {
  TRY(expect(Stage::kSnapshot, "snapshot.json"));
  const MetaFile& asked = timestamp_->snapshot;
  TRY(check_bytes(bytes, asked.length, asked.hashes, "snapshot.json"));
  TRY_VALUE(Metadata<Snapshot> next, verified<Snapshot>(bytes));
  if (next.body.version != asked.version) {
    return fail(Code::kCorrupt, "snapshot.json: version {} expected by timestamp.json, {} found",
                asked.version, next.body.version);
  }
  TRY(check_snapshot_rollback(next.body));
  TRY(check_fresh(next.body, "snapshot.json"));
  snapshot_ = std::move(next.body);
  snapshot_is_current_ = true;
  stage_ = Stage::kTargets;
  return {};
}

Result<MetaFile> TrustedSet::meta_of(std::string_view role) const {
  TRY(expect(Stage::kTargets, file_name(role)));
  const auto found = snapshot_->meta.find(file_name(role));
  if (found != snapshot_->meta.end()) return found->second;
  return fail(Code::kCorrupt,
              "snapshot.json: {} is not listed, though another role delegates to it",
              clipped(file_name(role)));
}

Status TrustedSet::verify_delegate(const Envelope& envelope, std::string_view role,
                                   std::string_view delegator) const {
  const std::string name = clipped(file_name(role));
  if (role == "targets" && delegator == "root") {
    return envelope.check(root_.keys, root_.roles.at("targets"), name);
  }
  const Targets* by = targets(delegator);
  if (by == nullptr || !by->delegations) {
    return fail(Code::kInvalid, "{}: '{}' does not delegate to it", name, clipped(delegator));
  }
  const Delegations& delegations = *by->delegations;
  if (delegations.succinct && delegations.succinct->has_bin(role)) {
    return envelope.check(delegations.keys, *delegations.succinct, name);
  }
  for (const DelegatedRole& delegated : delegations.roles) {
    if (delegated.name == role) return envelope.check(delegations.keys, delegated, name);
  }
  return fail(Code::kInvalid, "{}: '{}' does not delegate to it", name, clipped(delegator));
}

Status TrustedSet::update_targets(std::string_view role, std::string_view delegator,
                                  std::string_view bytes) {
  const std::string name = clipped(file_name(role));
  TRY_VALUE(const MetaFile asked, meta_of(role));
  TRY(check_bytes(bytes, asked.length, asked.hashes, name));
  TRY_VALUE(Metadata<Targets> next, parse_metadata<Targets>(bytes, name));
  TRY(verify_delegate(next.envelope, role, delegator));
  if (next.body.version != asked.version) {
    return fail(Code::kCorrupt, "{}: version {} expected by snapshot.json, {} found", name,
                asked.version, next.body.version);
  }
  TRY(check_fresh(next.body, name));
  const auto before = targets_.find(role);
  const Sha256 digest = sha256(bytes);
  if (before != targets_.end() && before->second.digest != digest) {
    return fail(Code::kDenied, "{}: not the file that was verified before in this update", name);
  }
  if (before == targets_.end() && bytes.size() > kMaxLoadedBytes - loaded_bytes_) {
    return fail(Code::kExhausted, "{}: more than {} bytes of targets metadata in one update", name,
                kMaxLoadedBytes);
  }
  Delegate& delegate = targets_[std::string(role)];
  if (before == targets_.end()) {
    loaded_bytes_ += bytes.size();
    delegate.body = std::move(next.body);
    delegate.digest = digest;
  }
  delegate.delegators.insert(std::string(delegator));
  return {};
}

const Targets* TrustedSet::targets(std::string_view role) const {
  const auto found = targets_.find(role);
  return found == targets_.end() ? nullptr : &found->second.body;
}

Result<Lookup> TrustedSet::find(std::string_view target_path) const {
  TRY(expect(Stage::kTargets, "a search for a target"));
  struct Visit {
    std::string role, delegator;
  };
  std::vector<Visit> to_visit = {{"targets", "root"}};  // the next is the last
  std::set<std::string> visited;
  while (!to_visit.empty()) {
    Visit visit = std::move(to_visit.back());
    to_visit.pop_back();
    if (visited.count(visit.role) != 0) continue;
    if (int(visited.size()) >= kMaxVisitedRoles) {
      return fail(Code::kExhausted,
                  "'{}': not listed by the first {} roles that delegations led to",
                  clipped(target_path), kMaxVisitedRoles);
    }
    const auto found = targets_.find(visit.role);
    if (found == targets_.end() || found->second.delegators.count(visit.delegator) == 0) {
      return Lookup{.missing_role = std::move(visit.role), .delegator = std::move(visit.delegator)};
    }
    const Targets& body = found->second.body;
    const auto file = body.targets.find(target_path);
    if (file != body.targets.end()) return Lookup{.file = &file->second, .role = visit.role};
    visited.insert(visit.role);
    if (!body.delegations) continue;
    if (body.delegations->succinct) {
      // Every target has a bin, and only one: TAP 15 has the search end there.
      to_visit = {{body.delegations->succinct->bin_of(target_path), visit.role}};
      continue;
    }
    std::vector<Visit> children;
    for (const DelegatedRole& child : body.delegations->roles) {
      if (!child.covers(target_path)) continue;
      children.push_back({child.name, visit.role});
      if (!child.terminating) continue;
      to_visit.clear();
      break;
    }
    std::move(children.rbegin(), children.rend(), std::back_inserter(to_visit));
  }
  return Lookup{};
}

}  // namespace polder::trust::tuf
