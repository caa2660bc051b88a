// Files that are read anywhere and grow at their end, durably: logs, and large files of which parts
// are wanted. Unlike a mapping, a file that somebody cuts off while it is read is an error.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "platform/storage.h"

namespace polder {

// Not thread-safe.
class ReadableFile {
 public:
  virtual ~ReadableFile() = default;
  // What errors call it.
  virtual const std::string& path() const = 0;
  virtual std::uint64_t size() const = 0;
  // Fills `into`. Errors: kCorrupt when the file ends before; kIo.
  virtual Status read(std::uint64_t offset, std::span<char> into) const = 0;
};

class AppendFile : public ReadableFile {
 public:
  // Returns when the bytes are on the disk. On an error the file is what it was before; where even
  // that could not be had, every later call fails. Errors: kExhausted (disk full), kIo.
  virtual Status append(std::string_view bytes) = 0;
  // Cuts the file off, durably. `size` is at most size().
  virtual Status truncate(std::uint64_t size) = 0;
};

// A regular file as it is now. Errors: kNotFound, kInvalid for what is no regular file, kIo.
Result<std::unique_ptr<ReadableFile>> open_readable(const std::string& path);

// The same of a file below a folder, named by the folders and the name that lead to it. Each is
// opened from the one before, and no link is followed: what is asked for by somebody else leads
// nowhere else. Errors: kNotFound also for a link, and for a name that is none ("..", "a/b").
Result<std::unique_ptr<ReadableFile>> open_readable_below(const std::string& folder,
                                                          const std::vector<std::string>& names);

// Opens a file for one writer, or makes an empty one of mode 0600. Errors: kUnavailable while
// another process or object has it open so; kInvalid; kDenied; kIo.
Result<std::unique_ptr<AppendFile>> open_append(const std::string& path);

// The same in a storage, whose lock the caller holds.
Result<std::unique_ptr<AppendFile>> open_append(Storage& storage, const std::string& name);

// The fake: bytes in memory, on a disk that takes `capacity_bytes` and may fail on command.
class MemoryAppendFile final : public AppendFile {
 public:
  explicit MemoryAppendFile(std::string content = "", std::uint64_t capacity = UINT64_MAX)
      : bytes(std::move(content)), capacity_bytes(capacity) {}
  const std::string& path() const override { return path_; }
  std::uint64_t size() const override { return bytes.size(); }
  Status read(std::uint64_t offset, std::span<char> into) const override;
  Status append(std::string_view added) override;
  Status truncate(std::uint64_t size) override;

  std::string bytes;
  std::uint64_t capacity_bytes;

 private:
  std::string path_ = "memory";
};

}  // namespace polder
