#include "hub/store/readers.h"

#include "base/fail.h"

namespace polder::hub {
namespace {

constexpr std::size_t kMaxIdle = 32;  // one for each thread of the server

}  // namespace

std::unique_ptr<Database> Readers::take() {
  const std::lock_guard lock(mutex_);
  if (idle_.empty()) return nullptr;
  std::unique_ptr<Database> one = std::move(idle_.back());
  idle_.pop_back();
  return one;
}

Result<Rows> Readers::query(std::string_view sql, const Values& values) {
  while (true) {
    std::unique_ptr<Database> database = take();
    const bool is_old = database != nullptr;
    if (!database) {
      TRY_VALUE(database, open_(where_));
    }
    Result<Rows> rows = database->query(sql, values);
    if (!rows.ok() && rows.error().code == Code::kUnavailable) {
      if (is_old) continue;  // without that connection
      return rows;
    }
    const std::lock_guard lock(mutex_);
    if (idle_.size() < kMaxIdle) idle_.push_back(std::move(database));
    return rows;
  }
}

}  // namespace polder::hub
