// Keeps one worker going: starts it, listens to it, ends it when it hangs, eats or babbles, starts
// it again after a while, and says when that is a crash loop.
//
//   Supervisor supervisor(processes, clock, policy);
//   supervisor.run(start);
//   for (;;) {
//     supervisor.poll();  // at least once a second; never waits
//     if (supervisor.is_crash_loop()) ...roll back: run() of another release
//   }
//
// Nothing that a worker does ends or blocks its supervisor, which waits two seconds for one that it
// has killed; where the kernel holds that longer, no other is started before it has gone. In a
// crash loop it is still started now and then, for the release that is there may be the only one.
#pragma once

#include <polder/error.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "agent/observed.h"
#include "agent/output_receiver.h"
#include "agent/worker_policy.h"
#include "platform/child.h"
#include "platform/clock.h"
#include "proto/worker.h"

namespace polder::agent {

// Alarms that wait to be taken; of more only the number is known (Observed::Signal::alarms).
inline constexpr std::size_t kMaxAlarms = 64;

enum class WorkerPhase : std::uint8_t {
  kStopped,
  kStarting,  // until its pipeline is built
  kRunning,
  kWaiting,  // to be started again
  kEnded,    // its sources have ended, without an error
};

// Fills in the content keys of a job's models. They are had for each start and kept by nobody
// between: errors are the start's.
using FillKeys = std::function<Status(proto::Start&)>;

// Not thread-safe. The processes and the clock outlive it; its destructor ends the worker.
class Supervisor {
 public:
  Supervisor(Processes& processes, Clock& clock, WorkerPolicy policy)
      : processes_(processes), clock_(clock), policy_(std::move(policy)) {}
  ~Supervisor() { end_child(); }

  // Ends what runs, forgets its crashes, and starts this; what its sinks write is kept in `output`.
  // A start for which the device lacks something, a process or the keys, is tried again and is no
  // crash; what is one is a worker that reports of what has no name among `names` and those of its
  // shadows. `start` is without content keys.
  void run(proto::Start start, ReleaseNames names, FillKeys fill_keys = {},
           OutputPlace output = {});
  // Asks it to stop, and ends it after WorkerPolicy::stop_ms; waits as long.
  void stop();
  void poll();

  WorkerPhase phase() const { return phase_; }
  // Until it has run for WorkerPolicy::crash_window_ms, for who judges its release.
  bool is_crash_loop() const { return crash_loop_; }
  // It runs, or has come to its end, and whatever it failed of seems to be over.
  bool has_recovered() const;
  // The device could not start it, so often in a row as makes a crash loop; reason() says why.
  bool is_hindered() const { return hindered_in_a_row_ >= std::max(policy_.crashes, 1); }
  // Starts that failed since it last ran well for long.
  int failures_in_a_row() const { return crashes_in_a_row_ + hindered_in_a_row_; }
  // Why it ended last, for people; empty: it has not.
  const std::string& reason() const { return reason_; }
  // Its kind; nothing when it ended without a word.
  std::optional<Code> code() const { return code_; }
  // Whether it said that a shadow of it was the cause.
  bool is_by_shadow() const { return by_shadow_; }
  const proto::Start& job() const { return job_; }
  // Of this run(): how often it was started, when it began to run last.
  std::uint64_t starts() const { return starts_; }
  // Which of its starts failed last; 0: none.
  std::uint64_t failed_start() const { return failed_start_; }
  std::int64_t running_since_us() const { return running_since_us_; }
  // On the clock; none: it does not wait to be started again.
  std::optional<std::int64_t> next_start_us() const {
    return phase_ == WorkerPhase::kWaiting ? std::optional(next_start_us_) : std::nullopt;
  }
  std::uint64_t frames() const { return beat_.frames; }
  bool has_own_network() const { return child_ && child_->has_own_network(); }

  // All that was reported since the supervisor was made, and since it was taken last.
  const Observed& total() const { return total_; }
  Observed take_window() { return std::exchange(window_, Observed()); }
  std::deque<SignalAlarm> take_alarms() { return std::exchange(alarms_, {}); }

 private:
  void start_child();
  bool is_leaving();
  Status send(proto::Start job);
  void listen();
  Status take(std::string_view bytes);
  Status take(const proto::Ready& ready);
  Status take(const proto::Aggregates& all);
  Status take(const proto::Alarm& alarm);
  Status spend_message();
  void check_time();
  void count_output();
  void see_output();
  void see_exit();
  // With what it had sent to be kept.
  void end_child();
  // Without a code it ended without a word.
  void crash(std::string reason, std::optional<Code> code);
  void hinder(const Error& error);
  void start_again_later(int failures_before);
  void crash(const Error& error) { crash(error.message, error.code); }

  Processes& processes_;
  Clock& clock_;
  WorkerPolicy policy_;
  std::unique_ptr<ChildProcess> child_;
  std::unique_ptr<ChildProcess> leaving_;  // was killed, and has not ended yet
  proto::Start job_;
  FillKeys fill_keys_;
  OutputPlace output_;
  std::unique_ptr<OutputReceiver> receiver_;  // none: nothing is kept
  ReleaseNames release_names_;
  WorkerPhase phase_ = WorkerPhase::kStopped;
  bool crash_loop_ = false;
  std::string reason_;
  std::optional<Code> code_;
  bool by_shadow_ = false;
  std::uint64_t starts_ = 0;
  std::uint64_t failed_start_ = 0;
  int crashes_in_a_row_ = 0, hindered_in_a_row_ = 0;
  std::deque<std::int64_t> crash_times_us_;
  std::int64_t last_life_us_ = 0;  // how long it ran before its last crash
  std::int64_t started_us_ = 0, running_since_us_ = 0, heard_us_ = 0, next_start_us_ = 0;
  std::optional<proto::Ready> names_;
  std::optional<proto::Ended> ended_;
  proto::Heartbeat beat_;
  double messages_left_ = 0;
  std::int64_t messages_at_us_ = 0;
  Observed total_, window_;
  std::deque<SignalAlarm> alarms_;
};

}  // namespace polder::agent
