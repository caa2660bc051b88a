// The fake of Processes: children that are functions. For tests and the simulator.
#pragma once

#include <deque>
#include <functional>
#include <utility>

#include "platform/child.h"
#include "platform/clock.h"

namespace polder {

// What a fake child does; shared by the child and whoever plays it. Time-outs pass on the clock.
struct FakeChildScript {
  // Called with each message of the supervisor; what it answers is in `outbox`.
  std::function<void(FakeChildScript&, std::string_view)> on_message;
  std::deque<std::string> outbox;  // what the supervisor receives, first come first served
  std::optional<ChildExit> exit;   // set: it has ended
  bool is_deaf = false;            // it takes nothing (a hang)
  bool is_held = false;            // by the kernel: a kill does not end it
};

class FakeChild final : public ChildProcess {
 public:
  FakeChild(std::shared_ptr<FakeChildScript> script, ManualClock& clock, int pid)
      : script_(std::move(script)), clock_(clock), pid_(pid) {}
  Status send(std::string_view message) override {
    if (script_->exit) return Error{Code::kUnavailable, "the other process has gone"};
    if (script_->is_deaf) return Error{Code::kTimeout, "the other process does not take it"};
    if (script_->on_message) script_->on_message(*script_, message);
    return {};
  }
  Result<std::optional<std::string>> receive(std::int64_t timeout_ms) override {
    if (script_->outbox.empty()) {
      if (script_->exit) return Error{Code::kUnavailable, "the other process has gone"};
      clock_.advance_us(timeout_ms * 1000);
      return std::optional<std::string>();
    }
    std::string message = std::move(script_->outbox.front());
    script_->outbox.pop_front();
    return std::optional<std::string>(std::move(message));
  }
  Result<std::optional<ChildExit>> wait(std::int64_t timeout_ms) override {
    if (!script_->exit) clock_.advance_us(timeout_ms * 1000);
    return std::optional<ChildExit>(script_->exit);
  }
  void kill() override {
    if (!script_->exit && !script_->is_held) script_->exit = ChildExit{.signal = 9};
  }
  int pid() const override { return pid_; }
  bool has_own_network() const override { return true; }

 private:
  std::shared_ptr<FakeChildScript> script_;
  ManualClock& clock_;
  int pid_;
};

class FakeProcesses final : public Processes {
 public:
  explicit FakeProcesses(ManualClock& clock) : clock_(clock) {}
  // Makes the script of each child that is started; an error is start()'s.
  std::function<Result<std::shared_ptr<FakeChildScript>>(const ChildOptions&)> on_start;
  int started = 0;

  Result<std::unique_ptr<ChildProcess>> start(const ChildOptions& options) override {
    auto script = on_start(options);
    if (!script.ok()) return std::move(script).error();
    return std::unique_ptr<ChildProcess>(std::make_unique<FakeChild>(*script, clock_, ++started));
  }

 private:
  ManualClock& clock_;
};

}  // namespace polder
