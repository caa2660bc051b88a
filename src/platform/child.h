// Child processes that cannot outlive, outgrow or outreach their supervisor.
//
//   SystemProcesses processes;
//   ChildOptions options{.command = {program, "worker"}, .memory_bytes = 256 << 20};
//   TRY_VALUE(auto worker, processes.start(options));
//   TRY(worker->send("ping"));
//   TRY_VALUE(const auto answer, worker->receive(1000));
//
// and in the worker, first of all:
//
//   TRY_VALUE(auto channel, open_channel());
//   TRY(confine_this_process());
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace polder {

// Of one message on a channel.
inline constexpr std::size_t kMaxMessageBytes = 64 << 10;

// Messages both ways between a supervisor and its child, each whole or not at all. Not thread-safe.
class Channel {
 public:
  virtual ~Channel() = default;
  // Does not wait. Errors: kExhausted for a message that is empty or longer than kMaxMessageBytes,
  // kTimeout when the other side has not taken what was sent before, kUnavailable when it has gone.
  virtual Status send(std::string_view message) = 0;
  // Nothing when none comes within `timeout_ms`. Errors: kUnavailable when the other side has gone
  // and everything that it sent was received.
  virtual Result<std::optional<std::string>> receive(std::int64_t timeout_ms) = 0;
};

// How a process ended, and what it took.
struct ChildExit {
  int status = 0;           // what it returned, if no signal ended it
  int signal = 0;           // what ended it, or 0
  std::int64_t cpu_us = 0;  // of all its threads
  std::uint64_t max_resident_bytes = 0;
};

struct ChildOptions {
  std::vector<std::string> command;      // a path and its arguments
  std::vector<std::string> environment;  // "NAME=value"; nothing is inherited
  std::string folder = "/";              // where it runs
  // 0: no limit of ours. Beyond its address space an allocation fails; beyond its time of processor
  // it is ended.
  std::uint64_t memory_bytes = 0;
  std::uint64_t cpu_s = 0;
  std::uint64_t open_files = 256;
  bool has_output = false;  // a second channel, one way (ChildProcess::take_output())
  // Its kernel refuses it sockets, and it gets a network name space of its own where this process
  // may make one (ChildProcess::has_own_network()).
  bool deny_network = true;
};

// One child. Its destructor ends it and what it started. It waits a moment for that: what the
// kernel holds longer, for a device or a disk that does not answer, is reaped when another one is
// started. Not thread-safe.
class ChildProcess : public Channel {
 public:
  // Its end, once; nothing while it runs. Errors: kIo.
  virtual Result<std::optional<ChildExit>> wait(std::int64_t timeout_ms) = 0;
  // Ends it and its process group at once.
  virtual void kill() = 0;
  virtual int pid() const = 0;
  virtual bool has_own_network() const = 0;
  // Our end of its second channel, to be received from, by any thread; once. None where it was
  // started without one.
  virtual std::unique_ptr<Channel> take_output() { return nullptr; }
};

class Processes {
 public:
  virtual ~Processes() = default;
  // Errors: kInvalid, kNotFound (no such program), kDenied, kUnavailable (also when its program's
  // disk does not answer).
  virtual Result<std::unique_ptr<ChildProcess>> start(const ChildOptions& options) = 0;
};

// Those of the machine. A child is a session of its own; has /dev/null as its input, output and
// error (in a build for sanitizers our standard error as the last two), the channel as descriptor
// 3, the second one as 4, and no other descriptor; every signal as after boot; no core file, no new
// privileges. It is killed when the thread that started it ends.
class SystemProcesses final : public Processes {
 public:
  Result<std::unique_ptr<ChildProcess>> start(const ChildOptions& options) override;
};

// In a child: the channel to its supervisor. Errors: kUnavailable when there is none.
Result<std::unique_ptr<Channel>> open_channel();
// In a child: the second channel, to send on. Its send() waits until there is room: no kTimeout.
Result<std::unique_ptr<Channel>> open_output_channel();

// From now on the kernel allows this process, for good, what running a pipeline takes: reading
// files (which, see platform/confine_files.h), memory, threads, clocks, its channels. Everything
// else it refuses with EPERM: files to be written, made, renamed or removed, sockets, other
// programs, child processes, signals to others and settings of theirs, modes and owners of files,
// tracing, unbinding itself from its supervisor. Others of its user cannot read it
// (hide_this_process()). For a process with one thread. Errors: kUnsupported where the kernel
// cannot.
Status confine_this_process();

}  // namespace polder
