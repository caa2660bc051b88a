#include "platform/file_stamp.h"

#include <sys/stat.h>

#include <cerrno>

#include "base/fail.h"
#include "platform/os_error.h"

namespace polder {

Result<std::string> file_stamp(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return os_error(path, "stat", errno);
  return fmt::format("{} {} {}.{:09}", info.st_ino, info.st_size, info.st_mtim.tv_sec,
                     info.st_mtim.tv_nsec);
}

}  // namespace polder
