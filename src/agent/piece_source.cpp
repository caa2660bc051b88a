#include "agent/piece_source.h"

#include <optional>

#include "base/fail.h"
#include "platform/random_access.h"
#include "trust/reseal.h"

namespace polder::agent {

namespace {

using trust::ChunkIndex;
using trust::Resealer;

// Chunks of other blobs.
class StoredChunks final : public PieceSource {
 public:
  struct Source {
    std::unique_ptr<StoredFile> file;
    ChunkIndex index;
  };

  StoredChunks(const ChunkIndex& wanted, std::vector<Source> sources)
      : sources_(std::move(sources)), places_(wanted.chunks().size()) {
    std::vector<const ChunkIndex*> have;
    for (const Source& source : sources_) have.push_back(&source.index);
    for (const auto& copy : trust::plan_fetch(wanted, have).copies)
      places_[copy.chunk] = {sources_[copy.source].file.get(), copy.source_offset};
  }
  bool has(std::size_t piece) const override { return places_[piece].file != nullptr; }
  Status read(std::size_t piece, std::span<char> out) override {
    const Place& place = places_[piece];
    TRY_VALUE(const std::size_t got, place.file->read(place.offset, out));
    if (got == out.size()) return {};
    return fail(Code::kCorrupt, "a blob at hand ends at {}", place.offset + got);
  }

 private:
  struct Place {
    StoredFile* file = nullptr;
    std::uint64_t offset = 0;
  };
  std::vector<Source> sources_;
  std::vector<Place> places_;  // by piece
};

// Segments that are sealed here.
class SealedSegments final : public PieceSource {
 public:
  explicit SealedSegments(Resealer resealer) : resealer_(std::move(resealer)) {}
  bool has(std::size_t piece) const override { return resealer_.has(piece); }
  Status read(std::size_t piece, std::span<char> out) override {
    if (out.size() == resealer_.chunk_bytes(piece)) return resealer_.make(piece, out);
    return fail(Code::kCorrupt, "chunk {} is no segment", piece);
  }

 private:
  Resealer resealer_;
};

// A sealed blob as what opens it reads it.
class StoredReadable final : public ReadableFile {
 public:
  StoredReadable(std::unique_ptr<StoredFile> file, std::string name, std::uint64_t size)
      : file_(std::move(file)), name_(std::move(name)), size_(size) {}
  const std::string& path() const override { return name_; }
  std::uint64_t size() const override { return size_; }
  Status read(std::uint64_t offset, std::span<char> into) const override {
    TRY_VALUE(const std::size_t got, file_->read(offset, into));
    if (got == into.size()) return {};
    return fail(Code::kCorrupt, "{}: ends at {}", name_, offset + got);
  }

 private:
  const std::unique_ptr<StoredFile> file_;
  const std::string name_;
  const std::uint64_t size_;
};

bool is_usable(std::uint64_t index_bytes) { return index_bytes <= kMaxIndexBytes; }

Result<ChunkIndex> read_inside(Storage& storage, const BlobRef& blob,
                               const trust::ContentKey& key) {
  TRY_VALUE(std::string bytes, read_stored(storage, BlobStore::name(blob.inside->index),
                                           std::size_t(blob.inside->index_bytes)));
  return trust::open_index(key, std::move(bytes));
}

Result<Resealer::Source> open_sealed(Storage& storage, const BlobRef& blob,
                                     const ContentKeys& keys) {
  const std::string name = BlobStore::name(blob.sha256);
  TRY_VALUE(auto file, storage.open(name));
  TRY_VALUE(const std::uint64_t size, file->size());
  auto readable = std::make_unique<StoredReadable>(std::move(file), name, size);
  TRY_VALUE(const trust::ContentKey key, keys(blob.inside->file_id));
  TRY_VALUE(ChunkIndex inside, read_inside(storage, blob, key));
  TRY_VALUE(trust::SealedFile sealed, trust::SealedFile::open(*readable, key));
  return Resealer::Source{std::move(readable), std::move(sealed), std::move(inside)};
}

Result<Resealer> open_resealer(Storage& storage, const BlobRef& blob,
                               std::span<const BlobRef> at_hand, const ContentKeys& keys) {
  std::vector<Resealer::Source> sources;
  std::uint64_t index_bytes = 0;
  for (const BlobRef& other : at_hand) {
    if (!other.inside || !is_usable(index_bytes + other.inside->index_bytes)) continue;
    auto source = open_sealed(storage, other, keys);
    if (!source.ok()) continue;
    index_bytes += other.inside->index_bytes;
    sources.push_back(std::move(*source));
  }
  if (sources.empty()) return fail(Code::kNotFound, "nothing at hand can be opened");
  TRY_VALUE(const trust::ContentKey key, keys(blob.inside->file_id));
  TRY_VALUE(ChunkIndex inside, read_inside(storage, blob, key));
  return Resealer::create(key, std::move(inside), std::move(sources));
}

}  // namespace

std::vector<BlobRef> indices_of(const BlobRef& blob) {
  std::vector<BlobRef> all;
  if (blob.index && is_usable(blob.index_bytes)) all.push_back({*blob.index, blob.index_bytes, {}});
  if (blob.inside && is_usable(blob.inside->index_bytes))
    all.push_back({blob.inside->index, blob.inside->index_bytes, {}});
  return all;
}

Result<ChunkIndex> read_index(Storage& storage, const BlobRef& blob) {
  if (!blob.index || !is_usable(blob.index_bytes))
    return fail(Code::kNotFound, "{}: has no index that can be used", trust::hex(blob.sha256));
  const std::string name = BlobStore::name(*blob.index);
  TRY_VALUE(const std::string bytes, read_stored(storage, name, std::size_t(blob.index_bytes)));
  TRY_VALUE(ChunkIndex index, ChunkIndex::parse(bytes, name));
  if (index.file_bytes() == blob.bytes) return index;
  return fail(Code::kCorrupt, "{}: of a file of {} bytes, the blob has {}", name,
              index.file_bytes(), blob.bytes);
}

std::unique_ptr<PieceSource> open_pieces(Storage& storage, const BlobRef& blob,
                                         const ChunkIndex& index, std::span<const BlobRef> at_hand,
                                         const ContentKeys& keys) {
  if (blob.inside) {
    if (!keys || !is_usable(blob.inside->index_bytes)) return nullptr;
    auto resealer = open_resealer(storage, blob, at_hand, keys);
    return resealer.ok() ? std::make_unique<SealedSegments>(std::move(*resealer)) : nullptr;
  }
  std::vector<StoredChunks::Source> sources;
  std::uint64_t index_bytes = 0;
  for (const BlobRef& other : at_hand) {
    if (!is_usable(index_bytes + other.index_bytes)) continue;
    auto file = storage.open(BlobStore::name(other.sha256));
    auto chunks = read_index(storage, other);
    if (!file.ok() || !chunks.ok()) continue;
    index_bytes += other.index_bytes;
    sources.push_back({std::move(*file), std::move(*chunks)});
  }
  return std::make_unique<StoredChunks>(index, std::move(sources));
}

}  // namespace polder::agent
