#include "platform/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <utility>

#include "base/fail.h"
#include "base/text.h"
#include "platform/clock.h"
#include "platform/descriptor.h"
#include "platform/host.h"
#include "platform/os_error.h"

namespace polder {
namespace {

constexpr std::int64_t kPollUs = 20'000;

// For writing where that is allowed: file systems of a network want it for a lock.
Descriptor open_for_lock(const std::string& path) {
  Descriptor fd(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK));
  if (fd.get() < 0 && (errno == EACCES || errno == EROFS || errno == EPERM || errno == EISDIR))
    fd = Descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  return fd;
}

// "3: FLOCK  ADVISORY  WRITE 4711 08:01:1234 0 EOF": the process, of a lock of that inode.
std::string_view process_of(std::string_view line, const std::string& inode) {
  if (line.find(" FLOCK ") == line.npos || line.find(":" + inode + " ") == line.npos) return {};
  const std::size_t mode = line.find(" WRITE ");
  if (mode == line.npos) return {};
  line.remove_prefix(mode + 7);
  return line.substr(0, line.find(' '));
}

// "process 4711 (polder repo publish repo)", for people.
std::string holder_of(int fd) {
  std::string unknown = "another process";
  struct stat info {};
  const auto locks = read_kernel_text("/proc/locks");
  if (::fstat(fd, &info) != 0 || !locks.ok()) return unknown;
  std::string_view rest = *locks;
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    const std::string process(process_of(line, std::to_string(info.st_ino)));
    if (process.empty()) continue;
    auto words = read_kernel_text("/proc/" + process + "/cmdline");
    if (!words.ok() || words->empty()) return "process " + process;
    std::replace(words->begin(), words->end(), '\0', ' ');
    return fmt::format("process {} ({})", process,
                       clipped(one_line(words->substr(0, words->find_last_not_of(' ') + 1))));
  }
  return unknown;
}

}  // namespace

Result<FileLock> FileLock::take(const std::string& path, std::int64_t wait_ms) {
  Descriptor fd = open_for_lock(path);
  if (fd.get() < 0) return os_error(path, "open", errno);
  SystemClock clock;
  const std::int64_t end_us = clock.now_us() + wait_ms * 1000;
  while (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK) return os_error(path, "lock", errno);
    const std::int64_t now_us = clock.now_us();
    if (now_us >= end_us)
      return fail(Code::kUnavailable, "{}: {} holds it", path, holder_of(fd.get()));
    clock.sleep_until_us(std::min(now_us + kPollUs, end_us));
  }
  return FileLock(fd.release());
}

FileLock::FileLock(FileLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

FileLock& FileLock::operator=(FileLock&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

FileLock::~FileLock() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace polder
