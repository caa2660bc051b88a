// Runs a pipeline's nodes on a few threads.
//
// Replay (the default) knows no wall time. When every edge blocks, the nodes form a Kahn network:
// what each node sees does not depend on the threads, so neither do the results. When an edge
// drops, nodes start and end in virtual time (capture times and each node's cost_us), results are
// applied in that order, and so the drops are the same for any number of threads as well. In real
// time, sources wait for the clock and drops depend on it.
#pragma once

#include <polder/error.h>

#include <atomic>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "pipeline/graph.h"
#include "platform/clock.h"

namespace polder::pipeline {

struct Progress {
  std::uint64_t frames = 0;
  std::uint64_t expected = 0;  // 0: unknown
  double elapsed_s = 0;
};

// Sees the calls of each node, for telemetry. Those of one node come one after the other, on any
// thread; those of different nodes may come at the same time.
class NodeObserver {
 public:
  virtual ~NodeObserver() = default;
  virtual void before(std::size_t index) = 0;
  // `result`: what it emitted, or nullptr. Nothing of it may be kept.
  virtual void after(std::size_t index, const Node& node, std::int64_t took_ns,
                     const Packet* result) = 0;
};

struct RunOptions {
  int threads = 1;  // at least 1, the caller's thread included
  bool realtime = false;
  Clock* clock = nullptr;  // real time only; nullptr: the machine's
  std::function<void(const Progress&)> on_progress =
      nullptr;                              // at most 5 times a second, from any thread
  const std::atomic<bool>* stop = nullptr;  // when true, sources end early
  NodeObserver* observer = nullptr;
};

// Runs until every source has ended and every node has finished. `nodes` are those of `graph`, in
// its order. Commits the sinks at the end. A source's error after its first packet is a line in
// RunStats::problems; any other error is returned, and nothing is committed. kExhausted when the
// system does not give the threads.
Result<RunStats> run_pipeline(const Graph& graph, std::span<const std::unique_ptr<Node>> nodes,
                              const RunOptions& options);

}  // namespace polder::pipeline
