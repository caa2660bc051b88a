// Signatures of a repository, and publishing: all of it or nothing.
#include <algorithm>
#include <utility>

#include "base/text.h"
#include "trust/digest.h"
#include "trust/tuf_repository_files.h"

namespace polder::trust::tuf {

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

namespace {

bool contains(const std::vector<std::string>& ids, const std::string& id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

void add_new(std::vector<std::string>& ids, const std::vector<std::string>& more) {
  for (const std::string& id : more) {
    if (!contains(ids, id)) ids.push_back(id);
  }
}

}  // namespace

Result<std::vector<Staged>> Repository::staged() const {
  std::vector<Staged> result;
  Delegators delegators;
  TRY_VALUE(const auto roles, staged_roles());
  for (const std::string& role : roles) {
    const std::string path = staged_path(role);
    TRY_VALUE(const std::string bytes, read_file(path, kMaxTargetsBytes));
    TRY_VALUE(const Envelope envelope, parse_envelope(bytes, kMaxTargetsBytes, path));
    TRY_VALUE(const Object body, Object::of(envelope.signed_part, path));
    Staged staged{.role = role, .complete = true, .digest = sha256(bytes)};
    TRY_VALUE(staged.version, body.integer("version", 1, kMaxInteger));
    TRY_VALUE(const auto all, all_signers_of(role, delegators));
    std::vector<std::string> open;
    for (const Signers& signers : all) {
      TRY_VALUE(const auto signed_by, envelope.signers(signers.keys, signers.role));
      const int count = int(signed_by.size());
      add_new(staged.signed_keys, signed_by);
      // The one that lacks most is told of.
      const int lacks = int(signers.role.threshold) - count;
      if (&signers == all.data() || lacks > staged.threshold - staged.signatures) {
        staged.signatures = count;
        staged.threshold = int(signers.role.threshold);
      }
      if (lacks <= 0) continue;
      staged.complete = false;
      add_new(open, signers.role.key_ids);
    }
    for (std::string& id : open) {
      if (!contains(staged.signed_keys, id)) staged.open_keys.push_back(std::move(id));
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
    TRY(remember(path));
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

Result<std::string> Repository::read_staged(const Staged& file) const {
  TRY_VALUE(std::string bytes, read_file(staged_path(file.role), kMaxTargetsBytes));
  if (sha256(bytes) == file.digest) return bytes;
  return fail(Code::kUnavailable, "{}: was changed while it was to be published; publish again",
              staged_path(file.role));
}

Status Repository::check_follows(const Staged& file) const {
  TRY_VALUE(const std::int64_t before, published_version(file.role));
  if (file.role == "root" ? file.version == before + 1 : file.version > before) return {};
  // One that was cut off after it had come to its place.
  const auto there = read_file(published_path(file.role, file.version), kMaxTargetsBytes);
  if (file.version == before && there.ok() && sha256(*there) == file.digest) return {};
  return fail(Code::kDenied,
              "role '{}' version {}: version {} is published, so no device would take it: it was "
              "staged on another state; discard it, and stage it anew on what is published",
              file.role, file.version, before);
}

Result<Snapshot> Repository::next_snapshot(const Signers& signers, std::span<const Staged> staged,
                                           bool& changed, std::int64_t now_s) const {
  Snapshot snapshot;
  bool still_signed = false;
  auto before = published<Snapshot>("snapshot");
  if (before) {
    still_signed = before->envelope.check(signers.keys, signers.role, "snapshot").ok();
    snapshot = std::move(before->body);
  } else if (before.error().code != Code::kNotFound) {
    return std::move(before).error();
  }
  changed = !still_signed || snapshot.version <= above_ ||
            snapshot.expires_s - now_s < profile_.snapshot_days * kDayS / 2;
  for (const Staged& file : staged) {
    if (file.role == "root") continue;
    TRY_VALUE(const std::string bytes, read_staged(file));
    TRY_VALUE(const auto metadata, parse_metadata<Targets>(bytes, staged_path(file.role)));
    MetaFile& meta = snapshot.meta[file.role + ".json"];
    meta.version = metadata.body.version;
    meta.length = std::int64_t(bytes.size());
    meta.hashes = {{"sha256", hex(file.digest)}};
    changed = true;
  }
  if (changed) {
    snapshot.version = std::max(before ? snapshot.version : 0, above_) + 1;
    snapshot.spec_version = kSpecVersion;
    snapshot.expires_s = now_s + profile_.snapshot_days * kDayS;
    snapshot.other.insert_or_assign(kLifeMember, profile_.snapshot_days);
  }
  return snapshot;
}

Status Repository::publish(std::span<Signer* const> signers, std::int64_t now_s) {
  before_.clear();
  // All that can be refused is refused before the first file is written.
  TRY_VALUE(const auto all_staged, staged());
  for (const Staged& file : all_staged) {
    if (file.complete) continue;
    return fail(Code::kDenied,
                "role '{}' version {}: {} of {} signatures are there; sign with 'polder repo sign' "
                "and one of {}",
                file.role, file.version, file.signatures, file.threshold, list_of(file.open_keys));
  }
  for (const Staged& file : all_staged) TRY(check_follows(file));
  Delegators delegators;
  TRY_VALUE(const Signers snapshot_signers, signers_of("snapshot", delegators));
  TRY_VALUE(const Signers timestamp_signers, signers_of("timestamp", delegators));
  bool changed = false;
  TRY_VALUE(const Snapshot snapshot, next_snapshot(snapshot_signers, all_staged, changed, now_s));
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
  timestamp.version = std::max(timestamp_version, above_) + 1;
  timestamp.expires_s = now_s + profile_.timestamp_days * kDayS;
  timestamp.other.emplace(kLifeMember, profile_.timestamp_days);
  timestamp.snapshot.version = snapshot.version;
  timestamp.snapshot.length = std::int64_t(snapshot_bytes.size());
  timestamp.snapshot.hashes = {{"sha256", hex(sha256(snapshot_bytes))}};
  TRY_VALUE(const std::string timestamp_bytes,
            signed_by_role(to_json(timestamp), timestamp_signers.keys, timestamp_signers.role,
                           signers, "timestamp"));

  // What clients find only through what is written after it, down to timestamp.json. A run that
  // was cut short is made good by the next.
  TRY(serve_listed());
  for (const Staged& file : all_staged) {
    if (file.role == "root") continue;
    TRY_VALUE(const std::string bytes, read_staged(file));
    TRY(write_file_atomic(published_path(file.role, file.version), bytes));
  }
  if (changed) TRY(write_file_atomic(published_path("snapshot", snapshot.version), snapshot_bytes));
  for (const Staged& file : all_staged) {
    if (file.role != "root") continue;
    TRY_VALUE(const std::string bytes, read_staged(file));
    TRY(write_file_atomic(published_path("root", file.version), bytes));
  }
  TRY(write_file_atomic(published_path("timestamp", timestamp.version), timestamp_bytes));
  // What was carried here meanwhile stays staged.
  for (const Staged& file : all_staged) {
    if (read_staged(file).ok()) TRY(remove_file(staged_path(file.role)));
  }
  TRY_VALUE(const auto left, staged_roles());
  return left.empty() ? empty_staged() : Status();
}

}  // namespace polder::trust::tuf
