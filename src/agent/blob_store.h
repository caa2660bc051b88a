// The blobs on the device, by their SHA-256: fetched piece by piece, checked, and only then there.
//
//   TRY_VALUE(BlobStore blobs, BlobStore::open(storage));
//   TRY(check_room(storage, blobs.missing_bytes(wanted).value(), kRoomMarginBytes));
//   for (const BlobRef& blob : wanted) TRY(blobs.fetch(blob, installed, fetcher, progress));
//
//   blobs/HEX           a blob: verified and on the disk before it got this name
//   blobs/partial/HEX   one that is not whole yet
//
// A blob with a chunk index (trust/chunks.h) is taken chunk by chunk: from what an interrupted
// fetch has left, from blobs that are there, the rest from the repository in ranges; each chunk is
// verified as it comes. When that does not come to the blob that is wanted, or without an index, it
// is taken as a whole, and goes on where it was interrupted. In either case the whole is hashed at
// the end, as it lies on the disk. Chunks of a sealed blob are segments, which are sealed here when
// their plaintext is in sealed blobs at hand that this device can open.
//
// Memory: one chunk (at most 256 KiB), and 48 bytes for each chunk of the blob and of those at
// hand, whose indices together are at most kMaxIndexBytes; for sealed blobs as much again, and two
// segments of plaintext in PrivateMemory.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/blob_fetcher.h"
#include "platform/storage.h"
#include "trust/digest.h"
#include "trust/manifest.h"
#include "trust/sealed_file.h"

namespace polder::agent {

// Indices above it are not used: of the blob that is wanted, or of all at hand together. Blobs of
// some 7 GB have such indices.
inline constexpr std::uint64_t kMaxIndexBytes = 4u << 20;
// Files in blobs/ and in blobs/partial/.
inline constexpr std::size_t kMaxStoredBlobs = 65'536;
// A power cut costs at most so much of what was fetched.
inline constexpr std::uint64_t kUnnamedBytes = 8u << 20;
// What an installation leaves free for everything else.
inline constexpr std::uint64_t kRoomMarginBytes = 16u << 20;

// A blob with its size and, if there is one, the blob that is its chunk index.
struct BlobRef {
  // Of a sealed file: what names its keys, and the blob that is the index over the file inside
  // (trust/reseal.h).
  struct Inside {
    trust::Sha256 file_id{}, index{};
    std::uint64_t index_bytes = 0;
    bool operator==(const Inside&) const = default;
  };

  trust::Sha256 sha256{};
  std::uint64_t bytes = 0;
  std::optional<trust::Sha256> index;
  std::uint64_t index_bytes = 0;
  std::optional<Inside> inside = {};
  bool operator==(const BlobRef&) const = default;
};

// What a device needs of a release: the chosen artifacts, the pipeline with its files, the goldens
// of these artifacts. No blob twice.
std::vector<BlobRef> needed_blobs(const trust::Manifest& manifest,
                                  std::span<const trust::Artifact* const> chosen);

// Errors: kExhausted when less than both are free, saying how much is missing.
Status check_room(Storage& storage, std::uint64_t needed_bytes, std::uint64_t margin_bytes);

// Where the bytes of a fetch came from.
struct FetchCounts {
  std::uint64_t resumed_bytes = 0;  // an earlier fetch had them
  std::uint64_t reused_bytes = 0;   // of blobs at hand
  std::uint64_t fetched_bytes = 0;  // came from the repository, of use or not
  std::uint64_t requests = 0;
};

// The content key of a sealed file, by its file id.
using ContentKeys = std::function<Result<trust::ContentKey>(const trust::Sha256& file_id)>;

// Called after each piece that is kept and after each request: an error ends the fetch.
using FetchProgress = std::function<Status(std::uint64_t done_bytes, std::uint64_t blob_bytes)>;

// Borrows the storage. One process at a time. Not thread-safe.
class BlobStore {
 public:
  static Result<BlobStore> open(Storage& storage);

  // Whether it is there, by name and size. What it holds was right once: verify() tells.
  Result<bool> has(const BlobRef& blob);
  // Fine when it is there; it outlasts a power cut after sync_names(). `at_hand` are blobs that may
  // share chunks with it; those that are not in the store, or whose index is not, are passed over.
  // Errors: kCorrupt when the repository has something else; kExhausted when the disk is full;
  // those of the fetcher and of `progress`. What has come stays for the next fetch, but for the
  // last chunk. Of a sealed blob's chunks `keys` makes those whose plaintext is in sealed blobs at
  // hand.
  Status fetch(const BlobRef& blob, std::span<const BlobRef> at_hand, BlobFetcher& fetcher,
               const FetchProgress& progress, FetchCounts* counts = nullptr,
               const ContentKeys& keys = {});
  // The names of all that was fetched outlast a power cut: folders are synced once for many blobs.
  // Until then it costs at most what kUnnamedBytes are in all.
  Status sync_names();
  // A small one, as a whole; it outlasts a power cut.
  Status put(std::string_view bytes);
  // Errors: kNotFound; kCorrupt; kExhausted above `cap_bytes`.
  Result<std::string> get(const trust::Sha256& blob, std::size_t cap_bytes);
  // Hashes it again. Errors: kCorrupt and, where the disk cannot read it, kIo, and the blob is
  // removed, so that it can be fetched again; kNotFound; those of `alive`.
  Status verify(const BlobRef& blob, const Alive& alive = {});

  // What is still to be stored, indices included.
  Result<std::uint64_t> missing_bytes(std::span<const BlobRef> wanted);
  // Removes every blob and every partial one that is not in `keep`; returns the bytes that were
  // freed. The caller keeps what the running release and the way back need.
  Result<std::uint64_t> collect(const std::set<trust::Sha256>& keep);

  // The name in the storage.
  static std::string name(const trust::Sha256& blob);
  Storage& storage() { return *storage_; }

 private:
  explicit BlobStore(Storage& storage) : storage_(&storage) {}
  Status fetch_pieces(const BlobRef& blob, std::span<const BlobRef> at_hand, BlobFetcher& fetcher,
                      const FetchProgress& progress, FetchCounts& count, const ContentKeys& keys);
  Result<std::uint64_t> collect_folder(const std::string& folder,
                                       const std::set<trust::Sha256>& keep);

  Storage* storage_;
  std::uint64_t unnamed_bytes_ = 0;  // of blobs whose names are not synced
};

}  // namespace polder::agent
