// The interface of sources, steps and sinks, and the record by which the loader knows a type.
#pragma once

#include <polder/error.h>

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/toml.h"
#include "pipeline/packet.h"
#include "pipeline/stats.h"
#include "platform/file.h"
#include "runtime/executor.h"

namespace polder::pipeline {

// Where a node puts its result. At most one packet per call of process() or finish().
class Emitter {
 public:
  explicit Emitter(PayloadPool* pool) : pool_(pool) {}

  // A payload from the node's pool, with whatever its last user left in it.
  template <class T>
  T& acquire() {
    packet_.payload = pool_->acquire();
    POLDER_CHECK(packet_.payload);  // the loader sizes the pool for all packets in flight
    return static_cast<T&>(*packet_.payload.get());
  }
  // Emits the acquired payload with the header of the packet that it comes from.
  void emit(const Packet& origin) {
    PayloadRef payload = std::move(packet_.payload);
    packet_ = origin;
    packet_.payload = std::move(payload);
    emitted_ = true;
  }
  // A source: emits the acquired payload as packet `seq`, captured from `t_capture_us` on.
  void emit(std::uint64_t seq, std::int64_t t_capture_us, std::int64_t duration_us = 0) {
    packet_.seq = seq;
    packet_.t_capture_us = t_capture_us;
    packet_.duration_us = duration_us;
    emitted_ = true;
  }
  // A source: nothing more will come.
  void end() { ended_ = true; }
  // The packet asked for no work (it is not the n-th): its call does not count among latencies.
  void pass_over() { passed_over_ = true; }

  bool emitted() const { return emitted_; }
  bool ended() const { return ended_; }
  bool passed_over() const { return passed_over_; }
  Packet& packet() { return packet_; }

 private:
  PayloadPool* pool_;
  Packet packet_;
  bool emitted_ = false, ended_ = false, passed_over_ = false;
};

// One call at a time, in the order of the packets; successive calls may come from different
// threads. A node keeps no reference to a packet after the call.
class Node {
 public:
  virtual ~Node() = default;
  // One packet from each input, all of the same capture time; a source gets none and makes the next
  // one: its error ends its stream, and what came before is kept. A source that fails before its
  // first packet fails the run, and so does an error of any other node. A source may also emit
  // nothing and be called again.
  virtual Status process(std::span<const Packet> inputs, Emitter& out) = 0;
  // After the last packet.
  virtual Status finish(Emitter&) { return {}; }
  // A sink: writes what is known only now. After every node has finished without an error.
  virtual Status complete(const RunStats&) { return {}; }
  // A sink: puts its file in place. After every node has completed without an error, so that a disk
  // that is full at one sink leaves none.
  virtual Status commit() { return {}; }
  // A source: what it could not read and passed over, a line each. After the run.
  virtual std::vector<std::string> problems() const { return {}; }
  // A source: how many packets it will make, when it knows.
  virtual std::optional<std::uint64_t> expected_packets() const { return {}; }
  virtual Traffic traffic() const { return {}; }
  // Final numbers for the summary.
  virtual std::vector<Counter> counters() const { return {}; }
};

// What one infer node asks of the engine.
struct ModelRequest {
  std::string path;
  int threads = 1;  // that one run may use
  // By name: extents of inputs, -1 for what the model says, and largest extents of free dimensions.
  std::vector<std::pair<std::string, std::vector<std::int64_t>>> shapes;
  std::vector<std::pair<std::string, std::int64_t>> bounds;
};
using ExecutorFactory = std::function<Result<std::unique_ptr<Executor>>(const ModelRequest&)>;

// What nodes get from outside.
struct Environment {
  std::string input_folder = ".";   // relative paths of inputs start here: the pipeline's folder
  std::string output_folder = ".";  // relative paths of outputs start here
  FileStore* files = nullptr;       // outlives the nodes
  bool realtime = false;            // somebody waits for what sinks write
  ExecutorFactory open_model;
  std::string plugin_folder;  // where plug-ins are; empty: beside the program
};

// `path` as a path from the working folder: itself when absolute, else below `folder`.
std::string path_in(const std::string& folder, const std::string& path);
// Without empty and "." parts: "./a//b" is "a/b".
std::string plain_path(std::string_view path);
// An output path: relative and without "..", so that a pipeline writes below its output folder
// only.
Result<std::string> output_path(const Environment& environment, const Settings& settings,
                                std::string_view option);

// The error with the node's name before it, unless it tells the node's place in the file.
Error at_node(Error error, std::string_view name);

struct InputPort {
  std::string_view name;
  unsigned kinds = 0;     // PayloadKind bits
  bool repeated = false;  // the last port only: takes any number of inputs, also none
};

constexpr unsigned bit(PayloadKind kind) { return unsigned(kind); }

struct NodeType {
  std::string_view name;
  std::string_view group;  // "source", "step", "sink"
  std::string_view doc;
  std::span<const Option> options;
  std::span<const InputPort> inputs;  // none: a source
  PayloadKind output = PayloadKind::kNone;
  // Whether the output shows what the sensor saw: raw in gives raw out. Sources are raw.
  bool output_is_raw = false;
  // Whether it writes to a disk or a network; raw inputs then need the graph's permission.
  bool stores = false;
  Result<std::unique_ptr<Node>> (*make)(const Settings& settings, const Environment& environment);
};

// Every type of node, sources first.
std::span<const NodeType* const> node_types();
const NodeType* find_node_type(std::string_view name);

}  // namespace polder::pipeline
