#include "hub/store/readers.h"

#include "base/fail.h"

namespace polder::hub {
namespace {

constexpr std::size_t kMaxOpen = 8;

}  // namespace

std::unique_ptr<Database> Readers::take() {
  std::unique_lock lock(mutex_);
  free_.wait(lock, [this] { return !idle_.empty() || open_count_ < kMaxOpen; });
  if (idle_.empty()) {
    ++open_count_;
    return nullptr;
  }
  std::unique_ptr<Database> one = std::move(idle_.back());
  idle_.pop_back();
  return one;
}

void Readers::give_back(std::unique_ptr<Database> one) {
  {
    const std::lock_guard lock(mutex_);
    if (one) idle_.push_back(std::move(one));
    else --open_count_;
  }
  free_.notify_one();
}

Result<Rows> Readers::query(std::string_view sql, const Values& values) {
  while (true) {
    std::unique_ptr<Database> database = take();
    const bool is_old = database != nullptr;
    if (!database) {
      auto made = open_(where_);
      if (!made.ok()) {
        give_back(nullptr);
        return made.error();
      }
      database = *std::move(made);
    }
    Result<Rows> rows = database->query(sql, values);
    const bool is_lost = !rows.ok() && rows.error().code == Code::kUnavailable;
    give_back(is_lost ? nullptr : std::move(database));
    if (!is_lost || !is_old) return rows;
  }
}

}  // namespace polder::hub
