// What sinks of a pipeline keep on the device: below a cap of bytes, the oldest goes first.
//
//   events.jsonl              lines as they come: `tail -F` it
//   00000041-events.jsonl     what was there before, by age
//   00000042-annotated.mp4    a file that appeared whole when its recording ended
//
// Lines are whole: what a killed process or a power cut left of a last one is cut off when the
// file is opened again. Nothing here ends a pipeline: what a full or failing disk does not take is
// lost, and counted. Lines are synced when their file is full, not before: a power cut costs what
// the kernel had not yet written by itself.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "platform/file.h"
#include "platform/storage.h"

namespace polder::agent {

// Files in the folder; above it the oldest goes, however small.
inline constexpr std::size_t kMaxKeptFiles = 1000;
inline constexpr std::uint64_t kMinKeptBytes = 64u << 10;

struct KeptCounts {
  std::uint64_t kept_bytes = 0;     // written
  std::uint64_t dropped_bytes = 0;  // deleted, for the cap
  std::uint64_t lost_bytes = 0;     // could not be written
  bool operator==(const KeptCounts&) const = default;
};

// The names of outputs, by their paths. Not thread-safe.
class KeptNames {
 public:
  // Of a path only the last part counts; characters that a Storage does not take become '_'.
  // Errors: kInvalid when another path has it.
  Result<std::string> take(const std::string& path);

 private:
  std::set<std::string> taken_;
};

// Thread-safe; the files that it gives each serve one thread at a time, and do not outlive it. The
// storage is borrowed, and nobody else's meanwhile.
class KeptOutput final : public FileStore {
 public:
  // Where there is no storage (nullptr), or none that can be read, everything is lost.
  KeptOutput(Storage* storage, std::uint64_t cap_bytes);

  // Their names are those of KeptNames. A file that appears whole at commit(), if it took no more
  // than half of the cap, and all of them that are unfinished no more than three quarters.
  Result<std::unique_ptr<OutputFile>> create(const std::string& path) override;
  Result<std::unique_ptr<OutputFile>> create_lines(const std::string& path) override;

  KeptCounts counts() const;

 private:
  friend class KeptLines;
  friend class KeptWhole;
  struct Tail {  // a file that lines are added to
    std::uint64_t bytes = 0;
    bool is_used = false;  // by this process
    std::unique_ptr<StoredFile> file;
  };

  Status find_files();
  std::string next_piece(const std::string& name);
  std::uint64_t total_bytes() const;
  // Whether it is there once the oldest have gone.
  bool make_room(std::uint64_t bytes);
  bool has_room_unfinished(std::uint64_t end, std::uint64_t more);
  void drop_oldest();
  Status retire(const std::string& name, Tail& tail);
  void retire_unused();
  void add_lines(const std::string& name, std::string_view lines);
  Status try_lines(const std::string& name, Tail& tail, std::string_view lines);
  Status open_tail(const std::string& name, Tail& tail);

  Storage* storage_;  // none: everything is lost
  const std::uint64_t cap_bytes_;
  KeptNames names_;
  mutable std::mutex mutex_;
  std::map<std::string, std::uint64_t> pieces_;  // bytes by name, which is their order
  std::map<std::string, Tail> tails_;
  std::uint64_t unfinished_bytes_ = 0;  // of files that have not appeared yet
  std::uint64_t last_piece_ = 0;
  bool has_begun_ = false;
  KeptCounts counts_;
};

}  // namespace polder::agent
