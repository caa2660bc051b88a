#include "trust/chunks.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/check.h"
#include "base/fail.h"

namespace polder::trust {

namespace {

constexpr std::string_view kMagic = "POLDCIDX";
constexpr std::uint32_t kFormat = 1;

// The gear table is the first 256 numbers of SplitMix64 (Steele, Lea, Flood, 2014) from seed 0:
// part of the format, for ever. Anyone can make it again.
constexpr std::array<std::uint64_t, 256> make_gear() {
  std::array<std::uint64_t, 256> gear{};
  std::uint64_t state = 0;
  for (std::uint64_t& entry : gear) {
    std::uint64_t z = (state += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    entry = z ^ (z >> 31);
  }
  return gear;
}
constexpr std::array<std::uint64_t, 256> kGear = make_gear();

// A cut needs these bits of the hash to be zero: 18 before the average size, 14 behind it, so that
// sizes gather around it. The topmost bits, which depend on the last 47 bytes and more.
constexpr std::uint64_t kHardMask = ~std::uint64_t(0) << (64 - 18);
constexpr std::uint64_t kEasyMask = ~std::uint64_t(0) << (64 - 14);

// How many bytes of `data` the content alone would make the first chunk, from `begin` and at most
// `end` on; both at most data.size().
std::size_t content_cut(std::string_view data, std::size_t begin, std::size_t end) {
  std::uint64_t hash = 0;
  std::size_t i = begin;
  const auto scan = [&](std::size_t to, std::uint64_t mask) {
    for (; i < to; ++i) {
      hash = (hash << 1) + kGear[static_cast<unsigned char>(data[i])];
      if ((hash & mask) == 0) return true;
    }
    return false;
  };
  const std::size_t middle = std::clamp(std::size_t(kAverageChunkBytes), begin, end);
  if (scan(middle, kHardMask) || scan(end, kEasyMask)) return i + 1;
  return end;
}

// The size of the chunk at the start of `data`. `next` is the distance to the next preferred cut at
// which the chunk is not too small.
std::size_t chunk_size(std::string_view data, std::uint64_t next) {
  if (data.size() <= kMinChunkBytes) return data.size();
  const std::size_t most = std::min(data.size(), std::size_t(kMaxChunkBytes));
  if (next > most) return content_cut(data, kMinChunkBytes, most);
  // What the content cuts off before a preferred cut must leave enough for a chunk up to it.
  const std::size_t last = std::size_t(next) - kMinChunkBytes;
  if (last <= kMinChunkBytes) return std::size_t(next);
  const std::size_t cut = content_cut(data, kMinChunkBytes, last);
  return cut < last ? cut : std::size_t(next);
}

template <class T>
void put(std::string& out, T number) {
  for (std::size_t i = 0; i < sizeof(T); ++i) out += char(number >> (8 * i) & 0xff);
}

template <class T>
T get(std::string_view bytes) {
  T number = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    number |= T(T(static_cast<unsigned char>(bytes[i])) << (8 * i));
  }
  return number;
}

// A chunk at hand, to be found by its digest.
struct Known {
  const Chunk* chunk;
  std::size_t source;
};

bool digest_below(const Known& a, const Known& b) { return a.chunk->digest < b.chunk->digest; }

std::vector<Known> known_chunks(std::span<const ChunkIndex* const> have) {
  std::vector<Known> known;
  for (std::size_t source = 0; source < have.size(); ++source) {
    for (const Chunk& chunk : have[source]->chunks()) known.push_back({&chunk, source});
  }
  // Stable: of equal chunks the first of the best file is found.
  std::stable_sort(known.begin(), known.end(), digest_below);
  return known;
}

const Known* find(const std::vector<Known>& known, const Chunk& wanted) {
  const auto found = std::lower_bound(known.begin(), known.end(), Known{&wanted, 0}, digest_below);
  if (found == known.end() || found->chunk->digest != wanted.digest) return nullptr;
  return found->chunk->size == wanted.size ? &*found : nullptr;
}

}  // namespace

Status Chunk::check(std::string_view bytes) const {
  if (bytes.size() == size && sha256(bytes) == digest) return {};
  return fail(Code::kCorrupt, "the {} bytes at {} are not what the chunk index says", bytes.size(),
              offset);
}

ChunkIndex ChunkIndex::of(std::string_view file, std::span<const std::uint64_t> preferred) {
  POLDER_CHECK(file.size() <= kMaxChunkedFileBytes);
  POLDER_CHECK(std::is_sorted(preferred.begin(), preferred.end()));
  ChunkIndex index;
  while (index.file_bytes_ < file.size()) {
    const std::uint64_t offset = index.file_bytes_;
    const auto next = std::lower_bound(preferred.begin(), preferred.end(), offset + kMinChunkBytes);
    const std::uint64_t distance = next == preferred.end() ? UINT64_MAX : *next - offset;
    const std::size_t size = chunk_size(file.substr(std::size_t(offset)), distance);
    index.add(file.substr(std::size_t(offset), size));
  }
  return index;
}

ChunkIndex ChunkIndex::even(std::string_view file, std::uint32_t first_bytes,
                            std::uint32_t chunk_bytes) {
  POLDER_CHECK(file.size() <= kMaxChunkedFileBytes);
  for (const std::uint32_t size : {first_bytes, chunk_bytes})
    POLDER_CHECK(size >= kMinChunkBytes && size <= kMaxChunkBytes);
  ChunkIndex index;
  for (std::uint32_t size = first_bytes; index.file_bytes_ < file.size(); size = chunk_bytes)
    index.add(file.substr(std::size_t(index.file_bytes_), size));
  return index;
}

void ChunkIndex::add(std::string_view chunk) {
  chunks_.push_back({file_bytes_, std::uint32_t(chunk.size()), sha256(chunk)});
  file_bytes_ += chunk.size();
}

Result<ChunkIndex> ChunkIndex::parse(std::string_view bytes, std::string_view where) {
  if (bytes.size() < kChunkIndexHeaderBytes || !bytes.starts_with(kMagic)) {
    return fail(Code::kCorrupt, "{}: no chunk index: it does not begin with POLDCIDX", where);
  }
  const auto format = get<std::uint32_t>(bytes.substr(8));
  if (format != kFormat) {
    return fail(Code::kIncompatible, "{}: chunk index of format {}; this build reads format {}",
                where, format, kFormat);
  }
  const auto count = get<std::uint32_t>(bytes.substr(12));
  const auto file_bytes = get<std::uint64_t>(bytes.substr(16));
  if (count > kMaxChunks || file_bytes > kMaxChunkedFileBytes) {
    return fail(Code::kExhausted, "{}: {} chunks of a file of {} bytes; at most {} of {}", where,
                count, file_bytes, kMaxChunks, kMaxChunkedFileBytes);
  }
  if (bytes.size() != kChunkIndexHeaderBytes + std::size_t(count) * kChunkEntryBytes) {
    return fail(Code::kCorrupt, "{}: {} bytes expected for {} chunks, {} found", where,
                kChunkIndexHeaderBytes + std::size_t(count) * kChunkEntryBytes, count,
                bytes.size());
  }
  ChunkIndex index;
  index.file_bytes_ = file_bytes;
  index.chunks_.reserve(count);
  std::uint64_t offset = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::string_view entry =
        bytes.substr(kChunkIndexHeaderBytes + i * kChunkEntryBytes, kChunkEntryBytes);
    Chunk chunk{offset, get<std::uint32_t>(entry), {}};
    std::memcpy(chunk.digest.data(), entry.data() + 4, chunk.digest.size());
    const std::uint32_t least = i + 1 == count ? 1 : kMinChunkBytes;
    if (chunk.size < least || chunk.size > kMaxChunkBytes) {
      return fail(Code::kCorrupt, "{}: chunk {} of {} has {} bytes; from {} to {} expected", where,
                  i, count, chunk.size, least, kMaxChunkBytes);
    }
    offset += chunk.size;
    index.chunks_.push_back(chunk);
  }
  if (offset != file_bytes) {
    return fail(Code::kCorrupt, "{}: its chunks have {} bytes, the file has {}", where, offset,
                file_bytes);
  }
  return index;
}

std::string ChunkIndex::bytes() const {
  std::string out(kMagic);
  out.reserve(kChunkIndexHeaderBytes + chunks_.size() * kChunkEntryBytes);
  put(out, kFormat);
  put(out, std::uint32_t(chunks_.size()));
  put(out, file_bytes_);
  for (const Chunk& chunk : chunks_) {
    put(out, chunk.size);
    out.append(reinterpret_cast<const char*>(chunk.digest.data()), chunk.digest.size());
  }
  return out;
}

FetchPlan plan_fetch(const ChunkIndex& wanted, std::span<const ChunkIndex* const> have,
                     std::uint64_t max_gap_bytes) {
  const std::vector<Known> known = known_chunks(have);
  FetchPlan plan;
  const std::span<const Chunk> chunks = wanted.chunks();
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    const Chunk& chunk = chunks[i];
    if (const Known* found = find(known, chunk)) {
      plan.copies.push_back({i, found->source, found->chunk->offset});
      continue;
    }
    const std::uint64_t end =
        plan.fetch.empty() ? 0 : plan.fetch.back().offset + plan.fetch.back().size;
    if (plan.fetch.empty() || chunk.offset - end > max_gap_bytes) {
      plan.fetch.push_back({chunk.offset, chunk.size});
      continue;
    }
    // Joined with the range before; what lay between is fetched as well.
    plan.fetch.back().size = chunk.offset + chunk.size - plan.fetch.back().offset;
    while (!plan.copies.empty() && chunks[plan.copies.back().chunk].offset >= end) {
      plan.copies.pop_back();
    }
  }
  for (const ByteRange& range : plan.fetch) plan.fetch_bytes += range.size;
  plan.copy_bytes = wanted.file_bytes() - plan.fetch_bytes;
  return plan;
}

}  // namespace polder::trust
