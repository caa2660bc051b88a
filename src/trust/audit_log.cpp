#include "trust/audit_log.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/fail.h"
#include "base/text.h"
#include "trust/manifest.h"

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

Status FileWindow::more() {
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
  const ReadableFile& file = window_.file();
  if (file.size() > kMaxLogBytes) {
    return fail(Code::kExhausted, "{}: {} bytes; a log has {} at most", file.path(), file.size(),
                kMaxLogBytes);
  }
  std::size_t end = window_.view().find('\n');
  while (end == std::string_view::npos && window_.has_more() &&
         window_.view().size() <= kMaxEntryBytes) {
    TRY(window_.more());
    end = window_.view().find('\n');
  }
  const std::string_view line = window_.view().substr(0, end);
  if (line.size() > kMaxEntryBytes) {
    return fail(Code::kCorrupt, "{}: byte {}: a line of more than {} bytes", file.path(),
                window_.taken(), kMaxEntryBytes);
  }
  const bool last = !window_.has_more() && end + 1 >= window_.view().size();
  if (end == std::string_view::npos || (last && has_zeros(line)))
    return std::optional<std::string_view>();
  window_.take(end + 1);
  return std::optional(line);
}

std::string CheckpointReader::where() const {
  return fmt::format("{}: checkpoint {}", window_.file().path(), count_);
}

namespace {

// Where the first checkpoint ends, with the newline of its last line; npos where it does not.
std::size_t end_of_checkpoint(std::string_view bytes) {
  const std::size_t text = bytes.find(kBlankLine);
  return text == bytes.npos ? text : bytes.find(kBlankLine, text + 2);
}

}  // namespace

Result<std::optional<SignedCheckpoint>> CheckpointReader::next() {
  const ReadableFile& file = window_.file();
  if (file.size() > kMaxCheckpointsBytes) {
    return fail(Code::kExhausted, "{}: {} bytes of checkpoints; {} at most", file.path(),
                file.size(), kMaxCheckpointsBytes);
  }
  std::size_t end = end_of_checkpoint(window_.view());
  while (end == std::string_view::npos && window_.has_more() &&
         window_.view().size() <= kMaxNoteBytes) {
    TRY(window_.more());
    end = end_of_checkpoint(window_.view());
  }
  const std::string_view rest = window_.view();
  if (end == rest.npos && rest.size() > kMaxNoteBytes) {
    return fail(Code::kCorrupt, "{}: byte {}: no checkpoint in {} bytes", file.path(),
                window_.taken(), rest.size());
  }
  const bool last = !window_.has_more() && end + 2 >= rest.size();
  if (end == rest.npos || (last && has_zeros(rest))) return std::optional<SignedCheckpoint>();
  ++count_;
  SignedCheckpoint item{std::string(rest.substr(0, end + 1)), {}};
  TRY_VALUE(const Note parsed, Note::parse(item.note, where()));
  TRY_VALUE(item.checkpoint, Checkpoint::parse(parsed.text, where()));
  if (count_ > 1 && item.checkpoint.size <= last_size_) {
    return fail(Code::kCorrupt, "{}: of {} entries, after one of {}", where(), item.checkpoint.size,
                last_size_);
  }
  last_size_ = item.checkpoint.size;
  window_.take(end + 2);
  return std::optional(std::move(item));
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

// The checkpoints of a vector and of those beside a log, the smallest first.
class Merged {
 public:
  Merged(std::vector<Checkpoint> given, const NextCheckpoint& beside)
      : given_(std::move(given)), beside_(beside) {
    std::ranges::stable_sort(given_, {}, &Checkpoint::size);
  }
  Result<std::optional<Checkpoint>> next() {
    if (!held_ && beside_) {
      TRY_VALUE(held_, beside_());
    }
    const bool has_given = at_ < given_.size();
    if (held_ && (!has_given || held_->size <= given_[at_].size))
      return std::exchange(held_, std::nullopt);
    return has_given ? std::optional(given_[at_++]) : std::nullopt;
  }

 private:
  std::vector<Checkpoint> given_;
  const NextCheckpoint& beside_;
  std::size_t at_ = 0;
  std::optional<Checkpoint> held_;
};

constexpr char kAfter[] = "after", kSize[] = "size", kRoot[] = "root";  // in a first entry

Json::Members details_of(const std::optional<Checkpoint>& after) {
  if (!after) return {};
  return {{kAfter, after->origin}, {kSize, std::int64_t(after->size)}, {kRoot, hex(after->root)}};
}

}  // namespace

Result<std::optional<Checkpoint>> end_before(const Entry& first, const std::string& where) {
  if (first.details.empty()) return std::optional<Checkpoint>();
  const Json details(first.details);
  TRY_VALUE(const Object object, Object::of(details, where));
  TRY(object.only({kAfter, kRoot, kSize}));
  Checkpoint after;
  TRY_VALUE(after.origin, object.text(kAfter, kMaxNoteNameBytes));
  TRY_VALUE(const std::int64_t size, object.integer(kSize, 1, INT64_MAX));
  after.size = std::uint64_t(size);
  TRY_VALUE(after.root, read_digest(object, kRoot));
  return std::optional(std::move(after));
}

namespace {

Status take_entry(std::string_view line, const std::string& where, Walk& walk) {
  const std::uint64_t size = walk.tree.size();
  TRY_VALUE(const Entry entry, Entry::parse(line, where));
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
  if (begins) {
    walk.report.origin = entry.object;
    TRY_VALUE(walk.report.after, end_before(entry, where));
  }
  walk.tree.add(leaf_hash(line));
  return {};
}

Result<Walk> walk_log(const ReadableFile& log, std::vector<Checkpoint> given,
                      const NextCheckpoint& beside) {
  Walk walk;
  LogReader reader(log);
  Merged checkpoints(std::move(given), beside);
  TRY_VALUE(std::optional<Checkpoint> due, checkpoints.next());
  while (true) {
    const std::uint64_t size = walk.tree.size();
    while (due && due->size == size) {
      TRY(check_checkpoint(*due, walk, walk.report.covered, log.path()));
      walk.report.covered = size;
      ++walk.report.checkpoints;
      TRY_VALUE(due, checkpoints.next());
    }
    TRY_VALUE(const auto line, reader.next());
    if (!line) break;
    TRY(take_entry(*line, fmt::format("{}: entry {}", log.path(), size), walk));
  }
  if (due) {
    return fail(Code::kCorrupt, "{}: truncated: {} entries, but one of {} was signed", log.path(),
                walk.tree.size(), due->size);
  }
  walk.whole_bytes = reader.whole_bytes();
  walk.report.entries = walk.tree.size();
  walk.report.torn_bytes = reader.torn_bytes();
  walk.report.root = walk.tree.root();
  return walk;
}

}  // namespace

Result<LogReport> verify_log(const ReadableFile& log, std::vector<Checkpoint> checkpoints,
                             const NextCheckpoint& beside) {
  TRY_VALUE(Walk walk, walk_log(log, std::move(checkpoints), beside));
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
  CheckpointReader reader(*checkpoints_);
  const auto beside = [&]() -> Result<std::optional<Checkpoint>> {
    TRY_VALUE(auto item, reader.next());
    if (!item) return std::optional<Checkpoint>();
    last_note_ = std::move(item->note);
    return std::optional(std::move(item->checkpoint));
  };
  TRY_VALUE(Walk walk, walk_log(*log_, {}, beside));
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
  const std::uint64_t torn_bytes = reader.torn_bytes();
  if (torn_bytes > 0) TRY(checkpoints_->truncate(checkpoints_->size() - torn_bytes));
  torn_bytes_ = walk.report.torn_bytes + torn_bytes;
  covered_ = walk.report.covered;
  tree_ = std::move(walk.tree);
  origin_ = walk.report.entries > 0 ? walk.report.origin : start.origin;
  if (tree_.size() > 0) return {};
  auto first =
      append({start.time_s, start.actor, Act::kLogCreated, start.origin, details_of(start.after)});
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
  TRY_VALUE(std::string note, sign_checkpoint(end(), signer));
  if (checkpoints_->size() + note.size() + 1 > kMaxCheckpointsBytes) {
    return fail(Code::kExhausted, "{}: {} bytes and would exceed {}: begin another log",
                checkpoints_->path(), checkpoints_->size(), kMaxCheckpointsBytes);
  }
  TRY(checkpoints_->append(note + "\n"));
  last_note_ = note;
  covered_ = tree_.size();
  return note;
}

}  // namespace polder::trust
