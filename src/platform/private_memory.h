// Memory that holds what must not reach a disk: left out of core dumps and of child processes,
// locked against swapping where the system allows it, wiped before it is given back.
#pragma once

#include <polder/error.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace polder {

// How much of it this process, and each that it starts, may lock (RLIMIT_MEMLOCK); nothing: as much
// as it likes.
std::optional<std::int64_t> lockable_memory_bytes();

class PrivateMemory {
 public:
  // Zero bytes, aligned to a page at least. Errors: kExhausted.
  static Result<PrivateMemory> allocate(std::size_t bytes);
  PrivateMemory() = default;
  PrivateMemory(PrivateMemory&& other) noexcept;
  PrivateMemory& operator=(PrivateMemory&& other) noexcept;
  ~PrivateMemory();

  std::span<char> writable() { return {data_, size_}; }
  std::span<const std::byte> bytes() const {
    return {reinterpret_cast<const std::byte*>(data_), size_};
  }
  // Whether it stays out of the swap space; if not, `ulimit -l` (LimitMEMLOCK=) was too low.
  bool locked() const { return locked_; }
  // From now on a write to it ends the process. writable() may not be used any more.
  void make_read_only();

 private:
  char* data_ = nullptr;
  std::size_t size_ = 0;
  bool locked_ = false, read_only_ = false;
};

}  // namespace polder
