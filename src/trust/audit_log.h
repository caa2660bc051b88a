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
#pragma once

#include <polder/error.h>

#include <cstdint>
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

// Reads a log line by line. Borrows the file.
class LogReader {
 public:
  explicit LogReader(const ReadableFile& file) : file_(file) {}
  // The next line without its newline, valid until the next call; nothing at the end. Errors:
  // kCorrupt for a line above kMaxEntryBytes; kExhausted for a log above kMaxLogBytes; kIo.
  Result<std::optional<std::string_view>> next();
  // Once next() gave nothing: where the last whole line ends, and what of a line comes after it.
  std::uint64_t whole_bytes() const { return whole_bytes_; }
  std::uint64_t torn_bytes() const { return file_.size() - whole_bytes_; }

 private:
  Status fill();
  const ReadableFile& file_;
  std::string buffer_;
  std::size_t at_ = 0;             // in the buffer
  std::uint64_t read_ = 0;         // of the file
  std::uint64_t whole_bytes_ = 0;  // up to the line that next() gave
};

// A checkpoint as it was published.
struct SignedCheckpoint {
  std::string note;
  Checkpoint checkpoint;  // what it says; believe it when open_checkpoint() does
};
struct CheckpointList {
  std::vector<SignedCheckpoint> items;  // sizes rise
  std::uint64_t torn_bytes = 0;
};
// Errors: kCorrupt; kExhausted above kMaxCheckpointsBytes.
Result<CheckpointList> read_checkpoints(const ReadableFile& file);

// What a log holds.
struct LogReport {
  std::string origin;
  std::uint64_t entries = 0;
  std::uint64_t covered = 0;      // by the last checkpoint
  std::uint64_t checkpoints = 0;  // that were checked
  std::uint64_t torn_bytes = 0;   // of an entry whose writing was interrupted, at the end
  Sha256 root{};
};

// Walks the whole log: its entries in order, and the root at each checkpoint. `checkpoints` are
// taken as true; open_checkpoint() gives such. Errors: kCorrupt, saying between which entries the
// log is not what was signed.
Result<LogReport> verify_log(const ReadableFile& log, std::vector<Checkpoint> checkpoints);

class AuditLog {
 public:
  // For a new log: its name, and who begins it when.
  struct Start {
    std::string origin;  // empty: whatever a log that exists is called
    std::string actor;
    std::int64_t time_s = 0;
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
  // What open() cut off, of the log and its checkpoints together.
  std::uint64_t torn_bytes() const { return torn_bytes_; }

 private:
  AuditLog() = default;
  Status load(const Start& start);

  std::unique_ptr<AppendFile> log_, checkpoints_;
  std::string origin_;
  Frontier tree_;
  std::string last_note_;  // the last checkpoint; empty: none
  std::uint64_t torn_bytes_ = 0;
};

}  // namespace polder::trust
