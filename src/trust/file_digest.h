// The SHA-256 and the size of a file, however large.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <string>

#include "trust/digest.h"

namespace polder::trust {

struct FileDigest {
  Sha256 sha256{};
  std::uint64_t bytes = 0;
  bool operator==(const FileDigest&) const = default;
};

// Reads the file piece by piece. Errors: kNotFound, kInvalid for what is no regular file,
// kExhausted above `cap_bytes`, kIo; each names the path.
Result<FileDigest> digest_file(const std::string& path, std::uint64_t cap_bytes);

}  // namespace polder::trust
