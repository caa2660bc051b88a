#include "trust/assignment.h"

#include <set>

#include "base/fail.h"
#include "base/text.h"
#include "trust/manifest.h"
#include "trust/tuf_metadata.h"

namespace polder::trust {

namespace {

Result<AssignedRelease> read_release(const Object& object) {
  TRY(object.only({"name", "version", "slot"}));
  AssignedRelease release;
  TRY_VALUE(release.model, object.text("name", kMaxReleaseNameBytes));
  TRY_VALUE(const std::string version, object.text("version", kMaxVersionBytes));
  TRY_VALUE(release.version, Version::parse(version, object.place("version")));
  TRY_VALUE(const std::string slot, object.text("slot"));
  if (slot != "model" && slot != "runtime") {
    return fail(Code::kCorrupt, "{}: model or runtime expected, '{}' found", object.place("slot"),
                clipped(slot));
  }
  release.is_runtime = slot == "runtime";
  return release;
}

Status read_releases(const Object& object, Assignment& assignment) {
  TRY_VALUE(const Json::Array* items, object.array("releases", kMaxAssignedReleases));
  for (std::size_t i = 0; i < items->size(); ++i) {
    TRY_VALUE(const Object item,
              Object::of((*items)[i], fmt::format("{}[{}]", object.place("releases"), i)));
    TRY_VALUE(AssignedRelease release, read_release(item));
    assignment.releases.push_back(std::move(release));
  }
  return {};
}

}  // namespace

Result<Assignment> Assignment::parse(std::string_view bytes, std::string_view where) {
  if (bytes.size() > kMaxAssignmentBytes) {
    return fail(Code::kExhausted, "{}: {} bytes; an assignment has at most {}", where, bytes.size(),
                kMaxAssignmentBytes);
  }
  TRY_VALUE(const Json json, Json::parse(bytes, where));
  TRY_VALUE(const Object object, Object::of(json, std::string(where)));
  // First of all: another format has other members.
  TRY_VALUE(const std::int64_t format, object.integer("format", 1, INT64_MAX));
  if (format != kAssignmentFormat) {
    return fail(Code::kIncompatible,
                "{}: an assignment of format {}; this build reads format {}: update polder first",
                where, format, kAssignmentFormat);
  }
  TRY(object.only({"format", "device", "releases", "not_before", "shadow", "retry"}));
  Assignment assignment;
  TRY_VALUE(assignment.device, object.text("device", kMaxAssignedDeviceBytes));
  TRY(read_releases(object, assignment));
  if (object.has("not_before")) {
    TRY_VALUE(const std::string time, object.text("not_before"));
    TRY_VALUE(assignment.not_before_s, tuf::parse_time(time, object.place("not_before")));
  }
  if (object.has("shadow")) {
    TRY_VALUE(assignment.shadow, object.boolean("shadow"));
  }
  if (object.has("retry")) {
    TRY_VALUE(assignment.retry, object.integer("retry", 0, kMaxRetry));
  }
  if (Status status = assignment.validate(); !status) {
    return fail(Code::kCorrupt, "{}: {}", where, status.error().message);
  }
  return assignment;
}

Status Assignment::validate() const {
  if (device.size() > kMaxAssignedDeviceBytes) {
    return fail(Code::kInvalid, "device: a name of at most {} characters expected, '{}' found",
                kMaxAssignedDeviceBytes, clipped(device));
  }
  if (!is_release_name(device)) return Error{Code::kInvalid, not_a_name("device", device)};
  if (releases.size() > kMaxAssignedReleases) {
    return fail(Code::kExhausted, "releases: {}; {} at most", releases.size(),
                kMaxAssignedReleases);
  }
  std::set<std::string_view> models;
  int runtimes = 0;
  for (const AssignedRelease& release : releases) {
    if (!is_release_name(release.model)) {
      return Error{Code::kInvalid, not_a_name("releases: model", release.model)};
    }
    if (!models.insert(release.model).second) {
      return fail(Code::kInvalid, "releases: '{}' twice", release.model);
    }
    runtimes += release.is_runtime;
  }
  if (runtimes > 1) {
    return fail(Code::kInvalid, "releases: {} of slot runtime; a device runs one", runtimes);
  }
  if (retry < 0 || retry > kMaxRetry) {
    return fail(Code::kInvalid, "retry: from 0 to {} expected, {} found", kMaxRetry, retry);
  }
  return {};
}

Json Assignment::to_json() const {
  Json::Array list;
  for (const AssignedRelease& release : releases) {
    list.emplace_back(Json::Members{{"name", release.model},
                                    {"version", release.version.text()},
                                    {"slot", release.is_runtime ? "runtime" : "model"}});
  }
  Json::Members members{{"format", kAssignmentFormat},
                        {"device", device},
                        {"releases", std::move(list)},
                        {"shadow", shadow}};
  if (not_before_s != 0) members.emplace("not_before", tuf::time_text(not_before_s));
  if (retry != 0) members.emplace("retry", retry);
  return members;
}

Status Assignment::check_device(std::string_view id) const {
  if (device == id || device == kDefaultDevice) return {};
  return fail(Code::kDenied, "an assignment for '{}', not for '{}'", device, clipped(id));
}

std::string assignment_target(std::string_view device) {
  return fmt::format("assignments/{}.json", device);
}

}  // namespace polder::trust
