#include "platform/private_memory.h"

#include <sys/mman.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/fail.h"

namespace polder {

std::optional<std::int64_t> lockable_memory_bytes() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_MEMLOCK, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return {};
  return std::int64_t(std::min<rlim_t>(limit.rlim_cur, INT64_MAX));
}

Result<PrivateMemory> PrivateMemory::allocate(std::size_t bytes) {
  PrivateMemory memory;
  if (bytes == 0) return memory;
  void* data = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) {
    return fail(Code::kExhausted, "{} bytes of memory wanted, and there are none", bytes);
  }
  memory.data_ = static_cast<char*>(data);
  memory.size_ = bytes;
  // Hints, each refused by some system: what they cannot do is reported where it matters.
  ::madvise(data, bytes, MADV_DONTDUMP);
  ::madvise(data, bytes, MADV_DONTFORK);
  memory.locked_ = ::mlock(data, bytes) == 0;
  return memory;
}

PrivateMemory::PrivateMemory(PrivateMemory&& other) noexcept { *this = std::move(other); }

PrivateMemory& PrivateMemory::operator=(PrivateMemory&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(locked_, other.locked_);
  std::swap(read_only_, other.read_only_);
  return *this;
}

PrivateMemory::~PrivateMemory() {
  if (data_ == nullptr) return;
  if (!read_only_ || ::mprotect(data_, size_, PROT_READ | PROT_WRITE) == 0) {
    ::explicit_bzero(data_, size_);
  }
  ::munmap(data_, size_);
}

void PrivateMemory::make_read_only() {
  if (data_ != nullptr && ::mprotect(data_, size_, PROT_READ) == 0) read_only_ = true;
}

}  // namespace polder
