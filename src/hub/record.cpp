#include "hub/record.h"

#include <chrono>
#include <utility>

#include "base/fail.h"
#include "hub/store/ask.h"
#include "hub/tokens.h"

namespace polder::hub {
namespace {

constexpr std::chrono::seconds kSignEvery{60};
constexpr std::chrono::seconds kTryAgain{10};
constexpr int kAtOnce = 500;

Result<trust::Record> record_of(const Row& row) {
  TRY_VALUE(const trust::Act act, trust::act_from_name(row[3].text()));
  TRY_VALUE(const trust::Json json, trust::Json::parse(row[5].text(), "audit_pending.details"));
  trust::Json::Members details = json.members() ? *json.members() : trust::Json::Members{};
  details.emplace("id", row[0].text());
  return trust::Record{row[1].integer(), row[2].text(), act, row[4].text(), std::move(details)};
}

}  // namespace

Status put_on_record(Database& database, const trust::Record& record) {
  TRY_VALUE(const std::string id, random_name());
  return tell(database,
              "INSERT INTO audit_pending (place, id, time_s, actor, act, object, details) "
              "SELECT COALESCE(MAX(place), 0) + 1, CAST(? AS TEXT), CAST(? AS BIGINT), "
              "CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT) "
              "FROM audit_pending",
              {id, record.time_s, record.actor, trust::act_name(record.act), record.object,
               trust::Json(record.details).compact()});
}

Recorder::Recorder(trust::AuditLog log, std::unique_ptr<trust::Signer> signer, Writer& writer,
                   Readers& readers, std::function<void(std::string)> trouble)
    : log_(std::move(log)),
      signer_(std::move(signer)),
      writer_(writer),
      readers_(readers),
      trouble_(std::move(trouble)),
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

Status Recorder::move_all() {
  while (true) {
    TRY_VALUE(const Rows rows,
              readers_.query("SELECT id, time_s, actor, act, object, details FROM audit_pending "
                             "ORDER BY place LIMIT ?",
                             {kAtOnce}));
    if (rows.empty()) return {};
    for (const Row& row : rows) {
      TRY_VALUE(const trust::Record record, record_of(row));
      const auto appended = log_.append(record);
      if (!appended.ok()) return appended.error();
    }
    Status done = writer_.write([&](Database& database) -> Status {
      for (const Row& row : rows)
        TRY(database.run("DELETE FROM audit_pending WHERE id = ?", {row[0]}));
      return {};
    });
    TRY(std::move(done));
  }
}

void Recorder::serve() {
  using Clock = std::chrono::steady_clock;
  Clock::time_point signed_at = Clock::now() - kSignEvery;
  std::unique_lock lock(mutex_);
  while (true) {
    const bool is_last = ends_;
    has_new_ = false;
    lock.unlock();
    Status done = move_all();
    const bool is_due = log_.size() > log_.covered() && Clock::now() - signed_at >= kSignEvery;
    if (done.ok() && (is_due || is_last)) {
      signed_at = Clock::now();
      if (const auto note = log_.checkpoint(*signer_); !note.ok()) done = note.error();
    }
    if (!done.ok()) trouble_("the audit log: " + done.error().message);
    lock.lock();
    if (is_last) return;
    if (done.ok()) wake_.wait_for(lock, kSignEvery, [this] { return ends_ || has_new_; });
    else wake_.wait_for(lock, kTryAgain, [this] { return ends_; });
  }
}

}  // namespace polder::hub
