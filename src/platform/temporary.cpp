#include "platform/temporary.h"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/fail.h"

namespace polder {

Result<TemporaryFile> TemporaryFile::create(std::string_view suffix) {
  const char* folder = std::getenv("TMPDIR");
  if (!folder || !*folder) folder = "/tmp";
  std::string path = fmt::format("{}/polder-XXXXXX{}", folder, suffix);
  const int fd = ::mkstemps(path.data(), int(suffix.size()));
  if (fd < 0) {
    return fail(Code::kIo, "{}: cannot make a temporary file: {}; set TMPDIR to another folder",
                folder, std::strerror(errno));
  }
  ::close(fd);
  return TemporaryFile(std::move(path));
}

TemporaryFile::TemporaryFile(TemporaryFile&& other) noexcept
    : path_(std::exchange(other.path_, std::string())) {}

TemporaryFile::~TemporaryFile() {
  if (!path_.empty()) ::unlink(path_.c_str());
}

}  // namespace polder
