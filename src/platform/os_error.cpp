#include "platform/os_error.h"

#include <cerrno>
#include <cstring>

#include "base/fail.h"

namespace polder {

Error os_error(const std::string& path, std::string_view action, int number) {
  const char* reason = std::strerror(number);
  switch (number) {
    case ENOENT:
    case ENOTDIR: return fail(Code::kNotFound, "{}: cannot {}: {}", path, action, reason);
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return fail(Code::kExhausted, "{}: cannot {}: {}; free some space or choose another folder",
                  path, action, reason);
    case EACCES:
    case EPERM: return fail(Code::kDenied, "{}: cannot {}: {}", path, action, reason);
    case EROFS:
      return fail(Code::kDenied,
                  "{}: cannot {}: {}; mount it for writing, or choose another folder", path, action,
                  reason);
    default: return fail(Code::kIo, "{}: cannot {}: {}", path, action, reason);
  }
}

}  // namespace polder
