#include "hub/record.h"

#include <chrono>
#include <utility>
#include <vector>

#include "base/fail.h"
#include "hub/store/ask.h"
#include "hub/tokens.h"
#include "trust/audit_proof.h"

namespace polder::hub {
namespace {

// Who asks for a proof of what came later has it signed at once.
constexpr std::chrono::minutes kSignEvery{10};
constexpr std::chrono::seconds kTryAgain{10}, kSignWithin{5};
constexpr std::size_t kAtOnce = 500;

Result<trust::Record> record_of(const Row& row) {
  TRY_VALUE(const trust::Act act, trust::act_from_name(row[3].text()));
  TRY_VALUE(const trust::Json json, trust::Json::parse(row[5].text(), "audit_pending.details"));
  trust::Json::Members details = json.members() ? *json.members() : trust::Json::Members{};
  details.emplace("id", row[0].text());
  return trust::Record{row[1].integer(), row[2].text(), act, row[4].text(), std::move(details)};
}

}  // namespace

Status put_on_record(Database& database, const trust::Record& record) {
  // What the log does not take would hold up all that comes after it.
  TRY_VALUE(const trust::Entry entry, trust::entry_of(record, 0));
  TRY_VALUE([[maybe_unused]] const std::string line, entry.line());
  TRY_VALUE(const std::string id, random_name());
  return tell(database,
              "INSERT INTO audit_pending (place, id, time_s, actor, act, object, details) "
              "SELECT COALESCE(MAX(place), 0) + 1, CAST(? AS TEXT), CAST(? AS BIGINT), "
              "CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT) "
              "FROM audit_pending",
              {id, record.time_s, record.actor, trust::act_name(record.act), record.object,
               trust::Json(record.details).compact()});
}

Recorder::Recorder(std::string path, trust::AuditLog log, std::unique_ptr<trust::Signer> signer,
                   Writer& writer, Readers& readers, std::function<void(std::string)> trouble)
    : path_(std::move(path)),
      origin_(log.origin()),
      log_(std::move(log)),
      signer_(std::move(signer)),
      writer_(writer),
      readers_(readers),
      trouble_(std::move(trouble)),
      size_(log_.size()),
      thread_([this] { serve(); }) {}

Recorder::~Recorder() {
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void Recorder::wake() {
  {
    const std::lock_guard lock(mutex_);
    has_new_ = true;
  }
  wake_.notify_one();
}

// --- Proofs --------------------------------------------------------------------------------------

Result<std::string> Recorder::checkpoint(std::uint64_t entries) {
  std::unique_lock lock(mutex_);
  if (entries > size_)
    return fail(Code::kInvalid, "the audit log has {} entries, not {}", size_, entries);
  if (covered_ < entries || note_.empty()) {
    is_asked_to_sign_ = true;
    wake_.notify_one();
    const auto is_there = [&] { return covered_ >= entries && !note_.empty(); };
    if (!signed_.wait_for(lock, kSignWithin, is_there))
      return fail(Code::kUnavailable, "the audit log could not be signed yet: ask again");
  }
  return note_;
}

Result<trust::Json> Recorder::prove(std::uint64_t sequence) {
  auto note = checkpoint(sequence + 1);
  if (!note.ok() && note.error().code == Code::kInvalid)
    return fail(Code::kNotFound, "there is no entry {} in the audit log", sequence);
  if (!note.ok()) return note.error();
  TRY_VALUE(const auto log, open_readable(path_));
  return trust::prove_entry(*log, sequence, *note);
}

// --- The thread ----------------------------------------------------------------------------------

namespace {

// `id` is Value() where the entry was no act of this hub's: the log's first.
Status copy_entry(Database& database, const std::string& log, const trust::Entry& entry) {
  TRY_VALUE(const std::string line, entry.line());
  const auto id = entry.details.find("id");
  TRY(
      database.run("INSERT INTO audit_entry (log, sequence, time, actor, act, object, line) "
                   "VALUES (?, ?, ?, ?, ?, ?, ?)",
                   {log, static_cast<std::int64_t>(entry.sequence), entry.time, entry.actor,
                    entry.act, entry.object, line}));
  if (id == entry.details.end() || !id->second.string()) return {};
  return database.run("DELETE FROM audit_pending WHERE id = ?", {*id->second.string()});
}

Status copy_entries(Writer& writer, const std::string& log,
                    const std::vector<trust::Entry>& entries) {
  return writer.write([&](Database& database) -> Status {
    for (const trust::Entry& entry : entries) TRY(copy_entry(database, log, entry));
    return {};
  });
}

}  // namespace

Status copy_log(Database& database, const std::string& path, const std::string& origin) {
  TRY_VALUE(const Rows rows, ask(database,
                                 "SELECT COALESCE(MAX(sequence), -1) + 1 FROM audit_entry "
                                 "WHERE log = ?",
                                 {origin}));
  TRY_VALUE(const auto file, open_readable(path));
  trust::LogReader reader(*file);
  for (std::int64_t i = 0;; ++i) {
    TRY_VALUE(const auto line, reader.next());
    if (!line) return {};
    if (i < rows[0][0].integer()) continue;
    TRY_VALUE(const trust::Entry entry, trust::Entry::parse(*line, path));
    TRY(copy_entry(database, origin, entry));
  }
}

// After a start, and where a write has failed, the log may have entries that the database has not.
Status Recorder::copy_what_is_new() {
  if (is_copied_) return {};
  TRY_VALUE(const Rows rows,
            readers_.query("SELECT MAX(sequence) FROM audit_entry WHERE log = ?", {origin_}));
  const std::uint64_t first =
      rows[0][0].is_null() ? 0 : static_cast<std::uint64_t>(rows[0][0].integer()) + 1;
  if (first > log_.size())
    return fail(Code::kCorrupt,
                "{}: has {} entries, of which the database knows {}: it is a copy from before; put "
                "the newest one back",
                path_, log_.size(), first);
  if (first < log_.size()) {
    TRY_VALUE(const auto file, open_readable(path_));
    trust::LogReader reader(*file);
    std::vector<trust::Entry> entries;
    for (std::uint64_t i = 0; i < log_.size(); ++i) {
      TRY_VALUE(const auto line, reader.next());
      if (!line) return fail(Code::kCorrupt, "{}: {} entries, {} expected", path_, i, log_.size());
      if (i < first) continue;
      TRY_VALUE(trust::Entry entry, trust::Entry::parse(*line, path_));
      entries.push_back(std::move(entry));
      if (entries.size() < kAtOnce && i + 1 < log_.size()) continue;
      TRY(copy_entries(writer_, origin_, entries));
      entries.clear();
    }
  }
  is_copied_ = true;
  return {};
}

Status Recorder::move_all() {
  while (true) {
    TRY(copy_what_is_new());
    TRY_VALUE(const Rows rows,
              readers_.query("SELECT id, time_s, actor, act, object, details FROM audit_pending "
                             "ORDER BY place LIMIT ?",
                             {static_cast<std::int64_t>(kAtOnce)}));
    if (rows.empty()) return {};
    is_copied_ = false;
    std::vector<trust::Entry> entries;
    for (const Row& row : rows) {
      TRY_VALUE(const trust::Record record, record_of(row));
      TRY_VALUE(const std::uint64_t sequence, log_.append(record));
      TRY_VALUE(trust::Entry entry, trust::entry_of(record, sequence));
      entries.push_back(std::move(entry));
    }
    {
      // Before anybody can read of them in the database.
      const std::lock_guard lock(mutex_);
      size_ = log_.size();
    }
    TRY(copy_entries(writer_, origin_, entries));
    is_copied_ = true;
  }
}

Status Recorder::sign() {
  TRY_VALUE(std::string note, log_.checkpoint(*signer_));
  const std::lock_guard lock(mutex_);
  covered_ = log_.covered();
  note_ = std::move(note);
  return {};
}

void Recorder::serve() {
  using Clock = std::chrono::steady_clock;
  Clock::time_point signed_at = Clock::now() - kSignEvery;
  std::unique_lock lock(mutex_);
  while (true) {
    const bool is_last = ends_, is_asked = is_asked_to_sign_;
    has_new_ = is_asked_to_sign_ = false;
    lock.unlock();
    Status done = move_all();
    const bool is_due = log_.size() > log_.covered() && Clock::now() - signed_at >= kSignEvery;
    if (done.ok() && (is_due || is_asked || is_last)) {
      signed_at = Clock::now();
      done = sign();
    }
    if (!done.ok()) trouble_("the audit log: " + done.error().message);
    lock.lock();
    signed_.notify_all();
    if (is_last) return;
    const auto is_woken = [this] { return ends_ || is_asked_to_sign_; };
    if (done.ok()) wake_.wait_for(lock, kSignEvery, [&] { return is_woken() || has_new_; });
    else wake_.wait_for(lock, kTryAgain, is_woken);
  }
}

}  // namespace polder::hub
