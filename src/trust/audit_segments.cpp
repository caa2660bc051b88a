#include "trust/audit_segments.h"

#include <algorithm>
#include <charconv>

#include "base/fail.h"
#include "base/text.h"

namespace polder::trust {

namespace {

constexpr std::string_view kFile = "log";
constexpr std::size_t kMaxFiles = 10'000;  // in the folder
// Room for the last entry of a segment and for the checkpoint at its end.
constexpr std::uint64_t kRoomBytes = kMaxEntryBytes + 4096;

// In the order of their numbers.
Result<std::vector<std::uint64_t>> numbers_in(Storage& storage, const std::string& folder) {
  TRY_VALUE(const auto names, storage.list(folder, kMaxFiles));
  std::vector<std::uint64_t> numbers;
  for (const std::string& name : names) {
    if (const auto number = segment_number(name)) numbers.push_back(*number);
  }
  std::ranges::sort(numbers);
  return numbers;
}

Result<std::uint64_t> stored_bytes(Storage& storage, const std::string& name) {
  auto file = storage.open(name);
  if (!file.ok() && file.error().code == Code::kNotFound) return std::uint64_t(0);
  if (!file.ok()) return std::move(file).error();
  return (*file)->size();
}

}  // namespace

std::string segment_file(std::uint64_t number) {
  return number == 1 ? std::string(kFile) : fmt::format("{}.{}", kFile, number);
}

std::optional<std::uint64_t> segment_number(std::string_view file) {
  std::uint64_t number = 1;
  if (file.starts_with("log.")) std::from_chars(file.data() + 4, file.data() + file.size(), number);
  return number > 0 && file == segment_file(number) ? std::optional(number) : std::nullopt;
}

std::string segment_origin(const std::string& origin, std::uint64_t number) {
  return number == 1 ? origin : fmt::format("{}/{}", origin, number);
}

// --- Writing -------------------------------------------------------------------------------------

Result<AuditSegments> AuditSegments::open(Storage& storage, const std::string& folder,
                                          const AuditLog::Start& start, std::uint64_t max_bytes) {
  AuditSegments result(storage, folder, start, std::max(max_bytes, kMinSegmentsBytes) / kSegments);
  TRY(storage.make_folder(folder));
  TRY_VALUE(const auto numbers, numbers_in(storage, folder));
  if (!numbers.empty()) result.number_ = numbers.back();
  std::optional<Checkpoint> after;
  if (numbers.size() > 1) {
    // It may have been interrupted before its first entry, which is made now then.
    TRY_VALUE(const auto newest, open_append(storage, result.path(result.number_)));
    LogReader reader(*newest);
    TRY_VALUE(const auto entry, reader.next());
    if (!entry) {
      TRY_VALUE(const AuditLog before, result.open_segment(numbers[numbers.size() - 2], {}));
      after = before.end();
    }
  }
  TRY_VALUE(result.log_, result.open_segment(result.number_, std::move(after)));
  return result;
}

Result<AuditLog> AuditSegments::open_segment(std::uint64_t number,
                                             std::optional<Checkpoint> after) {
  AuditLog::Start start = start_;
  start.origin = segment_origin(start_.origin, number);
  start.after = std::move(after);
  return AuditLog::open(*storage_, path(number), start);
}

Status AuditSegments::append(const Record& record, Signer* signer) {
  if (log_->bytes() + kRoomBytes > bytes_) TRY(begin_next(record.time_s, signer));
  const auto sequence = log_->append(record);
  return sequence.ok() ? Status() : Status(sequence.error());
}

Status AuditSegments::begin_next(std::int64_t time_s, Signer* signer) {
  // Where it cannot be signed the next checkpoint, of the new segment, proves it as well.
  if (signer) {
    [[maybe_unused]] const auto note = log_->checkpoint(*signer);
  }
  TRY(make_room());
  start_.time_s = time_s;
  TRY_VALUE(AuditLog next, open_segment(number_ + 1, log_->end()));
  log_ = std::move(next);
  ++number_;
  return {};
}

// For one segment more.
Status AuditSegments::make_room() {
  TRY_VALUE(const auto numbers, numbers_in(*storage_, folder_));
  std::uint64_t left = kSegments * bytes_ - bytes_;
  std::vector<std::uint64_t> go;
  for (auto number = numbers.rbegin(); number != numbers.rend(); ++number) {
    TRY_VALUE(const std::uint64_t entries, stored_bytes(*storage_, path(*number)));
    TRY_VALUE(const std::uint64_t notes, stored_bytes(*storage_, checkpoints_path(path(*number))));
    const bool fits = go.empty() && entries + notes <= left;
    if (*number != number_ && !fits) go.push_back(*number);
    left -= std::min(left, entries + notes);
  }
  // The oldest first: what is left is a chain at each moment.
  for (auto number = go.rbegin(); number != go.rend(); ++number) {
    TRY(storage_->remove(checkpoints_path(path(*number))));
    TRY(storage_->remove(path(*number)));
    TRY(storage_->sync(folder_));
  }
  return {};
}

Status AuditSegments::sign(Signer& signer) {
  const auto note = log_->checkpoint(signer);
  return note.ok() ? Status() : Status(note.error());
}

// --- Reading -------------------------------------------------------------------------------------

Status check_newest_segment(Storage& storage, const std::string& folder) {
  TRY_VALUE(const auto numbers, numbers_in(storage, folder));
  if (numbers.empty()) return fail(Code::kNotFound, "{}: no audit log", folder);
  const std::string name = folder + "/" + segment_file(numbers.back());
  const auto readable = [&](const std::string& file) -> Result<std::unique_ptr<AppendFile>> {
    TRY_VALUE(const std::uint64_t bytes, stored_bytes(storage, file));
    if (bytes == 0) return std::unique_ptr<AppendFile>(std::make_unique<MemoryAppendFile>());
    return open_append(storage, file);
  };
  // Before the log: one that is added meanwhile is not asked for what is not seen.
  TRY_VALUE(const auto notes, readable(checkpoints_path(name)));
  TRY_VALUE(const auto log, readable(name));
  CheckpointReader reader(*notes);
  const auto report = verify_log(*log, {}, [&]() -> Result<std::optional<Checkpoint>> {
    TRY_VALUE(auto item, reader.next());
    return item ? std::optional(std::move(item->checkpoint)) : std::nullopt;
  });
  return report.ok() ? Status() : Status(report.error());
}

Status SegmentChain::add(std::uint64_t number, const std::string& path, const LogReport& report) {
  const bool is_first = last_ == 0;
  if (is_first) {
    const std::string ending = number == 1 ? "" : fmt::format("/{}", number);
    if (!report.origin.ends_with(ending)) {
      return fail(Code::kCorrupt, "{}: the log of '{}': a name that ends in '{}' expected", path,
                  clipped(report.origin), ending);
    }
    origin_ = report.origin.substr(0, report.origin.size() - ending.size());
    first_ = number;
    removed_ = report.after;
  }
  const std::string before = segment_origin(origin_, number - 1);
  const bool fits = number == 1 ? !report.after : report.after && report.after->origin == before;
  if (report.origin != segment_origin(origin_, number) || !fits ||
      (!is_first && number != last_ + 1)) {
    return fail(Code::kCorrupt,
                "{}: it is not the segment that comes after {}: one was dropped, "
                "added or moved",
                path, is_first ? "what was removed" : segment_file(last_));
  }
  if (!is_first && *report.after != end_) {
    return fail(Code::kCorrupt,
                "{}: its first entry says that {} had {} entries and ended as {}, but it has {} "
                "and ends as {}: one of them was changed",
                path, segment_file(last_), report.after->size, hex(report.after->root), end_.size,
                hex(end_.root));
  }
  last_ = number;
  end_ = {report.origin, report.entries, report.root};
  entries_ += report.entries;
  // A checkpoint covers the first entry, and that one all before it.
  if (report.covered > 0) unsigned_ = 0;
  unsigned_ += report.entries - report.covered;
  return {};
}

Result<bool> SegmentChain::is_of_removed(const Checkpoint& kept) const {
  for (std::uint64_t number = first_; number <= last_; ++number) {
    if (kept.origin == segment_origin(origin_, number)) return false;
  }
  std::uint64_t number = kept.origin == origin_ ? 1 : 0;
  if (kept.origin.starts_with(origin_ + "/")) {
    const char* digits = kept.origin.data() + origin_.size() + 1;
    std::from_chars(digits, kept.origin.data() + kept.origin.size(), number);
  }
  if (number == 0 || kept.origin != segment_origin(origin_, number)) {
    return fail(Code::kInvalid, "the checkpoint is of '{}', the log is '{}'", clipped(kept.origin),
                clipped(origin_));
  }
  if (number > last_) {
    return fail(Code::kCorrupt, "truncated: the last segment is '{}', but one of '{}' was signed",
                clipped(segment_origin(origin_, last_)), clipped(kept.origin));
  }
  // Of the one just before the first its whole end is known.
  const bool is_known = removed_ && removed_->origin == kept.origin;
  if (is_known && (kept.size > removed_->size ||
                   (kept.size == removed_->size && kept.root != removed_->root))) {
    return fail(Code::kCorrupt,
                "'{}' had {} entries and ended as {}, says the segment after it; the checkpoint is "
                "of {} and of {}",
                clipped(kept.origin), removed_->size, hex(removed_->root), kept.size,
                hex(kept.root));
  }
  return true;
}

}  // namespace polder::trust
