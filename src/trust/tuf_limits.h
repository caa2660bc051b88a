// Caps on everything that TUF metadata can claim, in one table. A file above one of them is refused
// with kExhausted or kCorrupt, whoever has signed it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace polder::trust::tuf {

// Files, in bytes (the specification's W, X, Y and Z). What timestamp and snapshot metadata say of
// another file's length can only lower them.
constexpr std::size_t kMaxRootBytes = 512u << 10;
constexpr std::size_t kMaxTimestampBytes = 64u << 10;
constexpr std::size_t kMaxSnapshotBytes = 4u << 20;
constexpr std::size_t kMaxTargetsBytes = 4u << 20;
constexpr std::size_t kMaxLoadedBytes = 16u << 20;  // of all targets files in one update

// Versions and lengths: what a double holds exactly, so that all clients read the same.
constexpr std::int64_t kMaxInteger = (std::int64_t(1) << 53) - 1;

constexpr std::size_t kMaxKeys = 1024;        // in one file
constexpr std::size_t kMaxRoleKeys = 256;     // of one role
constexpr std::size_t kMaxSignatures = 256;   // of one file
constexpr std::size_t kMaxHashes = 8;         // of one file or target
constexpr std::size_t kMaxRoles = 16384;      // that one role delegates to
constexpr std::size_t kMaxPaths = 16384;      // patterns or hash prefixes of one delegation
constexpr std::size_t kMaxMetaFiles = 65536;  // that a snapshot lists
constexpr std::size_t kMaxTargets = 65536;    // of one role
constexpr int kMaxSuccinctBits = 14;          // 2^14 bins, as many as kMaxRoles

constexpr std::size_t kMaxNameBytes = 1024;       // of a role, target, pattern or key id
constexpr std::size_t kMaxFieldBytes = 16 << 10;  // of a public key or signature, as text

// The client: root files in one update (the specification's Y; the next update goes on), roles in
// one search for a target.
constexpr int kMaxRootRotations = 256;
constexpr int kMaxVisitedRoles = 64;
constexpr std::size_t kMaxListedRoles = 1024;

}  // namespace polder::trust::tuf
