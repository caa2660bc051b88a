#include "hub/store/readers.h"

#include "base/fail.h"

namespace polder::hub {
namespace {

constexpr std::size_t kMaxIdle = 8;

}  // namespace

Result<std::unique_ptr<Database>> Readers::take() {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      std::unique_ptr<Database> one = std::move(idle_.back());
      idle_.pop_back();
      return one;
    }
  }
  return open_database(where_);
}

Result<Rows> Readers::query(std::string_view sql, const Values& values) {
  TRY_VALUE(std::unique_ptr<Database> database, take());
  Result<Rows> rows = database->query(sql, values);
  const std::lock_guard lock(mutex_);
  if (idle_.size() < kMaxIdle) idle_.push_back(std::move(database));
  return rows;
}

}  // namespace polder::hub
