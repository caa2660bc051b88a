// An assignment: which releases one device, or every device without its own, is to run. The target
// assignments/DEVICE.json or assignments/default.json of a repository, signed by the role
// "assignments", whose key may be online: it only chooses among releases that are signed offline.
//
//   TRY_VALUE(const Assignment assignment, Assignment::parse(bytes, path));
//   TRY(assignment.check_device("cam-12"));
//   for (const AssignedRelease& release : assignment.releases) ...
//
//   {"format": 1, "device": "cam-12", "not_before": "2030-01-01T02:00:00Z", "retry": 1,
//    "releases": [{"name": "people", "version": "1.2.0", "slot": "model"}], "shadow": false}
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "trust/json.h"
#include "trust/version.h"

namespace polder::trust {

inline constexpr std::int64_t kAssignmentFormat = 1;
inline constexpr std::string_view kAssignmentsRole = "assignments";
inline constexpr std::string_view kAssignmentsPattern = "assignments/*";  // the role's paths
inline constexpr std::string_view kDefaultDevice = "default";
inline constexpr std::size_t kMaxAssignedReleases = 256;
inline constexpr std::size_t kMaxAssignmentBytes = 256u << 10;
inline constexpr std::size_t kMaxAssignedDeviceBytes = 64;
inline constexpr std::int64_t kMaxRetry = std::int64_t(1) << 53;

struct AssignedRelease {
  std::string model;
  Version version;
  bool is_runtime = false;  // "slot": "runtime", polderd itself; else "model"
  bool operator==(const AssignedRelease&) const = default;
};

struct Assignment {
  std::string device{kDefaultDevice};
  std::vector<AssignedRelease> releases;  // no model twice, at most one runtime; may be empty
  std::int64_t not_before_s = 0;          // since 1970, UTC: nothing is installed earlier
  bool shadow = false;                    // the new model runs beside the old one first
  // Higher than before: a release that failed on the device may be tried again.
  std::int64_t retry = 0;

  // Errors: kCorrupt, saying where what was expected; kIncompatible for another format;
  // kExhausted above a cap. What it returns is valid.
  static Result<Assignment> parse(std::string_view bytes, std::string_view where);
  // Errors: kInvalid, kExhausted.
  Status validate() const;
  Json to_json() const;
  // The file's bytes: the same for equal assignments.
  std::string bytes() const { return to_json().pretty(); }

  // Whether it may tell that device anything: it is the device's own, or the default. Errors:
  // kDenied.
  Status check_device(std::string_view id) const;

  bool operator==(const Assignment&) const = default;
};

// "assignments/cam-12.json".
std::string assignment_target(std::string_view device);

}  // namespace polder::trust
