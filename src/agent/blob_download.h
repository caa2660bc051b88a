// One blob on its way into the store: which pieces of it are there, and where the others come from.
// Internal to BlobStore.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/blob_store.h"
#include "trust/chunks.h"

namespace polder::agent {

// Errors: kCorrupt when the file has not these bytes or another digest; kIo.
Status check_stored(StoredFile& file, const BlobRef& blob, const Alive& alive = {});

// A blob of the store, with what it consists of.
struct ChunkSource {
  std::unique_ptr<StoredFile> file;
  trust::ChunkIndex index;
};

class BlobDownload final : private HttpSink {
 public:
  // With an index its pieces are the chunks; without (nullptr) they are blocks that nothing checks
  // but the digest of the whole. All are borrowed.
  BlobDownload(Storage& storage, const BlobRef& blob, const trust::ChunkIndex* index,
               const FetchProgress& progress, FetchCounts& counts);

  Status run(std::span<const ChunkSource> sources, BlobFetcher& fetcher);
  // Whether run() failed because its bytes do not come to the blob, rather than on the way.
  bool is_wrong() const { return is_wrong_; }

 private:
  enum class From : std::uint8_t { kHere, kSource, kRepository };
  struct Copy {
    std::size_t source = 0;
    std::uint64_t offset = 0;
  };

  Status open_partial();
  Status find_pieces(std::uint64_t size);
  void plan_copies(std::span<const ChunkSource> sources);
  Status fill(std::span<const ChunkSource> sources, BlobFetcher& fetcher);
  Status copy(std::size_t piece, const ChunkSource& source, std::uint64_t offset);
  Status fetch_from(std::size_t piece, BlobFetcher& fetcher);
  Status request(std::size_t piece, BlobFetcher& fetcher);
  Status keep(std::size_t piece, std::string_view bytes);
  Status finish();
  Status sync();
  Status report();

  Status begin(const HttpReply& reply) override;
  Status write(std::string_view bytes) override;

  std::size_t count() const { return from_.size(); }
  std::uint64_t offset_of(std::size_t piece) const;
  std::uint64_t size_of(std::size_t piece) const;
  Status check(std::size_t piece, std::string_view bytes) const;

  Storage& storage_;
  const BlobRef& blob_;
  const trust::ChunkIndex* index_;
  const FetchProgress& progress_;
  FetchCounts& counts_;
  const std::string partial_;
  std::unique_ptr<StoredFile> file_;

  std::vector<From> from_;    // by piece
  std::vector<Copy> copies_;  // by piece, when there are any
  std::uint64_t here_bytes_ = 0, unsynced_bytes_ = 0;

  // The answer of the repository: the piece that it is at and what has come of that.
  std::size_t at_ = 0;
  std::string buffer_;
  bool is_bad_piece_ = false;  // what came was refused
  bool is_ours_ = false;       // the error is the disk's or the caller's
  bool is_wrong_ = false;
};

}  // namespace polder::agent
