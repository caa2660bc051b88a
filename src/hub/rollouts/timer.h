// A thread that carries rollouts on when a look is over or a window opens (rollouts/engine.h).
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

#include "hub/hub.h"

namespace polder::hub {

class RolloutTimer {
 public:
  // Borrows the hub.
  explicit RolloutTimer(const Hub& hub);
  ~RolloutTimer();  // after the step that is being made
  RolloutTimer(const RolloutTimer&) = delete;
  RolloutTimer& operator=(const RolloutTimer&) = delete;

 private:
  void serve();
  Status turn();

  const Hub& hub_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool ends_ = false;
  std::int64_t swept_s_ = 0;  // of the thread alone
  std::thread thread_;
};

}  // namespace polder::hub
