// Files: read whole with a cap, mapped read-only, or written so that a reader sees all or nothing.
#pragma once

#include <polder/error.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace polder {

// The whole file. Errors: kNotFound, kExhausted above `cap_bytes`, kIo; each names the path.
Result<std::string> read_file(const std::string& path, std::size_t cap_bytes);

// Hands the file to `sink` piece by piece, in order; its size is returned. For files that are too
// large to be held. Errors: kNotFound, kInvalid for what is no regular file, kExhausted above
// `cap_bytes`, kIo, and the sink's, which ends it.
Result<std::uint64_t> stream_file(const std::string& path, std::uint64_t cap_bytes,
                                  const std::function<Status(std::string_view piece)>& sink);

// When its bytes were written last, in seconds since 1970. Errors: kNotFound, kIo.
Result<std::int64_t> written_at(const std::string& path);

// The path of `relative` inside `folder` with every symbolic link resolved. Errors: kDenied when it
// is absolute or leads out of the folder (".." or a link); kNotFound.
Result<std::string> resolve_within(const std::string& folder, const std::string& relative);

// Replaces `path` by `bytes`, as DiskStore does. On an error `path` is as it was and nothing is
// left behind. Errors: kExhausted (disk full), kDenied, kIo.
Status write_file_atomic(const std::string& path, std::string_view bytes);

// Writes many small files (path, bytes) of one file system, which is synced once for all of them:
// when this returns without an error they are there for good. Until then, and on an error, any of
// them may be there in part. Folders are made. Errors: as above.
Status write_files(const std::map<std::string, std::string>& files);

// The name is gone, for good once this returns; fine if it was not there. Errors: kDenied, kIo.
Status remove_file(const std::string& path);

// Gives each file (from, to) the name `to`, in place of what had it, for good once this returns:
// each folder is synced once, however many files it gives and takes. Folders are made. A file of
// another file system is copied and removed; under its new name it is complete at any time. On an
// error some have moved. Errors: kNotFound, kDenied, kExhausted, kIo.
Status move_files(const std::map<std::string, std::string>& files);

// Gives a file a second name, which is there for good once this returns; fine if it is there. Its
// folder is made. Where the file system cannot, the file is copied. Errors: kNotFound, kDenied,
// kExhausted, kIo.
Status link_file(const std::string& from, const std::string& to);

// Paths of the entries of a folder, "folder/name", in the order of their names. Errors: kExhausted
// above `max_count`.
Result<std::vector<std::string>> list_folder(const std::string& path, std::size_t max_count);

// Makes the folder and its parents; fine if it is there.
Status make_folders(const std::string& path);

// A file mapped read-only; unmapped by the destructor. An empty file has no bytes.
class MappedFile {
 public:
  static Result<MappedFile> open(const std::string& path);
  MappedFile() = default;
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();
  std::span<const std::byte> bytes() const { return {data_, size_}; }
  // Gives the memory of a part back; reading it again reads the file again.
  void release(std::span<const std::byte> part) const;

 private:
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

// A file that is being written. It appears under its name at commit(), complete; without commit the
// destructor removes every trace. Not thread-safe.
class OutputFile {
 public:
  virtual ~OutputFile() = default;
  virtual Status write(std::string_view bytes) = 0;
  // Where the next write goes, from the start; may lie beyond the end.
  virtual Status seek(std::int64_t offset) = 0;
  virtual Status commit() = 0;
};

// Where output files are made. Thread-safe.
class FileStore {
 public:
  virtual ~FileStore() = default;
  virtual Result<std::unique_ptr<OutputFile>> create(const std::string& path) = 0;
  // For one that is read while it grows: each write is of whole lines, and there is no seek.
  virtual Result<std::unique_ptr<OutputFile>> create_lines(const std::string& path) {
    return create(path);
  }
};

// The machine's file system. A link stays, and what it leads to is replaced: by a file beside it
// that is renamed when it is complete, with the permissions of the one before. What is no file to
// replace (a device, a pipe, /dev/stdout) is written to. kDenied for a file that may not be written
// and for another user's link in a folder that all may write, such as /tmp.
class DiskStore final : public FileStore {
 public:
  // `proc`: where the process file system is, if it is; through it a file gets its name late.
  explicit DiskStore(std::string proc = "/proc") : proc_(std::move(proc)) {}
  Result<std::unique_ptr<OutputFile>> create(const std::string& path) override;

 private:
  std::string proc_;
};

// The fake: files in memory, and a disk that is full after `capacity_bytes`. For one thread.
class MemoryStore final : public FileStore {
 public:
  explicit MemoryStore(std::size_t capacity_bytes = SIZE_MAX) : left_(capacity_bytes) {}
  Result<std::unique_ptr<OutputFile>> create(const std::string& path) override;
  // Committed files by path.
  const std::map<std::string, std::string>& files() const { return files_; }

 private:
  friend class MemoryFile;
  std::size_t left_;
  std::map<std::string, std::string> files_;
};

}  // namespace polder
