// An append-only log of security-relevant acts, whose entries are the leaves of a Merkle tree.
//
//   TRY_VALUE(AuditLog log, AuditLog::open("audit.log", {"example.com/releases", "anna", now_s}));
//   TRY(log.append({now_s, "anna", Act::kReleaseSigned, "people 1.2.0"}));
//   TRY(log.checkpoint(signer));
//
// Two files: PATH has an entry on each line (trust/audit_entry.h); PATH.checkpoints has signed
// checkpoints (trust/checkpoint.h), each followed by an empty line. What a checkpoint covers cannot
// be changed, dropped, added or reordered unnoticed by anybody without its key; whoever has the key
// too is found out by a checkpoint that is kept elsewhere. Entries beyond the last checkpoint are
// not protected yet, and reports count them.
//
// An entry is on the disk when append() returns. A power cut in the middle leaves the beginning of
// a line, which the next open() cuts off; anything else that is wrong is corruption and stays as
// evidence.
//
// A log may go on where another ended (trust/audit_segments.h): its first entry says where.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "platform/random_access.h"
#include "trust/audit_entry.h"
#include "trust/checkpoint.h"
#include "trust/key.h"
#include "trust/merkle.h"

namespace polder::trust {

inline constexpr std::uint64_t kMaxLogBytes = std::uint64_t(4) << 30;
inline constexpr std::uint64_t kMaxCheckpointsBytes = std::uint64_t(64) << 20;

std::string checkpoints_path(const std::string& log_path);

// A file that is read from its beginning on, and what of it is in memory. Borrows the file.
class FileWindow {
 public:
  explicit FileWindow(const ReadableFile& file) : file_(file) {}
  const ReadableFile& file() const { return file_; }
  // Of what has been read: what is not taken yet. Valid until the next more().
  std::string_view view() const { return std::string_view(buffer_).substr(at_); }
  bool has_more() const { return read_ < file_.size(); }
  Status more();
  void take(std::size_t bytes) { at_ += bytes, taken_ += bytes; }
  std::uint64_t taken() const { return taken_; }

 private:
  const ReadableFile& file_;
  std::string buffer_;
  std::size_t at_ = 0;       // in the buffer
  std::uint64_t read_ = 0;   // of the file
  std::uint64_t taken_ = 0;  // of the file
};

// Reads a log line by line. Borrows the file.
class LogReader {
 public:
  explicit LogReader(const ReadableFile& file) : window_(file) {}
  // The next line without its newline, valid until the next call; nothing at the end. Errors:
  // kCorrupt for a line above kMaxEntryBytes; kExhausted for a log above kMaxLogBytes; kIo.
  Result<std::optional<std::string_view>> next();
  // Once next() gave nothing: where the last whole line ends, and what of a line comes after it.
  std::uint64_t whole_bytes() const { return window_.taken(); }
  std::uint64_t torn_bytes() const { return window_.file().size() - window_.taken(); }

 private:
  FileWindow window_;
};

// A checkpoint as it was published.
struct SignedCheckpoint {
  std::string note;
  Checkpoint checkpoint;  // what it says; believe it when open_checkpoint() does
};

// Reads the checkpoints of a log one by one. Borrows the file.
class CheckpointReader {
 public:
  explicit CheckpointReader(const ReadableFile& file) : window_(file) {}
  // The next; nothing at the end. Sizes rise. Errors: kCorrupt; kExhausted above
  // kMaxCheckpointsBytes; kIo.
  Result<std::optional<SignedCheckpoint>> next();
  // "PATH: checkpoint 3": the one that next() gave.
  std::string where() const;
  // Once next() gave nothing: what of a checkpoint comes after the last whole one.
  std::uint64_t torn_bytes() const { return window_.file().size() - window_.taken(); }

 private:
  FileWindow window_;
  std::uint64_t count_ = 0, last_size_ = 0;
};

// What a log holds.
struct LogReport {
  std::string origin;
  std::uint64_t entries = 0;
  std::uint64_t covered = 0;      // by the last checkpoint
  std::uint64_t checkpoints = 0;  // that were checked
  std::uint64_t torn_bytes = 0;   // of an entry whose writing was interrupted, at the end
  Sha256 root{};
  std::optional<Checkpoint> after;  // the end of the log that this one goes on from
};

// Gives one checkpoint after another, whose sizes do not fall; nothing at the end.
using NextCheckpoint = std::function<Result<std::optional<Checkpoint>>()>;

// Walks the whole log: its entries in order, and the root at each checkpoint. All `checkpoints`,
// and those of `beside`, are taken as true; open_checkpoint() gives such. In memory is a part of
// the log that does not grow with it. Errors: kCorrupt, saying between which entries the log is not
// what was signed; those of `beside`.
Result<LogReport> verify_log(const ReadableFile& log, std::vector<Checkpoint> checkpoints,
                             const NextCheckpoint& beside = {});

// What the first entry of a log says of the log that it goes on from, if of any. Errors: kCorrupt.
Result<std::optional<Checkpoint>> end_before(const Entry& first, const std::string& where);

class AuditLog {
 public:
  // For a new log: its name, and who begins it when.
  struct Start {
    std::string origin;  // empty: whatever a log that exists is called
    std::string actor;
    std::int64_t time_s = 0;
    std::optional<Checkpoint> after = {};  // the end of the log that it goes on from
  };
  // Opens the log as its one writer, or begins it. Errors: kInvalid when the log has another name;
  // kCorrupt when it breaks its own format or one of its checkpoints; kUnavailable while another
  // program writes to it.
  static Result<AuditLog> open(const std::string& path, const Start& start);
  // The same in a storage, whose lock the caller holds.
  static Result<AuditLog> open(Storage& storage, const std::string& name, const Start& start);
  static Result<AuditLog> over(std::unique_ptr<AppendFile> log,
                               std::unique_ptr<AppendFile> checkpoints, const Start& start);

  // Returns the entry's sequence number when it is on the disk. On an error the log is what it was.
  // Errors: kInvalid; kExhausted (disk full, or the log at its cap: begin another); kIo.
  Result<std::uint64_t> append(const Record& record);
  // Signs what the log holds now, unless the last checkpoint says that already, and returns the
  // note. Errors: kDenied when the last checkpoint in the file is neither this signer's nor by one
  // of the `earlier` keys: somebody else wrote there, and nothing of theirs is vouched for.
  Result<std::string> checkpoint(Signer& signer, std::span<const PublicKey> earlier = {});

  const std::string& origin() const { return origin_; }
  std::uint64_t size() const { return tree_.size(); }
  // What a checkpoint of all that it holds says.
  Checkpoint end() const { return {origin_, tree_.size(), tree_.root()}; }
  // By the last checkpoint.
  std::uint64_t covered() const { return covered_; }
  // Of both files.
  std::uint64_t bytes() const { return log_->size() + checkpoints_->size(); }
  // What open() cut off, of the log and its checkpoints together.
  std::uint64_t torn_bytes() const { return torn_bytes_; }

 private:
  AuditLog() = default;
  Status load(const Start& start);

  std::unique_ptr<AppendFile> log_, checkpoints_;
  std::string origin_;
  Frontier tree_;
  std::string last_note_;  // the last checkpoint; empty: none
  std::uint64_t covered_ = 0, torn_bytes_ = 0;
};

}  // namespace polder::trust
