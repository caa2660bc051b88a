#include "hub/repository/uploads.h"

#include <algorithm>
#include <utility>

#include "base/fail.h"
#include "platform/file.h"
#include "trust/file_digest.h"

namespace polder::hub {
namespace {

// A whole file has its digest for a name; what is on its way, this behind it.
constexpr std::string_view kPart = ".part";

// The hub's disk is its own trouble, but for one that is full.
Error disk_error(Error error) {
  return Error{error.code == Code::kExhausted ? Code::kExhausted : Code::kIo,
               std::move(error.message)};
}

}  // namespace

Result<std::unique_ptr<Uploads>> Uploads::open(const std::string& folder) {
  TRY_VALUE(auto storage, DiskStorage::at(folder));
  return std::unique_ptr<Uploads>(new Uploads(std::move(storage)));
}

std::string Uploads::path(const std::string& digest) const { return storage_->path(digest); }

Result<Uploaded> Uploads::find(const std::string& digest) {
  for (const bool is_whole : {true, false}) {
    auto file = storage_->open(is_whole ? digest : digest + std::string(kPart));
    if (!file.ok() && file.error().code == Code::kNotFound) continue;
    if (!file.ok()) return disk_error(std::move(file).error());
    TRY_VALUE(const std::uint64_t size, (*file)->size());
    return Uploaded{static_cast<std::int64_t>(size), is_whole};
  }
  return fail(Code::kNotFound, "nothing of this file has come");
}

// What everything else here needs stays free.
Status Uploads::check_room(std::uint64_t bytes) {
  const auto left = storage_->free_bytes();
  if (!left.ok()) return disk_error(left.error());
  if (*left >= kLeastFreeBytes + bytes) return {};
  return fail(Code::kExhausted,
              "the hub's disk has no room for {} bytes: make some there, and push again", bytes);
}

Result<std::unique_ptr<StoredFile>> Uploads::open_part(const std::string& digest,
                                                       std::int64_t total) {
  const std::string name = digest + std::string(kPart);
  auto file = storage_->open(name);
  if (file.ok()) return file;
  if (file.error().code != Code::kNotFound) return disk_error(std::move(file).error());
  const auto names = storage_->list("", kMaxUploads);
  if (!names.ok()) {
    if (names.error().code == Code::kExhausted)
      return fail(Code::kIncompatible,
                  "{} files have come that no publication has taken: remove some on the hub's "
                  "machine, from 'uploads' in its folder; those of {} days ago go by themselves",
                  kMaxUploads, kUploadDays);
    return disk_error(names.error());
  }
  TRY(check_room(static_cast<std::uint64_t>(total)));
  file = storage_->create(name);
  if (!file.ok()) return disk_error(std::move(file).error());
  return file;
}

Result<Uploaded> Uploads::add(const std::string& digest, const Piece& piece,
                              std::string_view bytes) {
  if (piece.total > kMaxUploadBytes)
    return fail(Code::kInvalid, "{} bytes; a file has at most {}", piece.total, kMaxUploadBytes);
  const auto size = static_cast<std::int64_t>(bytes.size());
  if (piece.from + size > piece.total)
    return fail(Code::kInvalid, "{} bytes from {} lead beyond the end of a file of {}", size,
                piece.from, piece.total);
  {
    const std::lock_guard lock(mutex_);
    if (!busy_.insert(digest).second)
      return fail(Code::kUnavailable, "another request is sending this file; try again");
  }
  const auto write_piece = [&]() -> Result<Uploaded> {
    if (const auto there = find(digest); there.ok() && there->is_whole) return *there;
    TRY_VALUE(const auto file, open_part(digest, piece.total));
    auto received = file->size();
    if (!received.ok()) return disk_error(received.error());
    const auto before = static_cast<std::int64_t>(*received);
    if (piece.from > before)
      return fail(Code::kInvalid, "the file has {} bytes so far: go on from there, not from {}",
                  before, piece.from);
    const std::string_view fresh =
        bytes.substr(static_cast<std::size_t>(std::min(before - piece.from, size)));
    TRY(check_room(fresh.size()));
    if (Status done = file->write(*received, fresh); !done.ok())
      return disk_error(std::move(done).error());
    const std::int64_t now = before + static_cast<std::int64_t>(fresh.size());
    if (now < piece.total) return Uploaded{now, false};
    if (Status done = file->sync(); !done.ok()) return disk_error(std::move(done).error());
    return finish(digest, piece.total);
  };
  auto result = write_piece();
  const std::lock_guard lock(mutex_);
  busy_.erase(digest);
  return result;
}

// All of it has come.
Result<Uploaded> Uploads::finish(const std::string& digest, std::int64_t total) {
  const std::string part = digest + std::string(kPart);
  const auto found = trust::digest_file(storage_->path(part), kMaxUploadBytes);
  if (!found.ok()) return disk_error(found.error());
  if (trust::hex(found->sha256) != digest || found->bytes != static_cast<std::uint64_t>(total)) {
    if (Status done = storage_->remove(part); !done.ok())
      return disk_error(std::move(done).error());
    return fail(Code::kInvalid,
                "{} bytes with the SHA-256 {} have come, which is another: send the file again",
                found->bytes, trust::hex(found->sha256));
  }
  Status done = storage_->rename(part, digest);
  if (done.ok()) done = storage_->sync("");
  if (!done.ok()) return disk_error(std::move(done).error());
  return Uploaded{total, true};
}

Status Uploads::forget_before(std::int64_t time_s) {
  TRY_VALUE(const auto names, storage_->list("", 2 * kMaxUploads));
  for (const std::string& name : names) {
    const auto written_s = written_at(storage_->path(name));
    if (!written_s.ok() || *written_s >= time_s) continue;
    const std::string digest = name.substr(0, name.find('.'));
    {
      const std::lock_guard lock(mutex_);
      if (busy_.contains(digest)) continue;
    }
    TRY(storage_->remove(name));
  }
  return {};
}

}  // namespace polder::hub
