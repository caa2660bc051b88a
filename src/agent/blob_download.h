// One blob on its way into the store: which pieces of it are there, and where the others come from.
// Internal to BlobStore.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/blob_store.h"
#include "agent/piece_source.h"
#include "trust/chunks.h"

namespace polder::agent {

// Errors: kCorrupt when the file has not these bytes or another digest; kIo.
Status check_stored(StoredFile& file, const BlobRef& blob, const Alive& alive = {});
// The same of what is read as StoredFile::read() does.
using ReadBytes = std::function<Result<std::size_t>(std::uint64_t offset, std::span<char> out)>;
Status check_bytes(std::uint64_t size, const ReadBytes& read, const BlobRef& blob,
                   const Alive& alive);

class BlobDownload final : private HttpSink {
 public:
  // With an index its pieces are the chunks; without (nullptr) they are blocks that nothing checks
  // but the digest of the whole. All are borrowed.
  BlobDownload(Storage& storage, const BlobRef& blob, const trust::ChunkIndex* index,
               const FetchProgress& progress, FetchCounts& counts);

  // Without a source (nullptr) all that is missing is fetched.
  Status run(PieceSource* source, BlobFetcher& fetcher);
  // Whether run() failed because its bytes do not come to the blob, rather than on the way.
  bool is_wrong() const { return is_wrong_; }

 private:
  enum class From : std::uint8_t { kHere, kSource, kRepository };

  Status open_partial();
  Status find_pieces(std::uint64_t size);
  Status fill(PieceSource* source, BlobFetcher& fetcher);
  Status take_from(PieceSource& source, std::size_t piece);
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

  std::vector<From> from_;  // by piece
  std::uint64_t here_bytes_ = 0, unsynced_bytes_ = 0;

  // The answer of the repository: the piece that it is at and what has come of that.
  std::size_t at_ = 0;
  std::string buffer_;
  bool is_named_ = false;      // the partial file's name outlasts a power cut
  bool is_bad_piece_ = false;  // what came was refused
  bool is_ours_ = false;       // the error is the disk's or the caller's
  bool is_wrong_ = false;
};

}  // namespace polder::agent
