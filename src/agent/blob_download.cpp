#include "agent/blob_download.h"

#include <algorithm>

#include "base/check.h"
#include "base/fail.h"

namespace polder::agent {

namespace {

constexpr std::uint64_t kBlockBytes = 64u << 10;    // pieces without an index
constexpr std::size_t kHashBytes = 256u << 10;      // read at once
constexpr std::uint64_t kRequestBytes = 16u << 20;  // so that a request ends before its deadline
// A request that brought less and failed is not followed by another at once.
constexpr std::uint64_t kProgressBytes = 16u << 10;
constexpr int kMaxBadPieces = 4;

}  // namespace

Status check_stored(StoredFile& file, const BlobRef& blob, const Alive& alive) {
  TRY_VALUE(const std::uint64_t size, file.size());
  const auto read = [&](std::uint64_t offset, std::span<char> out) {
    return file.read(offset, out);
  };
  return check_bytes(size, read, blob, alive);
}

Status check_bytes(std::uint64_t size, const ReadBytes& read, const BlobRef& blob,
                   const Alive& alive) {
  const std::string name = trust::hex(blob.sha256);
  if (size != blob.bytes)
    return fail(Code::kCorrupt, "{}: {} bytes expected, {} found", name, blob.bytes, size);
  trust::Sha256Stream hash;
  std::string piece;
  for (std::uint64_t at = 0; at < size; at += piece.size()) {
    if (alive) TRY(alive());
    piece.resize(std::size_t(std::min<std::uint64_t>(kHashBytes, size - at)));
    TRY_VALUE(const std::size_t got, read(at, piece));
    if (got != piece.size()) return fail(Code::kCorrupt, "{}: ends at {}", name, at + got);
    hash.update(piece);
  }
  const trust::Sha256 found = hash.finish();
  if (found == blob.sha256) return {};
  return fail(Code::kCorrupt, "{}: its bytes have the digest {}", name, trust::hex(found));
}

BlobDownload::BlobDownload(Storage& storage, const BlobRef& blob, const trust::ChunkIndex* index,
                           const FetchProgress& progress, FetchCounts& counts)
    : storage_(storage),
      blob_(blob),
      index_(index),
      progress_(progress),
      counts_(counts),
      partial_("blobs/partial/" + trust::hex(blob.sha256)) {
  const std::size_t pieces =
      index ? index->chunks().size() : std::size_t((blob.bytes + kBlockBytes - 1) / kBlockBytes);
  from_.assign(pieces, From::kRepository);
}

std::uint64_t BlobDownload::offset_of(std::size_t piece) const {
  if (piece == count()) return blob_.bytes;
  return index_ ? index_->chunks()[piece].offset : piece * kBlockBytes;
}

std::uint64_t BlobDownload::size_of(std::size_t piece) const {
  return index_ ? index_->chunks()[piece].size
                : std::min(kBlockBytes, blob_.bytes - piece * kBlockBytes);
}

Status BlobDownload::check(std::size_t piece, std::string_view bytes) const {
  return index_ ? index_->chunks()[piece].check(bytes) : Status();
}

Status BlobDownload::run(PieceSource* source, BlobFetcher& fetcher) {
  TRY(open_partial());
  Status filled = fill(source, fetcher);
  if (filled.ok()) return finish();
  // What is whole so far outlasts a power cut, if it may; the first error is the one that tells.
  if (unsynced_bytes_ > 0) {
    [[maybe_unused]] const Status synced = sync();
  }
  return filled;
}

Status BlobDownload::open_partial() {
  auto opened = storage_.open(partial_);
  if (!opened.ok() && opened.error().code == Code::kNotFound) {
    TRY_VALUE(file_, storage_.create(partial_));
    return {};
  }
  if (!opened.ok()) return std::move(opened).error();
  file_ = std::move(*opened);
  TRY_VALUE(std::uint64_t size, file_->size());
  if (size > blob_.bytes) {
    TRY(file_->truncate(0));
    size = 0;
  }
  return find_pieces(size);
}

// Which pieces an earlier fetch has left.
Status BlobDownload::find_pieces(std::uint64_t size) {
  std::string bytes;
  for (std::size_t i = 0; i < count() && offset_of(i) + size_of(i) <= size; ++i) {
    if (index_) {
      bytes.resize(std::size_t(size_of(i)));
      TRY_VALUE(const std::size_t got, file_->read(offset_of(i), bytes));
      if (got != bytes.size() || !check(i, bytes).ok()) continue;
    }
    from_[i] = From::kHere;
    here_bytes_ += size_of(i);
  }
  counts_.resumed_bytes += here_bytes_;
  return {};
}

// In order, so that the size of the partial file tells how much there is.
Status BlobDownload::fill(PieceSource* source, BlobFetcher& fetcher) {
  for (std::size_t i = 0; source != nullptr && i < count(); ++i)
    if (from_[i] == From::kRepository && source->has(i)) from_[i] = From::kSource;
  for (std::size_t i = 0; i < count(); ++i) {
    if (from_[i] == From::kSource) TRY(take_from(*source, i));
    if (from_[i] == From::kRepository) TRY(fetch_from(i, fetcher));
  }
  return {};
}

Status BlobDownload::take_from(PieceSource& source, std::size_t piece) {
  std::string bytes(std::size_t(size_of(piece)), 0);
  if (!source.read(piece, bytes).ok() || !check(piece, bytes).ok()) {
    from_[piece] = From::kRepository;  // the blob at hand has suffered, or an index is wrong
    return {};
  }
  counts_.reused_bytes += bytes.size();
  TRY(keep(piece, bytes));
  return report();
}

// Until the piece is there. More of what is missing behind it may be by then.
Status BlobDownload::fetch_from(std::size_t piece, BlobFetcher& fetcher) {
  for (int bad = 0; from_[piece] != From::kHere;) {
    // What an answer has brought of this piece, and not of another, is kept for the next request.
    if (at_ != piece) buffer_.clear();
    at_ = piece;
    const std::uint64_t before = here_bytes_ + buffer_.size();
    const Status done = request(piece, fetcher);
    if (is_ours_) return fail(done.error().code, "{}", done.error().message);
    TRY(report());
    if (from_[piece] == From::kHere) break;
    if (is_bad_piece_) {
      is_wrong_ = ++bad == kMaxBadPieces;
      if (is_wrong_) return fail(Code::kCorrupt, "{}", done.error().message);
      continue;
    }
    const std::uint64_t now = here_bytes_ + (at_ == piece ? buffer_.size() : 0);
    const Code code = done.ok() ? Code::kUnavailable : done.error().code;
    const bool may_go_on = code == Code::kUnavailable || code == Code::kTimeout;
    if (may_go_on && now >= before + kProgressBytes) continue;
    if (!done.ok()) return fail(code, "{}", done.error().message);
    return fail(code, "{}: the repository's answer ended before the part that was asked for",
                trust::hex(blob_.sha256));
  }
  return {};
}

// One request: from what is there of the piece to the end of what is missing in a row.
Status BlobDownload::request(std::size_t piece, BlobFetcher& fetcher) {
  const std::uint64_t start = offset_of(piece);
  std::uint64_t end = start + size_of(piece);
  for (std::size_t i = piece + 1; i < count() && from_[i] == From::kRepository; ++i) {
    if (end - start + size_of(i) > kRequestBytes) break;
    end += size_of(i);
  }
  is_bad_piece_ = is_ours_ = false;
  ++counts_.requests;
  const std::uint64_t offset = start + buffer_.size();
  return fetcher.fetch(blob_.sha256, offset, end - offset, blob_.bytes, *this);
}

Status BlobDownload::begin(const HttpReply& reply) {
  const std::string name = blob_place(blob_.sha256);
  if (reply.total_bytes && *reply.total_bytes != blob_.bytes) {
    return fail(Code::kCorrupt, "{}: {} bytes expected, the repository has {}", name, blob_.bytes,
                *reply.total_bytes);
  }
  if (reply.offset == offset_of(at_) + buffer_.size()) return {};
  if (reply.offset != 0) {
    return fail(Code::kCorrupt, "{}: bytes from {} on were asked for, from {} on come", name,
                offset_of(at_) + buffer_.size(), reply.offset);
  }
  // The whole: what is there already passes by.
  at_ = 0;
  buffer_.clear();
  return {};
}

Status BlobDownload::write(std::string_view bytes) {
  counts_.fetched_bytes += bytes.size();
  while (!bytes.empty()) {
    if (at_ == count()) {
      return fail(Code::kCorrupt, "{}: {} bytes expected, more come", trust::hex(blob_.sha256),
                  blob_.bytes);
    }
    const std::uint64_t size = size_of(at_);
    const std::size_t part =
        std::size_t(std::min<std::uint64_t>(size - buffer_.size(), bytes.size()));
    buffer_.append(bytes.substr(0, part));
    bytes.remove_prefix(part);
    if (buffer_.size() < size) return {};
    if (from_[at_] != From::kHere) {
      if (Status checked = check(at_, buffer_); !checked.ok()) {
        is_bad_piece_ = true;
        buffer_.clear();
        return checked;
      }
      is_ours_ = true;
      TRY(keep(at_, buffer_));
      TRY(report());
      is_ours_ = false;
    }
    buffer_.clear();
    ++at_;
  }
  return {};
}

Status BlobDownload::keep(std::size_t piece, std::string_view bytes) {
  TRY(file_->write(offset_of(piece), bytes));
  from_[piece] = From::kHere;
  here_bytes_ += bytes.size();
  unsynced_bytes_ += bytes.size();
  return unsynced_bytes_ < kUnnamedBytes ? Status() : sync();
}

Status BlobDownload::report() { return progress_ ? progress_(here_bytes_, blob_.bytes) : Status(); }

Status BlobDownload::sync() {
  unsynced_bytes_ = 0;
  Status synced = file_->sync();
  // A blob that is whole by now has another name soon, which is synced with those of others.
  if (synced.ok() && !is_named_ && here_bytes_ < blob_.bytes) {
    TRY(storage_.sync(storage_folder(partial_)));
    is_named_ = true;
  }
  if (synced.ok()) return {};
  // Nobody knows what of it is on the disk; reading it again would only ask the memory.
  file_.reset();
  [[maybe_unused]] const Status removed = storage_.remove(partial_);
  return synced;
}

// Gives the blob its name, if it is that blob: its bytes are on the disk before.
Status BlobDownload::finish() {
  TRY(sync());
  Status checked = check_stored(*file_, blob_);
  file_.reset();
  if (checked.ok()) return storage_.rename(partial_, BlobStore::name(blob_.sha256));
  if (checked.error().code != Code::kCorrupt) return checked;
  is_wrong_ = true;
  TRY(storage_.remove(partial_));
  return checked;
}

}  // namespace polder::agent
