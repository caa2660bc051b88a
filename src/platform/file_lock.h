// A file that one process at a time holds: who changes several files together takes the lock of
// one.
//
//   TRY_VALUE(const FileLock lock, FileLock::take("repo/repository.toml", 10'000));
//
// It binds only those who ask for it, and ends with the object, or the process however that ends.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <string>

namespace polder {

class FileLock {
 public:
  // Of a file or folder that is there and stays; nothing is written to it. Waits for up to
  // `wait_ms` while another holds it. Errors: kUnavailable then, naming the process where the
  // system says which; kNotFound, kDenied, kIo.
  static Result<FileLock> take(const std::string& path, std::int64_t wait_ms);
  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&& other) noexcept;
  ~FileLock();

 private:
  explicit FileLock(int fd) : fd_(fd) {}
  int fd_ = -1;
};

}  // namespace polder
