// What a worker may take, and when it is given up.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace polder::agent {

struct WorkerPolicy {
  // The program and its arguments that make it a worker: {kThisProgram, "worker"}.
  std::vector<std::string> command;
  std::uint64_t memory_bytes = 0;  // of address space; 0: no limit
  std::int64_t start_timeout_ms = 60'000;
  std::int64_t heartbeat_timeout_ms = 10'000;
  std::int64_t busy_timeout_ms = 30'000;  // one call of one stage
  std::int64_t stop_ms = 2'000;           // until a stop is a kill
  // After the n-th crash in a row it is started again after a time that doubles.
  std::int64_t first_wait_ms = 1'000, longest_wait_ms = 60'000;
  // So many in that time are a crash loop.
  int crashes = 4;
  std::int64_t crash_window_ms = 600'000;
  // Running for so long, and longer than the last time, it has recovered.
  std::int64_t recovered_ms = 30'000;
  // Of its messages; a worker that says more is ended.
  int messages_per_s = 500, message_burst = 2'000;
  // Of what its sinks write; those of a worker that writes more wait.
  std::uint64_t output_bytes_per_s = 32 << 20, output_burst_bytes = 512 << 20;
};

}  // namespace polder::agent
