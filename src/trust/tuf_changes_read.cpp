#include "trust/tuf_changes_read.h"

#include "base/fail.h"
#include "base/text.h"
#include "trust/digest.h"
#include "trust/manifest.h"
#include "trust/tuf_limits.h"
#include "trust/tuf_metadata.h"
#include "trust/version.h"

namespace polder::trust::tuf {

namespace {

constexpr std::size_t kMaxListed = std::size_t(4) * kMaxTargets;

// Each of a list of objects.
template <class Read>
Status each(const Object& changes, std::string_view name, Read read) {
  TRY_VALUE(const Json::Array* const list, changes.array(name, kMaxListed));
  for (const Json& item : *list) {
    TRY_VALUE(const Object one, Object::of(item, changes.place(name)));
    TRY(read(one));
  }
  return {};
}

// Empty where the member is not there.
Result<std::string> digest_of(const Object& one, std::string_view name) {
  if (!one.has(name)) return std::string();
  TRY_VALUE(const Sha256 digest, read_digest(one, name));
  return hex(digest);
}

// Of a floor; empty where there was none.
Result<std::string> version_of(const Object& one, std::string_view name) {
  TRY_VALUE(const std::string text, one.text(name));
  if (text.empty()) return text;
  TRY_VALUE(const Version version, Version::parse(text, one.place(name)));
  return version.text();
}

// Ids of keys that come to be trusted: as this project makes them. Of those that go any text.
Result<std::vector<std::string>> ids_of(const Object& one, std::string_view name) {
  TRY_VALUE(const auto ids, one.texts(name, kMaxListed));
  for (const std::string& id : ids)
    if (id.empty() || id.find_first_not_of("0123456789abcdef") != id.npos)
      return fail(Code::kCorrupt, "{}: an id in hexadecimal digits expected, '{}' found",
                  one.place(name), clipped(one_line(id)));
  return ids;
}

Status read_file_change(const Object& one, Changes& changes) {
  StagedVersion file;
  TRY_VALUE(file.role, one.text("role"));
  TRY_VALUE(file.version, one.integer("version", 0, kMaxInteger));
  TRY_VALUE(const std::string expires, one.text("expires"));
  TRY_VALUE(file.expires_s, parse_time(expires, one.place("expires")));
  if (one.has("version_before")) {
    TRY_VALUE(file.version_before, one.integer("version_before", 0, kMaxInteger));
    TRY_VALUE(const std::string before, one.text("expires_before"));
    TRY_VALUE(file.expires_before_s, parse_time(before, one.place("expires_before")));
  }
  return changes.files.push_back(std::move(file)), Status();
}

Status read_trust_change(const Object& one, Changes& changes) {
  TrustChange change;
  TRY_VALUE(change.role, one.text("role"));
  TRY_VALUE(change.added_keys, ids_of(one, "added_keys"));
  TRY_VALUE(change.removed_keys, one.texts("removed_keys", kMaxListed));
  TRY_VALUE(const std::int64_t threshold, one.integer("threshold", 0, INT32_MAX));
  TRY_VALUE(const std::int64_t before, one.integer("threshold_before", 0, INT32_MAX));
  change.threshold = int(threshold);
  change.threshold_before = int(before);
  TRY_VALUE(change.paths, one.texts("paths", kMaxListed));
  TRY_VALUE(change.paths_before, one.texts("paths_before", kMaxListed));
  return changes.trust.push_back(std::move(change)), Status();
}

}  // namespace

Result<Changes> parse_changes(const Json& json, std::string_view where) {
  TRY_VALUE(const Object object, Object::of(json, std::string(where)));
  Changes changes;
  TRY(each(object, "files", [&](const Object& one) { return read_file_change(one, changes); }));
  TRY(each(object, "trust", [&](const Object& one) { return read_trust_change(one, changes); }));
  TRY(each(object, "targets", [&](const Object& one) -> Status {
    TargetChange change;
    TRY_VALUE(change.role, one.text("role"));
    TRY_VALUE(change.path, one.text("path"));
    TRY_VALUE(change.before, digest_of(one, "sha256_before"));
    TRY_VALUE(change.after, digest_of(one, "sha256"));
    if (one.has("problem")) {
      TRY_VALUE(change.problem, one.text("problem"));
    }
    return changes.targets.push_back(std::move(change)), Status();
  }));
  TRY(each(object, "floors", [&](const Object& one) -> Status {
    FloorChange change;
    TRY_VALUE(change.model, one.text("model"));
    TRY_VALUE(change.before, version_of(one, "before"));
    TRY_VALUE(change.after, version_of(one, "after"));
    return changes.floors.push_back(std::move(change)), Status();
  }));
  TRY_VALUE(changes.other, object.texts("other", kMaxListed, Json::kMaxBytes));
  return changes;
}

}  // namespace polder::trust::tuf
