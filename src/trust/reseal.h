// Chunks of sealed files (trust/sealed_file.h, trust/chunks.h), and a new version of a sealed file
// made of an old one.
//
//   sealed_chunks(bytes)          over the sealed file itself, for everybody
//   seal_index(key, inside)       over the file inside, for those alone who can open it
//
// Each version has a content key of its own, so that no two have a segment in common. But who can
// open both has most of the new plaintext in the old file, wherever it lies there, and makes the
// segments of it, byte for byte, that whoever sealed it made:
//
//   TRY_VALUE(const ChunkIndex inside, open_index(new_key, bytes));
//   TRY_VALUE(Resealer resealer, Resealer::create(new_key, inside, std::move(old)));
//   if (resealer.has(i)) TRY(resealer.make(i, chunk));   // to be held against sealed_chunks()
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "platform/private_memory.h"
#include "platform/random_access.h"
#include "trust/chunks.h"
#include "trust/sealed_file.h"

namespace polder::trust {

// One chunk for each segment, the header with the first. So each is checked as it comes, or is
// made.
ChunkIndex sealed_chunks(std::string_view sealed);

std::string sealed_index_path(const std::string& sealed_path);  // PATH.chunks

// The index, itself a sealed file, under a key that the content key gives (HKDF): once for each
// content key. Its size tells the number of chunks.
Result<std::string> seal_index(const ContentKey& key, const ChunkIndex& inside);
// Errors: kDenied for the index of another file; as SealedFile and ChunkIndex::parse().
Result<ChunkIndex> open_index(const ContentKey& key, std::string sealed);

// Memory beside the indices: two segments of plaintext, in PrivateMemory. Not thread-safe.
class Resealer {
 public:
  // A sealed file at hand, with the index over what is inside.
  struct Source {
    std::unique_ptr<ReadableFile> file;  // what `sealed` borrows
    SealedFile sealed;
    ChunkIndex inside;
  };
  // Errors: kCorrupt when an index is of a file of another size; kExhausted.
  static Result<Resealer> create(const ContentKey& key, ChunkIndex inside,
                                 std::vector<Source> sources);

  const SealedHeader& header() const { return sealer_.header(); }
  // Whether all of a segment's plaintext is at hand.
  bool has(std::uint64_t segment) const;
  // Of a chunk of sealed_chunks().
  std::size_t chunk_bytes(std::uint64_t segment) const;
  // Fills such a chunk. It is right if the indices are, and goes nowhere if it is not: a segment of
  // other plaintext under the same nonce would give both away. Errors: those of
  // SealedFile::read_segment().
  Status make(std::uint64_t segment, std::span<char> chunk);

 private:
  struct Place {
    std::size_t source = 0;
    std::uint64_t offset = 0;
  };
  Resealer(SegmentSealer sealer, ChunkIndex inside, std::vector<Source> sources,
           PrivateMemory memory);
  std::size_t chunk_at(std::uint64_t offset) const;
  Status read(Place from, std::span<char> out);

  SegmentSealer sealer_;
  ChunkIndex inside_;
  std::vector<Source> sources_;
  std::vector<std::optional<Place>> places_;  // by chunk of inside_
  PrivateMemory memory_;                      // a segment that is made, then one that is read
  std::optional<Place> read_;                 // which one: its source and number
};

}  // namespace polder::trust
