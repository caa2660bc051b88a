#include "agent/kept_output.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/fail.h"

namespace polder::agent {
namespace {

constexpr std::size_t kDigits = 8;
constexpr std::size_t kMaxNameBytes = 120;
constexpr std::string_view kUnfinished = ".part";
constexpr std::size_t kPieceBytes = 64u << 10;  // that are read at once

// The number of "00000041-events.jsonl", or 0.
std::uint64_t piece_number(std::string_view name) {
  std::uint64_t number = 0;
  if (name.size() <= kDigits + 1 || name[kDigits] != '-') return 0;
  const auto end = std::from_chars(name.data(), name.data() + kDigits, number);
  return end.ptr == name.data() + kDigits && end.ec == std::errc() ? number : 0;
}

// The last part of a path, as a name that a Storage takes and that no file of another kind has.
std::string plain_name(const std::string& path) {
  std::string name = path.substr(path.rfind('/') + 1).substr(0, kMaxNameBytes);
  for (char& c : name) {
    const bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '.' || c == '_' || c == '-';
    if (!fine) c = '_';
  }
  const bool is_plain =
      !name.empty() && name[0] != '.' && piece_number(name) == 0 && !name.ends_with(kUnfinished);
  return is_plain ? name : "_" + name + "_";
}

// Bytes of the file up to the end of its last whole line. A power cut leaves zeros where a part has
// not arrived: what comes after is in no order.
Result<std::uint64_t> whole_lines(StoredFile& file) {
  std::uint64_t end = 0;
  std::string bytes(kPieceBytes, 0);
  for (std::uint64_t at = 0;;) {
    TRY_VALUE(const std::size_t got, file.read(at, bytes));
    const std::string_view all(bytes.data(), got);
    const std::size_t hole = all.find('\0');
    const std::size_t newline = all.substr(0, hole).rfind('\n');
    if (newline != all.npos) end = at + newline + 1;
    if (hole != all.npos || got < bytes.size()) return end;
    at += got;
  }
}

}  // namespace

// Each write is of whole lines.
class KeptLines final : public OutputFile {
 public:
  KeptLines(KeptOutput& output, std::string name) : output_(output), name_(std::move(name)) {}
  Status write(std::string_view lines) override {
    if (!lines.empty()) output_.add_lines(name_, lines);
    return {};
  }
  Status seek(std::int64_t) override {
    return fail(Code::kUnsupported, "{}: lines are only added", name_);
  }
  Status commit() override {
    const std::lock_guard lock(output_.mutex_);
    const auto& file = output_.tails_[name_].file;
    if (file) static_cast<void>(file->sync());  // best effort, as all of it
    return {};
  }

 private:
  KeptOutput& output_;
  const std::string name_;
};

class KeptWhole final : public OutputFile {
 public:
  KeptWhole(KeptOutput& output, std::string name, std::unique_ptr<StoredFile> file)
      : output_(output), name_(std::move(name)), file_(std::move(file)) {}
  ~KeptWhole() override {
    const std::lock_guard lock(output_.mutex_);
    give_up(0);
  }
  Status write(std::string_view bytes) override {
    const std::lock_guard lock(output_.mutex_);
    const std::uint64_t end = std::max(end_, at_ + bytes.size());
    if (!file_ || !output_.has_room_unfinished(end, end - end_) || !file_->write(at_, bytes).ok()) {
      give_up(bytes.size());
      return {};
    }
    output_.unfinished_bytes_ += end - end_;
    end_ = end;
    at_ += bytes.size();
    return {};
  }
  Status seek(std::int64_t offset) override {
    if (offset < 0) return fail(Code::kInvalid, "{}: a place before its beginning", name_);
    at_ = std::uint64_t(offset);
    return {};
  }
  Status commit() override {
    const std::lock_guard lock(output_.mutex_);
    if (!file_) return {};
    output_.make_room(0);  // of files there are only so many, even of empty ones
    const std::string piece = output_.next_piece(name_);
    if (!file_->sync().ok() || !output_.storage_->rename(name_ + std::string(kUnfinished), piece) ||
        !output_.storage_->sync("").ok()) {
      give_up(0);
      return {};
    }
    file_.reset();
    output_.unfinished_bytes_ -= end_;
    output_.pieces_.emplace(piece, end_);
    output_.counts_.kept_bytes += end_;
    return {};
  }

 private:
  void give_up(std::uint64_t bytes) {
    output_.counts_.lost_bytes += bytes;
    if (!file_) return;
    file_.reset();
    static_cast<void>(output_.storage_->remove(name_ + std::string(kUnfinished)));
    output_.counts_.lost_bytes += end_;
    output_.unfinished_bytes_ -= end_;
  }
  KeptOutput& output_;
  const std::string name_;
  std::unique_ptr<StoredFile> file_;  // none: it was given up, or has appeared
  std::uint64_t at_ = 0, end_ = 0;
};

KeptOutput::KeptOutput(Storage* storage, std::uint64_t cap_bytes)
    : storage_(storage), cap_bytes_(std::max(cap_bytes, kMinKeptBytes)) {
  if (storage_ && !find_files().ok()) storage_ = nullptr;
}

Status KeptOutput::find_files() {
  TRY_VALUE(const auto names, storage_->list("", 4 * kMaxKeptFiles));
  for (const std::string& name : names) {
    if (name.ends_with('/')) continue;
    if (name.ends_with(kUnfinished)) {
      TRY(storage_->remove(name));
      continue;
    }
    TRY_VALUE(const auto file, storage_->open(name));
    TRY_VALUE(const std::uint64_t bytes, file->size());
    const std::uint64_t number = piece_number(name);
    if (number > 0) pieces_.emplace(name, bytes);
    else tails_[name].bytes = bytes;
    last_piece_ = std::max(last_piece_, number);
  }
  return {};
}

Result<std::string> KeptNames::take(const std::string& path) {
  std::string name = plain_name(path);
  if (!taken_.insert(name).second)
    return fail(Code::kInvalid, "two outputs are called '{}' here; give them names of their own",
                name);
  return name;
}

Result<std::unique_ptr<OutputFile>> KeptOutput::create(const std::string& path) {
  using File = std::unique_ptr<OutputFile>;
  const std::lock_guard lock(mutex_);
  TRY_VALUE(const std::string name, names_.take(path));
  if (!storage_) return File(std::make_unique<KeptWhole>(*this, name, nullptr));
  auto file = storage_->create(name + std::string(kUnfinished));
  if (!file.ok()) return File(std::make_unique<KeptWhole>(*this, name, nullptr));
  return File(std::make_unique<KeptWhole>(*this, name, std::move(*file)));
}

Result<std::unique_ptr<OutputFile>> KeptOutput::create_lines(const std::string& path) {
  using File = std::unique_ptr<OutputFile>;
  const std::lock_guard lock(mutex_);
  TRY_VALUE(const std::string name, names_.take(path));
  tails_[name].is_used = true;
  return File(std::make_unique<KeptLines>(*this, name));
}

KeptCounts KeptOutput::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

// --- under the lock ---

std::string KeptOutput::next_piece(const std::string& name) {
  return fmt::format("{:08}-{}", ++last_piece_ % 100'000'000, name);
}

std::uint64_t KeptOutput::total_bytes() const {
  std::uint64_t total = unfinished_bytes_;
  for (const auto& [name, bytes] : pieces_) total += bytes;
  for (const auto& [name, tail] : tails_) total += tail.bytes;
  return total;
}

void KeptOutput::drop_oldest() {
  const auto oldest = pieces_.begin();
  if (storage_->remove(oldest->first).ok()) counts_.dropped_bytes += oldest->second;
  pieces_.erase(oldest);
}

bool KeptOutput::make_room(std::uint64_t bytes) {
  std::uint64_t total = total_bytes() + bytes;
  while (!pieces_.empty() &&
         (total > cap_bytes_ || pieces_.size() + tails_.size() >= kMaxKeptFiles)) {
    total -= pieces_.begin()->second;
    drop_oldest();
  }
  return total <= cap_bytes_;
}

// For one that then has `end` bytes, `more` of them new. The last quarter is for lines.
bool KeptOutput::has_room_unfinished(std::uint64_t end, std::uint64_t more) {
  return end <= cap_bytes_ / 2 && unfinished_bytes_ + more <= cap_bytes_ / 4 * 3 && make_room(more);
}

// A full file of lines gets its number.
Status KeptOutput::retire(const std::string& name, Tail& tail) {
  TRY(open_tail(name, tail));
  if (tail.bytes == 0) {
    tail.file.reset();
    return storage_->remove(name);
  }
  TRY(tail.file->sync());
  const std::string piece = next_piece(name);
  TRY(storage_->rename(name, piece));
  tail.file.reset();
  pieces_.emplace(piece, std::exchange(tail.bytes, 0));
  return storage_->sync("");
}

// Lines of sinks that are there no more are old from now on.
void KeptOutput::retire_unused() {
  has_begun_ = true;
  for (auto tail = tails_.begin(); tail != tails_.end();) {
    if (tail->second.is_used || !retire(tail->first, tail->second).ok()) ++tail;
    else tail = tails_.erase(tail);
  }
}

Status KeptOutput::open_tail(const std::string& name, Tail& tail) {
  if (tail.file) return {};
  auto file = storage_->open(name);
  if (!file.ok() && file.error().code == Code::kNotFound) {
    TRY_VALUE(tail.file, storage_->create(name));
    tail.bytes = 0;
    return {};
  }
  if (!file.ok()) return std::move(file).error();
  TRY_VALUE(const std::uint64_t bytes, whole_lines(**file));
  TRY((*file)->truncate(bytes));
  tail.bytes = bytes;
  tail.file = std::move(*file);
  return {};
}

Status KeptOutput::try_lines(const std::string& name, Tail& tail, std::string_view lines) {
  if (!storage_) return fail(Code::kIo, "nowhere to keep it");
  const std::uint64_t most = cap_bytes_ / (4 * std::max<std::size_t>(tails_.size(), 1));
  if (lines.size() > most) return fail(Code::kExhausted, "{}: more at once than is kept", name);
  // Which whole_lines() takes for what a power cut leaves.
  if (lines.find('\0') != lines.npos) return fail(Code::kInvalid, "{}: a zero in a line", name);
  TRY(open_tail(name, tail));
  if (tail.bytes + lines.size() > most) {
    TRY(retire(name, tail));
    TRY(open_tail(name, tail));
  }
  if (!make_room(lines.size())) return fail(Code::kExhausted, "{}: no room", name);
  Status written = tail.file->write(tail.bytes, lines);
  if (!written.ok()) {
    // Where that fails too, what there is of a line is cut off when it is opened again.
    static_cast<void>(tail.file->truncate(tail.bytes));
    tail.file.reset();
    return written;
  }
  tail.bytes += lines.size();
  counts_.kept_bytes += lines.size();
  return {};
}

void KeptOutput::add_lines(const std::string& name, std::string_view lines) {
  const std::lock_guard lock(mutex_);
  if (!has_begun_) retire_unused();
  if (!try_lines(name, tails_[name], lines).ok()) counts_.lost_bytes += lines.size();
}

}  // namespace polder::agent
