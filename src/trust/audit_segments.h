// An audit log that stays below a number of bytes: a folder of logs (trust/audit_log.h), the
// segments, each of which goes on where the one before ended.
//
//   TRY_VALUE(AuditSegments log, AuditSegments::open(storage, "audit", start, 16 << 20));
//   TRY(log.append({now_s, "polderd", Act::kUpdateCommitted, "people 1.2.0"}, &signer));
//   TRY(log.sign(signer));
//
// They are FOLDER/log, FOLDER/log.2, FOLDER/log.3 ...; the log of the first is called NAME, that of
// the second NAME/2. The first entry of a segment says how many entries the one before had and the
// root of their tree, so a checkpoint of a segment proves all of every segment before it. Of the
// oldest that were removed to make room, that entry says what they came to.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "platform/storage.h"
#include "trust/audit_log.h"

namespace polder::trust {

// Of the bytes that all may have, what one has: so many are there at most.
inline constexpr std::uint64_t kSegments = 8;
inline constexpr std::uint64_t kMinSegmentsBytes = std::uint64_t(1) << 20;

std::string segment_file(std::uint64_t number);  // from 1: "log", "log.2"
// Nothing for a name that is no segment's.
std::optional<std::uint64_t> segment_number(std::string_view file);
std::string segment_origin(const std::string& origin, std::uint64_t number);

class AuditSegments {
 public:
  // Opens the newest segment, or begins the first. `storage` is borrowed, its lock is the caller's;
  // at least kMinSegmentsBytes. Errors: those of AuditLog::open().
  static Result<AuditSegments> open(Storage& storage, const std::string& folder,
                                    const AuditLog::Start& start, std::uint64_t max_bytes);
  // As AuditLog has it. Begins a segment and removes the oldest where the room is used up; the end
  // of the one before is signed where `signer` is there and can.
  Status append(const Record& record, Signer* signer);
  Status sign(Signer& signer);
  // Entries that no checkpoint covers yet.
  std::uint64_t unsigned_entries() const { return log_->size() - log_->covered(); }

 private:
  AuditSegments(Storage& storage, std::string folder, AuditLog::Start start, std::uint64_t bytes)
      : storage_(&storage), folder_(std::move(folder)), start_(std::move(start)), bytes_(bytes) {}
  std::string path(std::uint64_t number) const { return folder_ + "/" + segment_file(number); }
  Result<AuditLog> open_segment(std::uint64_t number, std::optional<Checkpoint> after);
  Status begin_next(std::int64_t time_s, Signer* signer);
  Status make_room();

  Storage* storage_;
  std::string folder_;
  AuditLog::Start start_;
  std::uint64_t bytes_;
  std::uint64_t number_ = 1;
  std::optional<AuditLog> log_;
};

// Whether the newest segment is what its checkpoints say, whoever signed them. Changes nothing.
// Errors: kNotFound where there is no log; those of verify_log().
Status check_newest_segment(Storage& storage, const std::string& folder);

// Of a folder of segments, in their order.
class SegmentChain {
 public:
  // What one segment holds, by verify_log(). Errors: kCorrupt when it is not the one that goes on
  // from the one before.
  Status add(std::uint64_t number, const std::string& path, const LogReport& report);
  // Whether a checkpoint that was kept is of a segment that is not there any more, which nothing
  // here contradicts. Errors: kCorrupt when it is of what must be there and is not; kInvalid when
  // it is of another log. After the last add().
  Result<bool> is_of_removed(const Checkpoint& kept) const;

  const std::string& origin() const { return origin_; }
  std::uint64_t first() const { return first_; }
  std::uint64_t last() const { return last_; }
  // The end of the last segment that was removed.
  const std::optional<Checkpoint>& removed() const { return removed_; }
  std::uint64_t entries() const { return entries_; }
  // Of those, without a checkpoint of theirs or of a later segment.
  std::uint64_t unsigned_entries() const { return unsigned_; }

 private:
  std::string origin_;
  std::uint64_t first_ = 0, last_ = 0, entries_ = 0, unsigned_ = 0;
  std::optional<Checkpoint> removed_;
  Checkpoint end_;  // of the last
};

}  // namespace polder::trust
