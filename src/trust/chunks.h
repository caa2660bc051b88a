// Content-defined chunks: a file is cut where its content says so, so that two versions of it share
// most of their chunks wherever something was inserted, and a device fetches only the rest.
//
//   const ChunkIndex index = ChunkIndex::of(plan_bytes, constant_offsets);   // the releaser
//   TRY(write_file_atomic("people.chunks", index.bytes()));
//
//   TRY_VALUE(const ChunkIndex wanted, ChunkIndex::parse(bytes, "people.chunks"));  // the device
//   const ChunkIndex* have[] = {&installed};
//   for (const ByteRange& range : plan_fetch(wanted, have).fetch) ...
//
// Cutting follows FastCDC (Xia et al., 2016) with the table and the masks of this file's source; it
// gives the same chunks on every machine. docs/adr tells why. An index is not secret and not
// signed: the manifest names its digest.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "trust/digest.h"

namespace polder::trust {

inline constexpr std::uint32_t kMinChunkBytes = 16u << 10;  // but for a file's last
inline constexpr std::uint32_t kAverageChunkBytes = 64u << 10;
inline constexpr std::uint32_t kMaxChunkBytes = 256u << 10;
inline constexpr std::uint64_t kMaxChunkedFileBytes = std::uint64_t(16) << 30;
inline constexpr std::size_t kMaxChunks = kMaxChunkedFileBytes / kMinChunkBytes;
inline constexpr std::size_t kChunkIndexHeaderBytes = 24, kChunkEntryBytes = 36;
inline constexpr std::size_t kMaxChunkIndexBytes =
    kChunkIndexHeaderBytes + kMaxChunks * kChunkEntryBytes;

struct Chunk {
  std::uint64_t offset = 0;
  std::uint32_t size = 0;
  Sha256 digest{};

  // Errors: kCorrupt when `bytes` are not this chunk's.
  Status check(std::string_view bytes) const;
};

// The chunks of one file: they cover it from its first byte to its last, in order.
class ChunkIndex {
 public:
  // Cuts `file`, of at most kMaxChunkedFileBytes. `preferred` are ascending offsets where a new
  // part begins (the tensors of a plan); where the sizes allow it, a cut lies there, so that a
  // change of one part touches no chunk of its neighbours.
  static ChunkIndex of(std::string_view file, std::span<const std::uint64_t> preferred = {});

  // Chunks of the same size, but for the first, from kMinChunkBytes to kMaxChunkBytes, and the
  // last.
  static ChunkIndex even(std::string_view file, std::uint32_t first_bytes,
                         std::uint32_t chunk_bytes);

  // Little endian: "POLDCIDX", u32 format (1), u32 count, u64 bytes of the file; then for each
  // chunk u32 size and its SHA-256. Nothing after it. Errors: kCorrupt, kIncompatible for another
  // format, kExhausted above the caps; `where` names the file.
  static Result<ChunkIndex> parse(std::string_view bytes, std::string_view where);
  std::string bytes() const;

  std::uint64_t file_bytes() const { return file_bytes_; }
  std::span<const Chunk> chunks() const { return chunks_; }

 private:
  void add(std::string_view chunk);

  std::uint64_t file_bytes_ = 0;
  std::vector<Chunk> chunks_;
};

struct ByteRange {
  std::uint64_t offset = 0, size = 0;
  bool operator==(const ByteRange&) const = default;
};

// Where the chunks of a wanted file come from.
struct FetchPlan {
  struct Copy {
    std::size_t chunk = 0;   // of the wanted file
    std::size_t source = 0;  // which of the files at hand
    std::uint64_t source_offset = 0;
  };
  std::vector<Copy> copies;      // by chunk; check each against its digest: files at hand may rot
  std::vector<ByteRange> fetch;  // ascending, none touching another
  std::uint64_t copy_bytes = 0, fetch_bytes = 0;
};

// `have` are the indices of files at hand, the best first. Ranges with at most `max_gap_bytes`
// between them become one: a request costs more than some bytes that are there already. Together
// copies and ranges cover the wanted file, each byte once.
FetchPlan plan_fetch(const ChunkIndex& wanted, std::span<const ChunkIndex* const> have,
                     std::uint64_t max_gap_bytes = 0);

}  // namespace polder::trust
