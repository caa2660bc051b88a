#include "platform/program.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/fail.h"
#include "platform/descriptor.h"
#include "platform/os_error.h"

namespace polder {

Result<ProgramFile> ProgramFile::open(const std::string& path) {
  // Whoever could write it could not run it.
  auto file = std::make_unique<Descriptor>(
      ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (file->get() < 0) return os_error(path, "open", errno);
  struct stat info {};
  if (::fstat(file->get(), &info) != 0) return os_error(path, "stat", errno);
  if (!S_ISREG(info.st_mode)) return fail(Code::kInvalid, "{}: no regular file", path);
  return ProgramFile(path, std::move(file), std::uint64_t(info.st_size));
}

ProgramFile::ProgramFile(std::string path, std::unique_ptr<Descriptor> file, std::uint64_t size)
    : path_(std::move(path)), file_(std::move(file)), size_(size) {}
ProgramFile::ProgramFile(ProgramFile&& other) noexcept = default;
ProgramFile::~ProgramFile() = default;

Result<std::size_t> ProgramFile::read(std::uint64_t offset, std::span<char> out) const {
  std::size_t filled = 0;
  while (filled < out.size()) {
    const ssize_t got =
        ::pread(file_->get(), out.data() + filled, out.size() - filled, off_t(offset + filled));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return os_error(path_, "read", errno);
    if (got == 0) break;
    filled += std::size_t(got);
  }
  return filled;
}

Status ProgramFile::become(char* const* argv) const {
  // What a script's interpreter is given is the descriptor, which it has to find open.
  char head[2] = {};
  TRY_VALUE(const std::size_t got, read(0, head));
  if (got == 2 && head[0] == '#' && head[1] == '!') ::fcntl(file_->get(), F_SETFD, 0);
  ::fexecve(file_->get(), argv, environ);
  const int number = errno;
  ::fcntl(file_->get(), F_SETFD, FD_CLOEXEC);
  return os_error(path_, "start", number);
}

}  // namespace polder
