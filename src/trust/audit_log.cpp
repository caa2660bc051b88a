#include "trust/audit_log.h"

#include <algorithm>
#include <cstring>

#include "base/fail.h"
#include "base/text.h"

namespace polder::trust {

namespace {

constexpr std::size_t kReadBytes = 64 * 1024;
constexpr std::string_view kBlankLine = "\n\n";

// A block that never reached the disk reads as zeros: no line of ours has any.
bool has_zeros(std::string_view line) {
  return !line.empty() && std::memchr(line.data(), 0, line.size()) != nullptr;
}

}  // namespace

std::string checkpoints_path(const std::string& log_path) { return log_path + ".checkpoints"; }

Status LogReader::fill() {
  buffer_.erase(0, at_);
  at_ = 0;
  const std::size_t held = buffer_.size();
  const std::size_t more = std::size_t(std::min<std::uint64_t>(kReadBytes, file_.size() - read_));
  buffer_.resize(held + more);
  TRY(file_.read(read_, {buffer_.data() + held, more}));
  read_ += more;
  return {};
}

Result<std::optional<std::string_view>> LogReader::next() {
  if (file_.size() > kMaxLogBytes) {
    return fail(Code::kExhausted, "{}: {} bytes; a log has {} at most", file_.path(), file_.size(),
                kMaxLogBytes);
  }
  std::size_t end = buffer_.find('\n', at_);
  while (end == buffer_.npos && read_ < file_.size() && buffer_.size() - at_ <= kMaxEntryBytes) {
    TRY(fill());
    end = buffer_.find('\n', at_);
  }
  const std::string_view line =
      std::string_view(buffer_).substr(at_, end == buffer_.npos ? end : end - at_);
  if (line.size() > kMaxEntryBytes) {
    return fail(Code::kCorrupt, "{}: byte {}: a line of more than {} bytes", file_.path(),
                whole_bytes_, kMaxEntryBytes);
  }
  const bool last = read_ == file_.size() && end + 1 >= buffer_.size();
  if (end == buffer_.npos || (last && has_zeros(line))) return std::optional<std::string_view>();
  at_ = end + 1;
  whole_bytes_ += line.size() + 1;
  return std::optional(line);
}

Result<CheckpointList> read_checkpoints(const ReadableFile& file) {
  if (file.size() > kMaxCheckpointsBytes) {
    return fail(Code::kExhausted, "{}: {} bytes of checkpoints; {} at most", file.path(),
                file.size(), kMaxCheckpointsBytes);
  }
  std::string bytes(file.size(), '\0');
  TRY(file.read(0, bytes));
  CheckpointList list;
  std::string_view rest = bytes;
  while (!rest.empty()) {
    const std::size_t text = rest.find(kBlankLine);
    const std::size_t end = text == rest.npos ? text : rest.find(kBlankLine, text + 2);
    const bool last = end == rest.npos || end + 2 == rest.size();
    if (end == rest.npos || (last && has_zeros(rest))) break;
    const std::string where = fmt::format("{}: checkpoint {}", file.path(), list.items.size() + 1);
    const std::string_view note = rest.substr(0, end + 1);
    TRY_VALUE(const Note parsed, Note::parse(note, where));
    TRY_VALUE(Checkpoint checkpoint, Checkpoint::parse(parsed.text, where));
    if (!list.items.empty() && checkpoint.size <= list.items.back().checkpoint.size) {
      return fail(Code::kCorrupt, "{}: of {} entries, after one of {}", where, checkpoint.size,
                  list.items.back().checkpoint.size);
    }
    list.items.push_back({std::string(note), std::move(checkpoint)});
    rest.remove_prefix(end + 2);
  }
  if (rest.size() > kMaxNoteBytes) {
    return fail(Code::kCorrupt, "{}: no checkpoint in the last {} bytes", file.path(), rest.size());
  }
  list.torn_bytes = rest.size();
  return list;
}

namespace {

// What a walk over a log knows at its end.
struct Walk {
  LogReport report;
  Frontier tree;
  std::uint64_t whole_bytes = 0;
};

Status check_checkpoint(const Checkpoint& checkpoint, const Walk& walk, std::uint64_t good_entries,
                        const std::string& path) {
  if (checkpoint.origin != walk.report.origin) {
    return fail(Code::kCorrupt, "{}: the log of '{}', but the checkpoint is of '{}'", path,
                clipped(walk.report.origin), clipped(checkpoint.origin));
  }
  if (checkpoint.root == walk.tree.root()) return {};
  return fail(Code::kCorrupt,
              "{}: the entries {} to {} are not those that were signed: one was changed, dropped, "
              "added or moved",
              path, good_entries, checkpoint.size - 1);
}

Result<Walk> walk_log(const ReadableFile& log, std::vector<Checkpoint> checkpoints) {
  std::stable_sort(checkpoints.begin(), checkpoints.end(),
                   [](const auto& a, const auto& b) { return a.size < b.size; });
  Walk walk;
  LogReader reader(log);
  std::size_t checked = 0;
  std::uint64_t good_entries = 0;  // proven by the checkpoint before
  while (true) {
    const std::uint64_t size = walk.tree.size();
    while (checked < checkpoints.size() && checkpoints[checked].size == size) {
      TRY(check_checkpoint(checkpoints[checked], walk, good_entries, log.path()));
      good_entries = checkpoints[checked++].size;
    }
    TRY_VALUE(const auto line, reader.next());
    if (!line) break;
    const std::string where = fmt::format("{}: entry {}", log.path(), size);
    TRY_VALUE(const Entry entry, Entry::parse(*line, where));
    if (entry.sequence != size) {
      return fail(Code::kCorrupt,
                  "{}: its number is {}: an entry was dropped, added or moved before it", where,
                  entry.sequence);
    }
    const bool begins = entry.act == act_name(Act::kLogCreated);
    if (begins != (size == 0) || (begins && !is_note_name(entry.object))) {
      return fail(Code::kCorrupt, "{}: the first entry, and no other, is '{}' with the log's name",
                  where, act_name(Act::kLogCreated));
    }
    if (begins) walk.report.origin = entry.object;
    walk.tree.add(leaf_hash(*line));
  }
  if (checked < checkpoints.size()) {
    return fail(Code::kCorrupt, "{}: truncated: {} entries, but one of {} was signed", log.path(),
                walk.tree.size(), checkpoints.back().size);
  }
  walk.whole_bytes = reader.whole_bytes();
  walk.report.entries = walk.tree.size();
  walk.report.covered = checkpoints.empty() ? 0 : checkpoints.back().size;
  walk.report.checkpoints = checkpoints.size();
  walk.report.torn_bytes = reader.torn_bytes();
  walk.report.root = walk.tree.root();
  return walk;
}

}  // namespace

Result<LogReport> verify_log(const ReadableFile& log, std::vector<Checkpoint> checkpoints) {
  TRY_VALUE(Walk walk, walk_log(log, std::move(checkpoints)));
  return std::move(walk.report);
}

Result<AuditLog> AuditLog::open(const std::string& path, const Start& start) {
  TRY_VALUE(auto log, open_append(path));
  TRY_VALUE(auto checkpoints, open_append(checkpoints_path(path)));
  return over(std::move(log), std::move(checkpoints), start);
}

Result<AuditLog> AuditLog::open(Storage& storage, const std::string& name, const Start& start) {
  TRY_VALUE(auto log, open_append(storage, name));
  TRY_VALUE(auto checkpoints, open_append(storage, checkpoints_path(name)));
  return over(std::move(log), std::move(checkpoints), start);
}

Result<AuditLog> AuditLog::over(std::unique_ptr<AppendFile> log,
                                std::unique_ptr<AppendFile> checkpoints, const Start& start) {
  AuditLog result;
  result.log_ = std::move(log);
  result.checkpoints_ = std::move(checkpoints);
  TRY(result.load(start));
  return result;
}

Status AuditLog::load(const Start& start) {
  TRY_VALUE(const CheckpointList list, read_checkpoints(*checkpoints_));
  std::vector<Checkpoint> said;
  for (const SignedCheckpoint& item : list.items) said.push_back(item.checkpoint);
  TRY_VALUE(Walk walk, walk_log(*log_, std::move(said)));
  if (walk.report.entries == 0 && !is_note_name(start.origin)) {
    return fail(Code::kInvalid,
                "{}: a new log needs a name of letters, digits and punctuation without spaces or "
                "'+', such as example.com/audit; '{}' given",
                log_->path(), clipped(start.origin));
  }
  if (walk.report.entries > 0 && !start.origin.empty() && walk.report.origin != start.origin) {
    return fail(Code::kInvalid, "{}: the log of '{}', not of '{}'", log_->path(),
                clipped(walk.report.origin), clipped(start.origin));
  }
  // Nothing is cut off before all else was found in order.
  if (walk.report.torn_bytes > 0) TRY(log_->truncate(walk.whole_bytes));
  if (list.torn_bytes > 0) TRY(checkpoints_->truncate(checkpoints_->size() - list.torn_bytes));
  torn_bytes_ = walk.report.torn_bytes + list.torn_bytes;
  tree_ = std::move(walk.tree);
  origin_ = walk.report.entries > 0 ? walk.report.origin : start.origin;
  if (!list.items.empty()) last_note_ = list.items.back().note;
  if (tree_.size() > 0) return {};
  auto first = append({start.time_s, start.actor, Act::kLogCreated, start.origin});
  if (!first) return std::move(first).error();
  return {};
}

Result<std::uint64_t> AuditLog::append(const Record& record) {
  const std::uint64_t sequence = tree_.size();
  if ((record.act == Act::kLogCreated) != (sequence == 0)) {
    return fail(Code::kInvalid, "'{}' is a log's first entry and no other", record.object);
  }
  TRY_VALUE(const Entry entry, entry_of(record, sequence));
  TRY_VALUE(const std::string line, entry.line());
  // What could not be read again is never written.
  if (auto again = Entry::parse(line, "an audit entry"); !again) {
    return fail(Code::kInvalid, "{}", again.error().message);
  }
  if (log_->size() + line.size() + 1 > kMaxLogBytes) {
    return fail(Code::kExhausted, "{}: the log has {} bytes and would exceed {}: begin another",
                log_->path(), log_->size(), kMaxLogBytes);
  }
  TRY(log_->append(line + "\n"));
  tree_.add(leaf_hash(line));
  return sequence;
}

Result<std::string> AuditLog::checkpoint(Signer& signer, std::span<const PublicKey> earlier) {
  if (!last_note_.empty()) {
    std::vector<PublicKey> keys(earlier.begin(), earlier.end());
    keys.push_back(signer.public_key());
    TRY_VALUE(const Checkpoint last, open_checkpoint(last_note_, keys, checkpoints_->path()));
    if (last.size == tree_.size()) return last_note_;
  }
  TRY_VALUE(std::string note, sign_checkpoint({origin_, tree_.size(), tree_.root()}, signer));
  if (checkpoints_->size() + note.size() + 1 > kMaxCheckpointsBytes) {
    return fail(Code::kExhausted, "{}: {} bytes and would exceed {}: begin another log",
                checkpoints_->path(), checkpoints_->size(), kMaxCheckpointsBytes);
  }
  TRY(checkpoints_->append(note + "\n"));
  last_note_ = note;
  return note;
}

}  // namespace polder::trust
