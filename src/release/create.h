// Makes a release folder of a description: complete, checked and tried, or not at all.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <string>
#include <vector>

#include "release/description.h"
#include "release/goldens.h"
#include "release/limits.h"
#include "trust/release_folder.h"

namespace polder::release {

// A file larger than this gets a chunk index.
inline constexpr std::int64_t kUnindexedBytes = 256 << 10;

struct CreateOptions {
  std::int64_t created_s = 0;  // since 1970, UTC
  // Records the outputs of goldens that name none, by running the first artifact that runs here.
  bool make_goldens = false;
  // Whether limits that this machine misses are an error: a device like it would refuse the
  // release.
  bool check_limits = true;
};

struct CreatedRelease {
  trust::ReleaseFolder release;
  std::vector<GoldenResult> goldens;  // each held or was not tried
  std::vector<LimitsResult> limits;
  // Settings such as "camera.path" whose files the release does not have: each device sets them.
  std::vector<std::string> unset;
};

// Copies all files into `folder`, which must not be there. Errors: kDenied when it is; kInvalid,
// kCorrupt, kIncompatible, naming the place in the description or the file; kExhausted above a
// manifest's caps; kCorrupt for a golden that does not hold; kIncompatible for limits that are
// missed here; kIo.
Result<CreatedRelease> create_release(const Description& description, const std::string& folder,
                                      const CreateOptions& options);

}  // namespace polder::release
