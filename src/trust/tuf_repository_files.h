// What the parts of tuf_repository.h share: names, checks, and its files.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/fail.h"
#include "platform/file.h"
#include "platform/folder.h"
#include "trust/tuf_repository.h"

namespace polder::trust::tuf {

inline constexpr std::size_t kMaxRepositoryFiles = 1u << 20;  // in one folder
inline constexpr std::uint64_t kMaxTargetBytes = std::uint64_t(1) << 40;

// A role's hash bins are named after it: "people.bin-0a".
inline constexpr std::string_view kBinMark = ".bin-";
inline bool is_bin(std::string_view role) { return role.find(kBinMark) != role.npos; }
bool is_top_level(std::string_view role);
// Which are never staged.
inline constexpr const char* kMadeByPublishing[] = {"snapshot", "timestamp"};
// Of a file "metadata/N.ROLE.json"; version 0: it is none.
struct PublishedName {
  std::string role;
  std::int64_t version = 0;
};
PublishedName published_name(std::string_view path);

// In the order in which clients ask them; bins without names of their own in one, as a role of that
// prefix.
std::vector<DelegatedRole> delegated_by(const std::optional<Delegations>& delegations);

bool file_exists(const std::string& path);
std::string parent_of(const std::string& path);
// "targets/people/1.0.0/DIGEST.manifest.json" (specification, section 6.2).
std::string target_name(std::string_view path, std::string_view digest);
// Its SHA-256 in hex; empty without one.
std::string digest_of(const std::optional<TargetFile>& file);
// A target's path leads to its file: into the folder. Errors: kInvalid.
Status check_target_path(std::string_view path);
// Of metadata that anybody may have put here: each target's file is in the folder, under its
// SHA-256. Errors: kCorrupt.
Status check_targets(const Targets& targets, const std::string& where);
template <class Body>
Status check_places(const Body& body, const std::string& where) {
  if constexpr (Body::kType == Targets::kType) return check_targets(body, where);
  return {};
}
// A role's name is a file's name as well. Errors: kInvalid.
Status check_role_name(std::string_view role);
// Errors: kInvalid for a key given twice, a threshold that the keys cannot reach.
Result<RoleKeys> role_keys(const Trust& trust, std::string_view role);
// Errors: kDenied for a key that signs for a role whose keys are online and for one whose keys are
// not; where `force` is given only if that is root. `top`: what delegates, if anything does.
Status check_key_is_apart(const std::string& key_id, const Root& root, const Targets* top,
                          bool force);
std::string list_of(const std::vector<std::string>& words);

// Nothing where there is no such metadata yet.
template <class Body>
Result<std::optional<Body>> or_none(Result<Metadata<Body>> metadata) {
  if (metadata.ok()) return std::optional<Body>(std::move(metadata->body));
  if (metadata.error().code == Code::kNotFound) return std::optional<Body>();
  return std::move(metadata).error();
}

template <class Body>
Result<Metadata<Body>> Repository::published(std::string_view role) const {
  TRY_VALUE(const std::int64_t version, published_version(role));
  if (version == 0) return fail(Code::kNotFound, "{}: role '{}' is not published", folder_, role);
  const std::string path = published_path(role, version);
  const auto bytes = read_file(path, Body::kMaxBytes);
  // None at all would be something else.
  if (!bytes.ok() && bytes.error().code == Code::kNotFound)
    return fail(Code::kCorrupt, "{}: is published and missing: copy it here", path);
  if (!bytes.ok()) return bytes.error();
  TRY_VALUE(auto metadata, parse_metadata<Body>(*bytes, path));
  if (metadata.body.version != version) {
    return fail(Code::kCorrupt, "{}: version {} expected, {} found", path, version,
                metadata.body.version);
  }
  TRY(check_places(metadata.body, path));
  return metadata;
}

template <class Body>
Result<Metadata<Body>> Repository::current(std::string_view role) const {
  const std::string path = staged_path(role);
  if (!file_exists(path)) return published<Body>(role);
  TRY_VALUE(const std::string bytes, read_file(path, Body::kMaxBytes));
  TRY_VALUE(auto metadata, parse_metadata<Body>(bytes, path));
  TRY(check_places(metadata.body, path));
  return metadata;
}

template <class Body>
Status Repository::stage(std::string_view role, Body body, std::int64_t now_s) {
  const std::int64_t days = Body::kType == Root::kType ? profile_.root_days : profile_.targets_days;
  TRY_VALUE(const std::int64_t before, published_version(role));
  body.version = Body::kType == Root::kType ? before + 1 : std::max(before, above_) + 1;
  body.spec_version = kSpecVersion;
  body.expires_s = now_s + days * kDayS;
  TRY_VALUE(const std::string bytes, sign_metadata(to_json(body), {}));
  if (bytes.size() > Body::kMaxBytes) {
    return fail(Code::kExhausted, "role '{}' would have {} bytes of metadata; {} at most", role,
                bytes.size(), Body::kMaxBytes);
  }
  TRY(remember(staged_path(role)));
  TRY(make_folders(staged_));
  return write_file_atomic(staged_path(role), bytes);
}

}  // namespace polder::trust::tuf
