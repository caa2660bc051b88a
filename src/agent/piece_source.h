// Where pieces of a blob come from that need not be fetched: blobs of the store. Internal to
// BlobStore.
#pragma once

#include <polder/error.h>

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "agent/blob_store.h"
#include "trust/chunks.h"

namespace polder::agent {

class PieceSource {
 public:
  virtual ~PieceSource() = default;
  virtual bool has(std::size_t piece) const = 0;
  // Fills `out`, which takes the piece. What comes is not verified.
  virtual Status read(std::size_t piece, std::span<char> out) = 0;
};

// The blobs that are the indices of a blob: over itself and over the file inside, as far as they
// are small enough to be used.
std::vector<BlobRef> indices_of(const BlobRef& blob);

// Of the blob itself. Errors: kNotFound; kCorrupt when it is of another file.
Result<trust::ChunkIndex> read_index(Storage& storage, const BlobRef& blob);

// What of the blob, whose index it is, can be had from those at hand: its chunks, or of a sealed
// blob's chunks those that can be sealed here. nullptr when nothing can.
std::unique_ptr<PieceSource> open_pieces(Storage& storage, const BlobRef& blob,
                                         const trust::ChunkIndex& index,
                                         std::span<const BlobRef> at_hand, const ContentKeys& keys);

}  // namespace polder::agent
