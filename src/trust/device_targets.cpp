#include "trust/device_targets.h"

#include <string>

#include "base/fail.h"
#include "base/text.h"
#include "trust/assignment.h"
#include "trust/floors.h"
#include "trust/manifest.h"
#include "trust/sealed_file.h"

namespace polder::trust {

namespace {

constexpr std::string_view kManifestName = "manifest.json", kKeysEnd = ".keys";

// Of "MODEL/VERSION/FILE"; empty: it is no such path.
std::string_view file_of_release(std::string_view path) {
  const std::size_t first = path.find('/');
  const std::size_t second = first == path.npos ? path.npos : path.find('/', first + 1);
  if (second == path.npos || path.find('/', second + 1) != path.npos) return {};
  if (!is_release_name(path.substr(0, first))) return {};
  const std::string_view version = path.substr(first + 1, second - first - 1);
  return Version::parse(version, path).ok() ? path.substr(second + 1) : std::string_view();
}

Status check_own_name(std::string_view path, const std::string& own, std::string_view what) {
  if (path == own) return {};
  return fail(Code::kCorrupt, "{}: {}, and devices look for that under '{}'", clipped(path), what,
              own);
}

}  // namespace

DeviceTarget device_target(std::string_view path) {
  if (path == kFloorsTarget) return DeviceTarget::kFloors;
  constexpr std::string_view kAssignments = "assignments/";
  if (path.starts_with(kAssignments) && path.ends_with(".json") &&
      path.find('/', kAssignments.size()) == path.npos)
    return DeviceTarget::kAssignment;
  const std::string_view file = file_of_release(path);
  if (file == kManifestName) return DeviceTarget::kManifest;
  return file.ends_with(kKeysEnd) ? DeviceTarget::kSealedKeys : DeviceTarget::kNone;
}

std::size_t device_target_cap_bytes(DeviceTarget kind) {
  switch (kind) {
    case DeviceTarget::kNone: return 0;
    case DeviceTarget::kFloors: return kMaxFloorsBytes;
    case DeviceTarget::kAssignment: return kMaxAssignmentBytes;
    case DeviceTarget::kManifest: return kMaxManifestBytes;
    case DeviceTarget::kSealedKeys: return SealedKeys::kMaxBytes;
  }
  return 0;
}

Status check_device_target(std::string_view path, std::string_view bytes) {
  const DeviceTarget kind = device_target(path);
  switch (kind) {
    case DeviceTarget::kNone: return {};
    case DeviceTarget::kFloors: {
      const auto floors = Floors::parse(bytes, path);
      return floors.ok() ? Status() : Status(floors.error());
    }
    case DeviceTarget::kAssignment: {
      TRY_VALUE(const Assignment assignment, Assignment::parse(bytes, path));
      return check_own_name(path, assignment_target(assignment.device),
                            fmt::format("an assignment of '{}'", assignment.device));
    }
    case DeviceTarget::kManifest: {
      TRY_VALUE(const Manifest manifest, Manifest::parse(bytes, path));
      return check_own_name(
          path, fmt::format("{}/{}/{}", manifest.model, manifest.version.text(), kManifestName),
          fmt::format("the manifest of {} {}", manifest.model, manifest.version.text()));
    }
    case DeviceTarget::kSealedKeys: {
      TRY_VALUE(const SealedKeys keys, SealedKeys::parse(std::string(bytes), path));
      const std::string name = hex(keys.file_id()) + std::string(kKeysEnd);
      return check_own_name(path, std::string(path.substr(0, path.rfind('/') + 1)) + name,
                            "the keys of another sealed file");
    }
  }
  return {};
}

}  // namespace polder::trust
