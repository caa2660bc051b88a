// The fake of Storage: files in memory on a disk that fails as it is told, and whose every power
// cut can be played through. For tests and the simulator.
//
//   FakeStorage disk;
//   update(disk);
//   for_each_crash(disk, 20, seed, [&](FakeStorage& after) { ...opens what the cut left... });
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "platform/storage.h"

namespace polder {

// What a changing call does when its turn comes.
enum class StorageFault {
  kNone,
  kFull,      // ENOSPC; nothing is done
  kIo,        // EIO; nothing is done
  kShort,     // a write does half of its bytes, then ENOSPC; other calls fail as kFull does
  kPowerCut,  // EIO, and so has every call after it until the machine starts again
};

// What a disk promises, and no more:
//  - What a file's sync() had before it is there. Of writes since then each sector of 512 bytes is
//    there or not, in any order; the file may be longer than what arrived, with zeros between.
//  - Names are there after a sync() of their folder. Of changes since then any may be lost, but
//    where two concern the same name the later is not there without the earlier.
//  - A sync() of a file promises nothing of its name, nor that of a folder anything of the files.
// Not thread-safe.
class FakeStorage final : public Storage {
 public:
  explicit FakeStorage(std::uint64_t capacity_bytes = std::uint64_t(1) << 40)
      : capacity_bytes_(capacity_bytes) {}

  // Changing calls so far: create, write, truncate, reserve, sync, rename, link, make_executable,
  // remove, make_folder.
  std::uint64_t calls() const { return calls_; }
  // Asked before each changing call with its number, from 0; empty: all is well.
  std::function<StorageFault(std::uint64_t call)> fault_of;
  // The n-th changing call from now on fails, and with `for_good` all after it.
  void fail_at(std::uint64_t n, StorageFault fault, bool for_good = false);
  // The file whose sectors are lost: it is there, and cannot be read. Empty: none.
  std::string unreadable;
  // Whether the file system has second names.
  bool has_links = true;
  void set_capacity(std::uint64_t bytes) { capacity_bytes_ = bytes; }

  // Steps of the write log: a power cut may come after each of them.
  std::size_t steps() const { return log_.size(); }
  // The disk after a power cut that found the first `step` steps done; `seed` chooses what of the
  // unsynced arrived: 0 nothing, 1 everything, others a choice of their own.
  std::unique_ptr<FakeStorage> after_crash(std::size_t step, std::uint64_t seed) const;
  // Forgets the log: what is there now is on the disk.
  void settle();
  // All files by name, as they are read.
  std::map<std::string, std::string> files() const;

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
  std::string path(const std::string&) const override { return ""; }

 private:
  friend class FakeStoredFile;
  friend class FakeLock;
  friend class CrashReplay;
  struct Node {
    std::uint64_t id;
    std::string bytes;
  };
  struct Step {
    enum class Kind { kWrite, kTruncate, kSyncFile, kLink, kRename, kRemove, kSyncFolder, kFolder };
    Kind kind;
    std::uint64_t node = 0;
    std::uint64_t offset = 0;  // of a write; the size for kTruncate
    std::string bytes;
    std::string name, to;
  };
  // Takes a changing call's turn: the error to return, if there is one.
  Result<StorageFault> turn(const std::string& name, std::string_view action);
  // Errors: kInvalid for the name, kNotFound for its folder.
  Status check(const std::string& name) const;
  std::uint64_t used_bytes() const;

  std::uint64_t capacity_bytes_;
  std::uint64_t calls_ = 0, next_node_ = 1;
  bool is_off_ = false;
  std::map<std::string, std::shared_ptr<Node>> names_;
  std::set<std::string> folders_;
  // On the disk before the log begins.
  std::map<std::string, std::shared_ptr<const Node>> base_;
  std::set<std::string> base_folders_;
  std::set<std::string> locks_;
  std::vector<Step> log_;
};

// Calls `check` with the disk after each step of the log, `per_step` times (at least 2: with
// nothing and with everything that was not synced); returns how often. Stops when `check` is false.
std::uint64_t for_each_crash(
    const FakeStorage& disk, int per_step, std::uint64_t seed,
    const std::function<bool(FakeStorage& after, std::size_t step, std::uint64_t choice)>& check);

}  // namespace polder
