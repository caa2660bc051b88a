// Keeps what a worker's sinks write, for the worker itself may write no file at all: below a cap
// (agent/kept_output.h), whatever a worker sends that has been taken over. A slow disk, and more
// than WorkerPolicy::output_bytes_per_s, slows the sinks and nothing else: the worker waits for
// this thread, and nobody waits for the worker.
#pragma once

#include <polder/error.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "agent/kept_output.h"
#include "agent/worker_policy.h"
#include "platform/child.h"
#include "platform/storage.h"
#include "platform/thread.h"
#include "proto/output.h"

namespace polder::agent {

// Of a line that comes in pieces; more is not kept waiting for its end.
inline constexpr std::size_t kMaxLineBytes = 1 << 20;
// What a message costs beside its bytes, of those that are taken in a second.
inline constexpr std::uint64_t kMessageCostBytes = 4096;

struct OutputPlace {
  std::string folder;  // made when it is not there; empty: nothing is kept
  std::uint64_t cap_bytes = 0;
};

// Of one start of a worker. Where the folder cannot be used, all is lost and counted.
class OutputReceiver {
 public:
  OutputReceiver(const OutputPlace& place, const WorkerPolicy& policy);
  ~OutputReceiver() { end(); }

  // Receives from now on. Errors: kExhausted where there are no more threads.
  Status begin(std::unique_ptr<Channel> channel);
  // Once the worker has ended: keeps what it had sent before, and throws away its unfinished files.
  void end();

  // The worker's side is closed, and everything that it has sent is written.
  bool is_over() const { return is_over_; }
  // What it may not send, upon which nothing more is received.
  std::optional<Error> error() const;
  // What has come since it was asked last.
  KeptCounts take_counts();

 private:
  struct File {
    std::unique_ptr<OutputFile> out;  // none: it is complete
    bool has_lines = false;
    std::string unfinished;  // of its last line
  };
  void receive();
  Status take(std::string_view bytes);
  Status take(const proto::CreateFile& create);
  Status take(const proto::WriteFile& write);
  Status take(const proto::CommitFile& commit);
  Status add_lines(File& file, std::string_view bytes);
  void hold_back();
  double bytes_left();
  Result<File*> open_file(std::uint8_t number);
  std::uint64_t waiting_bytes() const;

  const WorkerPolicy policy_;
  std::unique_ptr<DiskStorage> folder_;
  std::unique_ptr<KeptOutput> kept_;
  std::unique_ptr<Channel> channel_;
  std::vector<File> files_;
  double bytes_left_;  // that may come now; below 0 it has come before its time
  std::int64_t counted_at_ns_;
  std::atomic<bool> is_ending_{false}, is_over_{false};
  mutable std::mutex mutex_;
  std::optional<Error> error_;
  std::uint64_t cut_bytes_ = 0;  // of lines that have no end
  KeptCounts told_;
  ThreadGroup thread_;
};

}  // namespace polder::agent
