// Files on their way into the hub, piece by piece, each under its SHA-256. What was cut off goes on
// where it ended; what is whole and wrong is forgotten; what nobody asks for any more goes away.
//
//   TRY_VALUE(const Uploaded so_far, uploads.add(digest, {.from = 0, .total = 1'000}, bytes));
//   if (so_far.is_whole) ... uploads.path(digest) ...
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>

#include "platform/storage.h"

namespace polder::hub {

inline constexpr std::int64_t kMaxUploadBytes = std::int64_t(16) << 30;     // one file
inline constexpr std::size_t kMaxUploads = 20'000;                          // files at once
inline constexpr std::uint64_t kLeastFreeBytes = std::uint64_t(256) << 20;  // that stay on the disk
inline constexpr std::int64_t kUploadDays = 7;                              // after its last piece

struct Uploaded {
  std::int64_t received = 0;
  bool is_whole = false;
};
struct Piece {
  std::int64_t from = 0, total = 0;  // its place in the file, and that file's size
};

// Thread-safe; one piece of a file at a time.
class Uploads {
 public:
  // The folder is made where it is not. Errors: those of DiskStorage.
  static Result<std::unique_ptr<Uploads>> open(const std::string& folder);

  // What has come of a file. Errors: kNotFound; kIo.
  Result<Uploaded> find(const std::string& digest);
  // A piece that has come already is not taken twice. Errors: kInvalid for one that does not begin
  // where the last ended, or leads beyond the end, for a file of another digest, and for one that
  // is too large; kIncompatible where too many have come; kExhausted where the disk is too full;
  // kUnavailable while another sends the same file; kIo.
  Result<Uploaded> add(const std::string& digest, const Piece& piece, std::string_view bytes);
  // Of a whole one.
  std::string path(const std::string& digest) const;
  // Files whose last piece came before that time.
  Status forget_before(std::int64_t time_s);

 private:
  explicit Uploads(std::unique_ptr<DiskStorage> storage) : storage_(std::move(storage)) {}
  Result<Uploaded> finish(const std::string& digest, std::int64_t total);
  Status check_room(std::uint64_t bytes);
  Result<std::unique_ptr<StoredFile>> open_part(const std::string& digest, std::int64_t total);

  const std::unique_ptr<DiskStorage> storage_;
  std::mutex mutex_;            // of `busy_`
  std::set<std::string> busy_;  // digests
};

}  // namespace polder::hub
