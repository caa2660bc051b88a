#include "trust/reseal.h"

#include <algorithm>

#include "base/check.h"
#include "base/fail.h"
#include "trust/hkdf.h"

namespace polder::trust {

namespace {

constexpr std::string_view kIndexInfo = "polder sealed file 1: chunk index";

Result<ContentKey> index_key(const ContentKey& key) {
  TRY_VALUE(Secret bytes, hkdf("", key.bytes().view(), kIndexInfo, ContentKey::kBytes));
  return ContentKey::from_bytes(std::move(bytes));
}

}  // namespace

ChunkIndex sealed_chunks(std::string_view sealed) {
  return ChunkIndex::even(sealed, std::uint32_t(kSealedHeaderBytes + kSealedSegmentBytes),
                          std::uint32_t(kSealedSegmentBytes));
}

std::string sealed_index_path(const std::string& sealed_path) { return sealed_path + ".chunks"; }

Result<std::string> seal_index(const ContentKey& key, const ChunkIndex& inside) {
  TRY_VALUE(const ContentKey own, index_key(key));
  const std::string plain = inside.bytes();
  TRY_VALUE(SegmentSealer sealer, SegmentSealer::create(own, plain.size()));
  const SealedHeader& header = sealer.header();
  std::string sealed = header.bytes();
  sealed.resize(std::size_t(header.file_bytes()));
  for (std::uint64_t i = 0; i < header.segments(); ++i) {
    const std::size_t size = header.segment_bytes(i);
    const std::size_t place = kSealedHeaderBytes + std::size_t(i) * kSealedSegmentBytes;
    TRY(sealer.seal(i, std::string_view(plain).substr(std::size_t(i) * kSegmentBytes, size),
                    std::span(sealed).subspan(place, size + kGcmTagBytes)));
  }
  return sealed;
}

Result<ChunkIndex> open_index(const ContentKey& key, std::string sealed) {
  TRY_VALUE(const ContentKey own, index_key(key));
  const MemoryAppendFile file(std::move(sealed));
  TRY_VALUE(SealedFile opened, SealedFile::open(file, own));
  TRY_VALUE(const PrivateMemory plain, opened.open_all(kMaxChunkIndexBytes));
  const std::span<const std::byte> bytes = plain.bytes();
  return ChunkIndex::parse({reinterpret_cast<const char*>(bytes.data()), bytes.size()},
                           "the sealed chunk index");
}

Result<Resealer> Resealer::create(const ContentKey& key, ChunkIndex inside,
                                  std::vector<Source> sources) {
  for (const Source& source : sources) {
    if (source.inside.file_bytes() == source.sealed.header().plaintext_bytes) continue;
    return fail(Code::kCorrupt, "{}: its chunk index is of {} bytes, {} are sealed",
                source.file->path(), source.inside.file_bytes(),
                source.sealed.header().plaintext_bytes);
  }
  TRY_VALUE(SegmentSealer sealer, SegmentSealer::create(key, inside.file_bytes()));
  TRY_VALUE(PrivateMemory memory, PrivateMemory::allocate(2 * kSegmentBytes));
  return Resealer(std::move(sealer), std::move(inside), std::move(sources), std::move(memory));
}

Resealer::Resealer(SegmentSealer sealer, ChunkIndex inside, std::vector<Source> sources,
                   PrivateMemory memory)
    : sealer_(std::move(sealer)),
      inside_(std::move(inside)),
      sources_(std::move(sources)),
      places_(inside_.chunks().size()),
      memory_(std::move(memory)) {
  std::vector<const ChunkIndex*> have;
  for (const Source& source : sources_) have.push_back(&source.inside);
  for (const FetchPlan::Copy& copy : plan_fetch(inside_, have).copies)
    places_[copy.chunk] = {copy.source, copy.source_offset};
}

// The chunk that holds the byte there.
std::size_t Resealer::chunk_at(std::uint64_t offset) const {
  const std::span<const Chunk> chunks = inside_.chunks();
  const auto behind = std::upper_bound(
      chunks.begin(), chunks.end(), offset,
      [](std::uint64_t wanted, const Chunk& chunk) { return wanted < chunk.offset; });
  return std::size_t(behind - chunks.begin()) - 1;
}

bool Resealer::has(std::uint64_t segment) const {
  if (segment >= header().segments() || inside_.chunks().empty()) return false;
  const std::uint64_t start = segment * kSegmentBytes;
  const std::size_t last = chunk_at(start + header().segment_bytes(segment) - 1);
  for (std::size_t i = chunk_at(start); i <= last; ++i)
    if (!places_[i]) return false;
  return true;
}

std::size_t Resealer::chunk_bytes(std::uint64_t segment) const {
  return (segment == 0 ? kSealedHeaderBytes : 0) + header().segment_bytes(segment) + kGcmTagBytes;
}

Status Resealer::make(std::uint64_t segment, std::span<char> chunk) {
  POLDER_CHECK(has(segment) && chunk.size() == chunk_bytes(segment));
  const std::size_t size = header().segment_bytes(segment);
  if (segment == 0) {
    const std::string head = header().bytes();
    std::copy(head.begin(), head.end(), chunk.begin());
    chunk = chunk.subspan(head.size());
  }
  const std::span<char> plain = memory_.writable().first(size);
  for (std::size_t done = 0; done < size;) {
    const std::uint64_t offset = segment * kSegmentBytes + done;
    const std::size_t i = chunk_at(offset);
    const std::uint64_t within = offset - inside_.chunks()[i].offset;
    const std::size_t part =
        std::size_t(std::min<std::uint64_t>(inside_.chunks()[i].size - within, size - done));
    TRY(read({places_[i]->source, places_[i]->offset + within}, plain.subspan(done, part)));
    done += part;
  }
  return sealer_.seal(segment, {plain.data(), plain.size()}, chunk);
}

// Of the plaintext of a source.
Status Resealer::read(Place from, std::span<char> out) {
  SealedFile& sealed = sources_[from.source].sealed;
  while (!out.empty()) {
    const std::uint64_t segment = from.offset / kSegmentBytes;
    const std::size_t within = std::size_t(from.offset % kSegmentBytes);
    const std::span<char> plain =
        memory_.writable().subspan(kSegmentBytes, sealed.header().segment_bytes(segment));
    if (!read_ || read_->source != from.source || read_->offset != segment) {
      read_.reset();
      TRY(sealed.read_segment(segment, plain));
      read_ = {from.source, segment};
    }
    const std::size_t part = std::min(out.size(), plain.size() - within);
    std::copy_n(plain.begin() + std::ptrdiff_t(within), part, out.begin());
    out = out.subspan(part);
    from.offset += part;
  }
  return {};
}

}  // namespace polder::trust
