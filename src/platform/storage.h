// A folder that keeps state through power cuts: what is durable is said call by call, so that the
// same code runs on a disk and on a fake that breaks in every way a disk may.
//
//   TRY_VALUE(auto storage, DiskStorage::at("/var/lib/polder"));
//   TRY(replace_stored(*storage, "state.json", text));  // the old text or the new, whatever
//   happens
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace polder {

// A file that is read and written in place. What was written may be lost, in part and in any order,
// until sync() has returned. Not thread-safe.
class StoredFile {
 public:
  virtual ~StoredFile() = default;
  virtual Result<std::uint64_t> size() = 0;
  // Fewer bytes than asked for only at the end.
  virtual Result<std::size_t> read(std::uint64_t offset, std::span<char> out) = 0;
  // On an error some of the bytes may have been written.
  virtual Status write(std::uint64_t offset, std::string_view bytes) = 0;
  virtual Status truncate(std::uint64_t size) = 0;
  // Takes the room for `size` bytes now, so that writing them does not find the disk full. The size
  // stays. Where the file system cannot, nothing is done.
  virtual Status reserve(std::uint64_t size) = 0;
  // The bytes outlast a power cut; the name does after Storage::sync(). After an error nobody knows
  // what of the bytes is on the disk: write them again or give the file up.
  virtual Status sync() = 0;
};

// Called now and then in what lasts long; an error ends that and is returned from it. Empty:
// nothing.
using Alive = std::function<Status()>;

// Held while it lives; also ends with the process.
class StorageLock {
 public:
  virtual ~StorageLock() = default;
};

// Files in a folder and in its sub-folders. A name is a path below the folder: 1 to 5 parts of
// letters, digits, '.', '_', '-', of at most 200 bytes each, that do not begin with '.'; another
// name is kInvalid. Links are not followed. Errors name the file; kNotFound, kExhausted (disk full,
// above a cap), kDenied, kIo. Not thread-safe.
class Storage {
 public:
  virtual ~Storage() = default;

  // Opens for reading and writing; kNotFound when it is not there. What lies on a read-only file
  // system can be read, and its write() is kDenied.
  virtual Result<std::unique_ptr<StoredFile>> open(const std::string& name) = 0;
  // Makes it empty, whether it was there or not. Its name is durable after sync().
  virtual Result<std::unique_ptr<StoredFile>> create(const std::string& name) = 0;
  // Replaces `to`, in one step. Durable after sync() of both folders.
  virtual Status rename(const std::string& from, const std::string& to) = 0;
  // A second name of the same bytes, which must not be taken. Durable after sync(). kUnsupported
  // where the file system has no such names, or no more for this file: copy_stored() then.
  virtual Status link(const std::string& from, const std::string& to) = 0;
  // For the file's owner, under all of its names. Durable when it returns.
  virtual Status make_executable(const std::string& name) = 0;
  // Fine when it is not there. Durable after sync().
  virtual Status remove(const std::string& name) = 0;
  // With its parents; fine if it is there. Durable when it returns.
  virtual Status make_folder(const std::string& name) = 0;
  // The names in a folder ("" is the whole storage's) become durable as they are now.
  virtual Status sync(const std::string& folder) = 0;

  // Names in a folder, sorted, without the folder's; those of folders end in '/'. kExhausted above
  // `max_count`.
  virtual Result<std::vector<std::string>> list(const std::string& folder,
                                                std::size_t max_count) = 0;
  // What may still be written here, in bytes. kDenied on a read-only file system.
  virtual Result<std::uint64_t> free_bytes() = 0;
  // kUnavailable when another process, or another lock of this one, holds it.
  virtual Result<std::unique_ptr<StorageLock>> lock(const std::string& name) = 0;
  // Where the file is for those who map it; empty when it is nowhere.
  virtual std::string path(const std::string& name) const = 0;
};

// Errors: kInvalid, saying what a name is.
Status check_storage_name(std::string_view name);
// "a/b" of "a/b/c", "" of "a".
std::string storage_folder(const std::string& name);

// The whole file. Errors: kExhausted above `cap_bytes`.
Result<std::string> read_stored(Storage& storage, const std::string& name, std::size_t cap_bytes);

// Copies the bytes piece by piece; they are synced, the name is durable after Storage::sync().
Status copy_stored(Storage& storage, const std::string& from, const std::string& to,
                   const Alive& alive = {});

// Replaces the file: after a power cut at any moment it holds the old bytes or the new; after a
// return without an error, the new. In between there is `name`.new, which may be left behind and is
// overwritten by the next call.
Status replace_stored(Storage& storage, const std::string& name, std::string_view bytes);

// The machine's file system. Its calls may come from several threads.
class DiskStorage final : public Storage {
 public:
  // The folder is made if it is not there, for this user alone.
  static Result<std::unique_ptr<DiskStorage>> at(const std::string& path);
  ~DiskStorage() override;
  DiskStorage(const DiskStorage&) = delete;
  DiskStorage& operator=(const DiskStorage&) = delete;

  Result<std::unique_ptr<StoredFile>> open(const std::string& name) override;
  Result<std::unique_ptr<StoredFile>> create(const std::string& name) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status link(const std::string& from, const std::string& to) override;
  Status make_executable(const std::string& name) override;
  Status remove(const std::string& name) override;
  Status make_folder(const std::string& name) override;
  Status sync(const std::string& folder) override;
  Result<std::vector<std::string>> list(const std::string& folder, std::size_t max_count) override;
  Result<std::uint64_t> free_bytes() override;
  Result<std::unique_ptr<StorageLock>> lock(const std::string& name) override;
  std::string path(const std::string& name) const override { return path_ + "/" + name; }

 private:
  DiskStorage(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
  Result<std::unique_ptr<StoredFile>> open_file(const std::string& name, int flags);

  std::string path_;
  int fd_;
};

// A number that only rises, also across power cuts and restarts.
class MonotonicCounter {
 public:
  virtual ~MonotonicCounter() = default;
  // 0 before the first raise(). Errors: kCorrupt: it is not taken for 0.
  virtual Result<std::uint64_t> value() = 0;
  // Durable when it returns. Errors: kDenied below value(); the same value is fine.
  virtual Status raise(std::uint64_t to) = 0;
};

// In a file of a storage. Who can write that file can lower it: where there is a TPM its own
// counter is better.
class FileCounter final : public MonotonicCounter {
 public:
  // `storage` is borrowed.
  FileCounter(Storage& storage, std::string name) : storage_(storage), name_(std::move(name)) {}
  Result<std::uint64_t> value() override;
  Status raise(std::uint64_t to) override;

 private:
  Storage& storage_;
  std::string name_;
};

}  // namespace polder
