// Proofs about an audit log, for those who do not have it: that an entry is in it, and that a
// longer log begins with a shorter one. A proof is JSON and carries the checkpoints that it is
// about; whoever has the log's public key can check it, offline.
//
//   {"format": "polder-audit-inclusion-1", "checkpoint": NOTE, "entry": LINE, "hashes": [BASE64]}
//   {"format": "polder-audit-consistency-1", "new": NOTE, "old": NOTE, "hashes": [BASE64]}
//
// Of an older segment of a device's log (trust/audit_segments.h), against a checkpoint of a later
// one: each segment in between proves by its first entry how the one before it ended.
//
//   {"format": "polder-audit-inclusion-2", "checkpoint": NOTE, "entry": LINE, "hashes": [BASE64],
//    "later": [{"first": LINE, "hashes": [BASE64]}, ...]}
#pragma once

#include <polder/error.h>

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "platform/random_access.h"
#include "trust/audit_entry.h"
#include "trust/checkpoint.h"
#include "trust/json.h"

namespace polder::trust {

inline constexpr std::size_t kMaxProofBytes = 256 * 1024;
inline constexpr std::size_t kMaxLaterSegments = 48;  // a device has 8

// `note` is a signed checkpoint of this log that covers the entry. Its signature is not looked at;
// that it is of this log is. Errors: kInvalid when it does not cover the entry; kCorrupt when the
// log is not what the checkpoint says.
Result<Json> prove_entry(const ReadableFile& log, std::uint64_t sequence, std::string_view note);
// The same of an entry of the first of these segments, each of which goes on from the one before;
// the checkpoint is of the last.
Result<Json> prove_entry(std::span<const ReadableFile* const> segments, std::uint64_t sequence,
                         std::string_view note);
Result<Json> prove_growth(const ReadableFile& log, std::string_view old_note,
                          std::string_view new_note);

// What a proof shows.
struct Proven {
  Checkpoint checkpoint;             // the newer one
  std::optional<Entry> entry;        // of an inclusion
  std::optional<Checkpoint> within;  // the end of the older segment that has the entry
  std::optional<Checkpoint> older;   // of a consistency
};
// `keys` are the log's. Errors: kCorrupt for what is no proof; kDenied when a checkpoint is by none
// of the keys or the proof does not show what it says.
Result<Proven> check_proof(std::string_view json, std::span<const PublicKey> keys,
                           std::string_view where);

}  // namespace polder::trust
