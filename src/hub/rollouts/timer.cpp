#include "hub/rollouts/timer.h"

#include <chrono>
#include <string>

#include "base/fail.h"
#include "hub/rollouts/engine.h"

namespace polder::hub {
namespace {

// Looks are of whole seconds. Of an idle hub it costs one look into an index.
constexpr std::chrono::seconds kEvery{1};
constexpr std::int64_t kSweepEveryS = 3'600;

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
  const auto write = [this](Work work) { return hub::write(hub_, std::move(work)); };
  TRY_VALUE(const Carried carried,
            run_due([this](std::string_view sql,
                           const Values& values) { return hub_.readers.query(sql, values); },
                    write, now_s));
  if (!carried.trouble.empty()) return Error{Code::kCorrupt, carried.trouble};
  if (now_s >= swept_s_ && now_s < swept_s_ + kSweepEveryS) return {};
  swept_s_ = now_s;
  return write([&](Database& database) { return sweep_rollouts(database, now_s); });
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
