#include "trust/file_digest.h"

#include "base/fail.h"
#include "platform/file.h"

namespace polder::trust {

Result<FileDigest> digest_file(const std::string& path, std::uint64_t cap_bytes) {
  Sha256Stream stream;
  FileDigest result;
  TRY_VALUE(result.bytes, stream_file(path, cap_bytes, [&](std::string_view piece) {
              stream.update(piece);
              return Status();
            }));
  result.sha256 = stream.finish();
  return result;
}

}  // namespace polder::trust
