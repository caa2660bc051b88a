#include "agent/supervisor.h"

#include <algorithm>

#include "agent/shadow.h"
#include "base/fail.h"

namespace polder::agent {
namespace {

// Messages that one poll takes: others have their turn then.
constexpr int kMessagesAtOnce = 256;
// For a worker that was killed to end.
constexpr std::int64_t kEndMs = 2'000;
// Of the first wait, in a row.
constexpr int kMostDoublings = 30;

std::string exit_text(const ChildExit& exit) {
  if (exit.signal != 0)
    return fmt::format("it was ended by signal {}, after {:.1f} s of processor and with {} KB",
                       exit.signal, double(exit.cpu_us) * 1e-6, exit.max_resident_bytes >> 10);
  return fmt::format("it ended with status {} and without a word", exit.status);
}

}  // namespace

void Supervisor::run(proto::Start start, ReleaseNames names, FillKeys fill_keys,
                     OutputPlace output) {
  stop();
  job_ = std::move(start);
  output_ = std::move(output);
  job_.has_output = !output_.folder.empty();
  fill_keys_ = std::move(fill_keys);
  release_names_ = std::move(names);
  for (const proto::ShadowModel& shadow : job_.shadows) {
    const std::string& model = shadow.model.name;
    release_names_.stages.insert({shadow_old_stage(model), shadow_new_stage(model)});
    for (std::string& name : shadow_signals(model)) release_names_.signals.insert(std::move(name));
  }
  crash_loop_ = false;
  crashes_in_a_row_ = hindered_in_a_row_ = 0;
  crash_times_us_.clear();
  reason_.clear();
  code_.reset();
  by_shadow_ = false;
  starts_ = 0;
  last_life_us_ = 0;
  start_child();
}

void Supervisor::stop() {
  if (child_ && phase_ == WorkerPhase::kRunning) {
    const auto message = proto::encode(proto::ToWorker(proto::Stop()));
    if (message && child_->send(*message)) {
      static_cast<void>(child_->wait(policy_.stop_ms));
      listen();  // the last that it had to say
    }
  }
  end_child();
  phase_ = WorkerPhase::kStopped;
}

// Whether one that was killed is still held by the kernel. No second one is started beside it: it
// may have the device that the pipeline reads, and its memory.
bool Supervisor::is_leaving() {
  if (!leaving_) return false;
  const auto exit = leaving_->wait(0);
  if (exit.ok() && !*exit) return true;
  leaving_.reset();
  return false;
}

void Supervisor::start_child() {
  if (is_leaving())
    return hinder(fail(Code::kUnavailable,
                       "its process {} was ended and does not go: a disk or a device does not "
                       "answer, see 'dmesg'; it is started again once that has gone",
                       leaving_->pid()));
  ++starts_;
  ++total_.starts;
  ++window_.starts;
  phase_ = WorkerPhase::kStarting;
  started_us_ = heard_us_ = messages_at_us_ = clock_.now_us();
  messages_left_ = policy_.message_burst;
  names_.reset();
  ended_.reset();
  beat_ = {};
  auto child = processes_.start({.command = policy_.command,
                                 .environment = {},
                                 .memory_bytes = policy_.memory_bytes,
                                 .has_output = job_.has_output});
  if (!child) return hinder(child.error());
  child_ = std::move(*child);
  if (auto channel = child_->take_output()) {
    receiver_ = std::make_unique<OutputReceiver>(output_, policy_);
    if (const Status begun = receiver_->begin(std::move(channel)); !begun)
      return hinder(begun.error());
  }
  proto::Start job = job_;
  if (fill_keys_) {
    if (const Status filled = fill_keys_(job); !filled) return hinder(filled.error());
  }
  if (const Status sent = send(std::move(job)); !sent) {
    see_exit();
    if (child_) crash(sent.error());
  }
}

Status Supervisor::send(proto::Start job) {
  TRY_VALUE(std::string message, proto::encode(proto::ToWorker(std::move(job))));
  Status sent = child_->send(message);
  wipe(message);
  return sent;
}

void Supervisor::poll() {
  const std::int64_t now_us = clock_.now_us();
  if (phase_ == WorkerPhase::kWaiting && now_us >= next_start_us_) start_child();
  if (!child_) return;
  listen();
  if (child_) see_output();
  if (child_) see_exit();
  if (child_) check_time();
  if (phase_ == WorkerPhase::kRunning &&
      now_us - running_since_us_ >= policy_.crash_window_ms * 1000) {
    crash_loop_ = false;
    crashes_in_a_row_ = 0;
  }
}

bool Supervisor::has_recovered() const {
  if (phase_ != WorkerPhase::kRunning) return phase_ == WorkerPhase::kEnded;
  const std::int64_t life_us = clock_.now_us() - running_since_us_;
  return life_us >= policy_.recovered_ms * 1000 && life_us > last_life_us_;
}

// Takes what has come. A message that may not be ends the worker.
void Supervisor::listen() {
  for (int i = 0; i < kMessagesAtOnce; ++i) {
    auto message = child_->receive(0);
    if (!message) {
      // That it has gone is seen by its exit; a message that is too long is its fault.
      if (message.error().code == Code::kUnavailable) return;
      return crash(message.error());
    }
    if (!*message) return;
    Status status = spend_message();
    if (status) status = take(**message);
    if (!status) return crash(status.error());
  }
}

Status Supervisor::spend_message() {
  const std::int64_t now_us = clock_.now_us();
  messages_left_ =
      std::min(messages_left_ + double(now_us - messages_at_us_) * 1e-6 * policy_.messages_per_s,
               double(policy_.message_burst));
  messages_at_us_ = now_us;
  if (messages_left_ < 1)
    return fail(Code::kExhausted, "it sends more than {} messages a second",
                policy_.messages_per_s);
  messages_left_ -= 1;
  return {};
}

Status Supervisor::take(std::string_view bytes) {
  TRY_VALUE(proto::FromWorker message, proto::decode_from_worker(bytes));
  heard_us_ = clock_.now_us();
  if (ended_) return fail(Code::kCorrupt, "it goes on after its end");
  if (const auto* ready = std::get_if<proto::Ready>(&message)) return take(*ready);
  if (auto* ended = std::get_if<proto::Ended>(&message)) {
    ended_ = std::move(*ended);
    return {};
  }
  if (const auto* beat = std::get_if<proto::Heartbeat>(&message)) {
    beat_ = *beat;
    return {};
  }
  if (!names_) return fail(Code::kCorrupt, "it reports before it is ready");
  if (const auto* all = std::get_if<proto::Aggregates>(&message)) return take(*all);
  if (const auto* alarm = std::get_if<proto::Alarm>(&message)) return take(*alarm);
  return fail(Code::kCorrupt, "it answers what it was not asked");
}

Status Supervisor::take(const proto::Ready& ready) {
  if (names_) return fail(Code::kCorrupt, "it is ready twice");
  const auto are_known = [](const std::vector<std::string>& said, const auto& known) {
    return std::ranges::all_of(said, [&](const std::string& name) { return known.contains(name); });
  };
  if (!are_known(ready.stages, release_names_.stages) ||
      !are_known(ready.signals, release_names_.signals))
    return fail(Code::kCorrupt, "it reports of what its release does not have");
  names_ = ready;
  hindered_in_a_row_ = 0;
  phase_ = WorkerPhase::kRunning;
  running_since_us_ = clock_.now_us();
  return {};
}

Status Supervisor::take(const proto::Aggregates& all) {
  TRY(total_.add(*names_, release_names_.classes, all));
  return window_.add(*names_, release_names_.classes, all);
}

Status Supervisor::take(const proto::Alarm& alarm) {
  TRY(total_.add(*names_, alarm));
  TRY(window_.add(*names_, alarm));
  if (alarms_.size() < kMaxAlarms)
    alarms_.push_back({names_->signals[alarm.signal], alarm.evidence, alarm.mean_run});
  return {};
}

void Supervisor::count_output() {
  const KeptCounts counts = receiver_->take_counts();
  total_.add(counts);
  window_.add(counts);
}

void Supervisor::see_output() {
  if (!receiver_) return;
  count_output();
  if (const auto error = receiver_->error()) crash(*error);
}

void Supervisor::end_child() {
  if (child_) {
    child_->kill();
    const auto exit = child_->wait(kEndMs);
    if (exit.ok() && !*exit) leaving_ = std::move(child_);
  }
  child_.reset();
  if (!receiver_) return;
  receiver_->end();
  count_output();
  receiver_.reset();
}

void Supervisor::see_exit() {
  const auto exit = child_->wait(0);
  if (!exit) return crash(exit.error());
  if (!*exit) return;
  listen();  // what it said before
  if (!child_) return;
  heard_us_ = clock_.now_us();
  if (receiver_ && !receiver_->is_over()) return;  // the disk is slower than it was
  see_output();
  if (!child_) return;
  if (ended_ && !ended_->error && (*exit)->signal == 0) {
    end_child();
    phase_ = WorkerPhase::kEnded;
    reason_ = "its sources have ended";
    return;
  }
  if (ended_ && ended_->error) {
    by_shadow_ = ended_->by_shadow;
    return crash(ended_->message, ended_->error);
  }
  crash(exit_text(**exit), {});
}

void Supervisor::check_time() {
  const std::int64_t now_us = clock_.now_us();
  if (phase_ == WorkerPhase::kStarting) {
    if (now_us - started_us_ > policy_.start_timeout_ms * 1000)
      crash(fmt::format("it was not ready after {} s", policy_.start_timeout_ms / 1000),
            Code::kTimeout);
  } else if (now_us - heard_us_ > policy_.heartbeat_timeout_ms * 1000) {
    crash(fmt::format("no sign of life for {} s", policy_.heartbeat_timeout_ms / 1000),
          Code::kTimeout);
  } else if (beat_.busy_ms > std::uint64_t(policy_.busy_timeout_ms)) {
    crash(fmt::format("one of its stages has worked on one frame for {} s", beat_.busy_ms / 1000),
          Code::kTimeout);
  }
}

void Supervisor::crash(std::string reason, std::optional<Code> code) {
  end_child();
  reason_ = std::move(reason);
  failed_start_ = starts_;
  code_ = code;
  total_.add_crash(code);
  window_.add_crash(code);
  const std::int64_t now_us = clock_.now_us();
  last_life_us_ = phase_ == WorkerPhase::kRunning ? now_us - running_since_us_ : 0;
  crash_times_us_.push_back(now_us);
  while (crash_times_us_.front() < now_us - policy_.crash_window_ms * 1000 ||
         int(crash_times_us_.size()) > std::max(policy_.crashes, 1))
    crash_times_us_.pop_front();
  crash_loop_ |= int(crash_times_us_.size()) >= policy_.crashes;
  hindered_in_a_row_ = 0;
  start_again_later(crash_loop_ ? kMostDoublings : crashes_in_a_row_);
  ++crashes_in_a_row_;
}

// The release has not had its turn: whatever it was, it is the device's.
void Supervisor::hinder(const Error& error) {
  end_child();
  reason_ = error.message;
  code_ = Code::kUnavailable;
  failed_start_ = starts_;
  start_again_later(hindered_in_a_row_++);
}

void Supervisor::start_again_later(int failures_before) {
  const int doublings = std::min(failures_before, kMostDoublings);
  const std::int64_t wait_ms =
      std::min(policy_.first_wait_ms << doublings, policy_.longest_wait_ms);
  next_start_us_ = clock_.now_us() + wait_ms * 1000;
  phase_ = WorkerPhase::kWaiting;
}

}  // namespace polder::agent
