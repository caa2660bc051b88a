#include "hub/rollouts/timer.h"

#include <chrono>
#include <string>

#include "base/fail.h"
#include "hub/rollouts/engine.h"

namespace polder::hub {
namespace {

// Looks are of whole seconds. Of an idle hub it costs one look into an index.
constexpr std::chrono::seconds kEvery{1};

}  // namespace

RolloutTimer::RolloutTimer(const Hub& hub) : hub_(hub), thread_([this] { serve(); }) {}

RolloutTimer::~RolloutTimer() {
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

Status RolloutTimer::turn() {
  const std::int64_t now_s = hub_.wall.now_s();
  TRY_VALUE(const bool is_due, is_any_due(hub_.readers, now_s));
  if (!is_due) return {};
  return write(hub_, [&](Database& database) -> Status {
    const auto due = run_due(database, now_s);
    return due.ok() ? Status() : Status(due.error());
  });
}

void RolloutTimer::serve() {
  std::string told;  // each trouble once
  std::unique_lock lock(mutex_);
  while (!ends_) {
    lock.unlock();
    const Status done = turn();
    const std::string trouble = done.ok() ? "" : "rollouts wait: " + done.error().message;
    if (!trouble.empty() && trouble != told) hub_.log(trouble);
    told = trouble;
    lock.lock();
    wake_.wait_for(lock, kEvery, [this] { return ends_; });
  }
}

}  // namespace polder::hub
