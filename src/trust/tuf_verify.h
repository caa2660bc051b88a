// The whole of a repository held to what a device holds it to: every role, every target, every
// blob, from a root that devices trust.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "trust/tuf_metadata.h"

namespace polder::trust::tuf {

struct VerifiedRole {
  std::string role;
  std::int64_t version = 0, expires_s = 0;
  std::size_t targets = 0;
  std::int64_t life_days = 0;  // of timestamp and snapshot, where they say it
};

struct Verification {
  std::vector<VerifiedRole> roles;  // top level first, each before those that it delegates to
  std::size_t targets = 0, blobs = 0;
  std::uint64_t bytes = 0;            // of targets and blobs
  std::size_t elsewhere = 0;          // files that need not be here
  std::vector<std::string> problems;  // what is wrong, each naming its file; empty: nothing is
};

// `root_bytes`: the root that devices trust; of metadata/ it need not be the first. Metadata that
// nobody signed as they are end the walk; what has expired, and targets and blobs that are missing,
// damaged or none that devices take under their names, are all told of. Errors: kIo, kDenied when
// the folder cannot be read at all.
// `files`: kElsewhere where blobs, assignments, and targets that devices do not read themselves
// may be missing, as of what was pulled from a hub.
enum class Files { kHere, kElsewhere };
Result<Verification> verify_repository(const std::string& folder, std::string_view root_bytes,
                                       std::int64_t now_s, Files files = Files::kHere);

}  // namespace polder::trust::tuf
