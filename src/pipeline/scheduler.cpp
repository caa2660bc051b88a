#include "pipeline/scheduler.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>

#include "base/fail.h"
#include "pipeline/edge.h"
#include "platform/memory.h"
#include "platform/thread.h"

namespace polder::pipeline {
namespace {

constexpr std::int64_t kProgressStep_us = 200'000;
constexpr std::int64_t kSleepSlice_us = 2'000;

// The life of one call: a node is idle, its call waits for a thread, runs, has returned and waits
// for its turn to be applied. Ended nodes stay so.
enum class State : std::uint8_t { kIdle, kQueued, kRunning, kReturned, kEnded };

struct NodeRun {
  const NodeSpec* spec = nullptr;
  Node* node = nullptr;
  std::vector<Edge*> in, out;
  PayloadPool* pool = nullptr;

  State state = State::kIdle;
  bool finishing = false;      // the call is finish()
  std::vector<Packet> inputs;  // of the call
  Packet result;               // of the call
  bool has_result = false, source_ended = false;
  Status status;
  std::int64_t started_us = 0;  // virtual
  std::int64_t arrival_us = 0;  // of its packet in the pipeline
  std::uint64_t given = 0;      // packets of a source

  std::uint64_t late = 0;
  Drops late_drops{};
  LatencyHistogram latency;
  std::uint64_t passed_over = 0;

  bool is_source() const { return in.empty(); }
};

class Run {
 public:
  Run(const Graph& graph, std::span<const std::unique_ptr<Node>> nodes, const RunOptions& options)
      : graph_(graph), options_(options), clock_(options.clock ? options.clock : &system_clock_) {
    edges_.reserve(graph.edges.size());
    for (const EdgeSpec& spec : graph.edges) edges_.emplace_back(spec);
    for (const EdgeSpec& spec : graph.edges) drops_ |= spec.policy != Policy::kBlock;
    nodes_.resize(nodes.size());
    for (std::size_t i = 0; i < nodes.size(); ++i) set_up(i, nodes[i].get());
  }

  Result<RunStats> run();

 private:
  void set_up(std::size_t index, Node* node);
  void work();
  void stop(Error error);
  void execute(NodeRun& node, std::unique_lock<std::mutex>& lock);
  NodeRun* queued();

  // All of these run under the lock.
  bool advance();
  bool apply_returned();
  void apply(NodeRun& node, std::int64_t now_us);
  void deliver(NodeRun& node, std::int64_t now_us);
  bool start_ready();
  bool try_start(NodeRun& node);
  bool match_inputs(NodeRun& node);
  bool take_inputs(NodeRun& node);
  void settle(NodeRun& node);
  void end(NodeRun& node);
  void check_stalled();
  bool source_is_due(const NodeRun& node) const;
  std::int64_t due_us(const NodeRun& node) const;
  bool waits_for_clock() const;
  void report_progress();
  RunStats stats() const;
  Status each_node(const std::function<Status(Node&)>& call);

  const Graph& graph_;
  const RunOptions& options_;
  SystemClock system_clock_;
  Clock* clock_;
  bool drops_ = false;  // some edge drops: a replay goes by virtual time

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::unique_ptr<PayloadPool>> pools_;  // before all that holds packets
  std::vector<Edge> edges_;
  std::vector<NodeRun> nodes_;
  bool room_freed_ = false;  // by dropping: producers may be able to start
  std::uint64_t expected_ = 0;
  std::int64_t now_us_ = 0;  // virtual time, or time since the start in real time
  std::int64_t epoch_us_ = 0, last_progress_us_ = 0;
  std::int64_t begin_ns_ = 0, end_ns_ = 0;
  std::uint64_t frames_ = 0;
  std::int64_t first_capture_us_ = INT64_MAX, last_capture_us_ = INT64_MIN;
  bool done_ = false;
  Status failure_;
  std::vector<std::string> problems_;
  LatencyHistogram end_to_end_;
};

void Run::set_up(std::size_t index, Node* node) {
  NodeRun& run = nodes_[index];
  run.spec = &graph_.nodes[index];
  run.node = node;
  // In flight at most: what waits on each edge, one in each consumer's hands, one delivered but not
  // yet taken, one being made.
  int in_flight = 2;
  for (Edge& edge : edges_) {
    if (edge.spec().to == int(index)) run.in.push_back(&edge);
    if (edge.spec().from != int(index)) continue;
    run.out.push_back(&edge);
    in_flight += edge.spec().capacity + 1;
  }
  run.inputs.reserve(run.in.size());
  if (run.spec->type->output != PayloadKind::kNone)
    run.pool = pools_.emplace_back(new PayloadPool(run.spec->type->output, in_flight)).get();
}

// --- calls ---

NodeRun* Run::queued() {
  // The furthest downstream first: packets leave before new ones come in.
  for (auto node = nodes_.rbegin(); node != nodes_.rend(); ++node)
    if (node->state == State::kQueued) return &*node;
  return nullptr;
}

void Run::execute(NodeRun& node, std::unique_lock<std::mutex>& lock) {
  node.state = State::kRunning;
  lock.unlock();
  Emitter out(node.pool);
  const auto index = std::size_t(&node - nodes_.data());
  if (options_.observer) options_.observer->before(index);
  const std::int64_t begin_ns = monotonic_ns();
  Status status = within_memory({}, [&] {
    return node.finishing ? node.node->finish(out) : node.node->process(node.inputs, out);
  });
  const std::int64_t took_ns = monotonic_ns() - begin_ns;
  if (options_.observer)
    options_.observer->after(index, *node.node, took_ns, out.emitted() ? &out.packet() : nullptr);
  node.inputs.clear();
  lock.lock();
  if (out.passed_over()) ++node.passed_over;
  else if (!node.finishing && !out.ended() && (out.emitted() || !node.is_source()))
    node.latency.add(took_ns);
  node.status = std::move(status);
  node.has_result = out.emitted();
  node.source_ended = out.ended();
  if (out.emitted()) node.result = std::move(out.packet());
  node.state = State::kReturned;
}

// --- applying what calls returned ---

std::int64_t Run::due_us(const NodeRun& node) const {
  if (node.is_source())
    return node.has_result ? std::max(node.started_us, node.result.t_capture_us) : node.started_us;
  return node.started_us + node.spec->cost_us;
}

bool Run::source_is_due(const NodeRun& node) const {
  return !options_.realtime || !node.has_result ||
         clock_->now_us() - epoch_us_ >= node.result.t_capture_us;
}

// Applies returned calls: as they come, or in a replay with drops the next one in virtual time,
// once no other call can come before it.
bool Run::apply_returned() {
  if (options_.realtime || !drops_) {
    bool any = false;
    for (NodeRun& node : nodes_) {
      if (node.state != State::kReturned) continue;
      if (node.is_source() && !source_is_due(node)) continue;
      apply(node, options_.realtime ? clock_->now_us() - epoch_us_ : 0);
      any = true;
    }
    return any;
  }
  NodeRun* next = nullptr;
  for (NodeRun& node : nodes_) {
    if (node.state == State::kIdle || node.state == State::kEnded) continue;
    if (node.is_source() && node.state != State::kReturned) return false;
    if (!next || due_us(node) < due_us(*next)) next = &node;
  }
  if (!next || next->state != State::kReturned) return false;
  now_us_ = std::max(now_us_, due_us(*next));
  apply(*next, now_us_);
  return true;
}

void Run::apply(NodeRun& node, std::int64_t now_us) {
  node.state = State::kIdle;
  if (!node.status.ok()) {
    Error error = at_node(std::move(node.status).error(), node.spec->name);
    node.status = {};
    if (!node.is_source() || node.given == 0) {
      if (failure_.ok()) failure_ = std::move(error);
      return;
    }
    problems_.push_back(std::move(error.message));
    node.source_ended = true;
  }
  if (node.has_result) deliver(node, now_us);
  if (!node.is_source() && !node.finishing && node.out.empty())
    end_to_end_.add((now_us - node.arrival_us) * 1000);
  if (node.finishing) return end(node);
  if (node.source_ended) node.finishing = true;
}

void Run::deliver(NodeRun& node, std::int64_t now_us) {
  Packet& packet = node.result;
  node.has_result = false;
  if (node.is_source()) {
    packet.stream = std::uint32_t(&node - nodes_.data());
    packet.t_arrival_us = options_.realtime || drops_ ? now_us : packet.t_capture_us;
    if (node.spec->deadline_us) packet.deadline_us = packet.t_arrival_us + node.spec->deadline_us;
    ++frames_;
    ++node.given;
    first_capture_us_ = std::min(first_capture_us_, packet.t_capture_us);
    last_capture_us_ = std::max(last_capture_us_, packet.t_capture_us);
    report_progress();
  }
  packet.privacy = node.spec->raw ? Privacy::kRaw : Privacy::kDerived;
  for (Edge* edge : node.out) edge->push(packet);
  packet.payload = {};
}

void Run::end(NodeRun& node) {
  node.state = State::kEnded;
  for (Edge* edge : node.out) edge->close();
}

// --- starting calls ---

// Drops heads whose partners cannot come any more; true when every input has the same time at its
// head.
bool Run::match_inputs(NodeRun& node) {
  for (;;) {
    std::int64_t target = 0;
    for (const Edge* edge : node.in) target = std::max(target, edge->frontier_us());
    bool dropped = false, complete = true;
    for (Edge* edge : node.in) {
      while (!edge->empty() && edge->frontier_us() < target) {
        edge->drop_first(DropReason::kUnmatched);
        dropped = room_freed_ = true;
      }
      complete &= !edge->empty() && edge->frontier_us() == target;
    }
    if (complete) return true;
    if (!dropped) return false;
  }
}

// Moves the matched packets into the call; false when a sink drops them as late.
bool Run::take_inputs(NodeRun& node) {
  node.inputs.clear();
  for (Edge* edge : node.in) node.inputs.push_back(edge->pop());
  const Packet& first = node.inputs.front();
  const std::int64_t now_us =
      options_.realtime ? clock_->now_us() - epoch_us_ : std::max(now_us_, first.t_arrival_us);
  node.arrival_us = first.t_arrival_us;
  if (!first.deadline_us || now_us <= first.deadline_us) return true;
  ++node.late;
  if (!node.spec->drop_late) return true;
  ++node.late_drops[std::size_t(DropReason::kLate)];
  node.inputs.clear();
  room_freed_ = true;
  return false;
}

bool Run::try_start(NodeRun& node) {
  if (node.state != State::kIdle) return false;
  if (std::ranges::any_of(node.out, [](const Edge* edge) { return edge->blocks(); })) return false;
  if (node.is_source() && options_.stop && options_.stop->load()) node.finishing = true;
  if (!node.is_source() && !node.finishing) {
    while (match_inputs(node)) {
      if (!take_inputs(node)) continue;
      node.state = State::kQueued;
      break;
    }
    if (node.state == State::kIdle) {
      if (!std::ranges::all_of(node.in, [](const Edge* edge) { return edge->finished(); }))
        return false;
      node.finishing = true;
    }
  }
  node.state = State::kQueued;
  node.started_us = now_us_;
  node.has_result = node.source_ended = false;
  return true;
}

// An idle node will not emit anything captured before its inputs' frontiers.
void Run::settle(NodeRun& node) {
  if (node.state != State::kIdle || node.is_source() || node.finishing) return;
  std::int64_t frontier_us = Edge::kNever;
  for (const Edge* edge : node.in) frontier_us = std::min(frontier_us, edge->frontier_us());
  if (frontier_us == Edge::kNever) return;  // finish() may still emit
  for (Edge* edge : node.out) edge->settle(frontier_us - 1);
}

bool Run::start_ready() {
  bool any = false;
  room_freed_ = false;
  for (NodeRun& node : nodes_) {  // topological: bounds and room settle in one pass
    if (try_start(node)) any = true;
    else settle(node);
  }
  return any || room_freed_;
}

// --- the run ---

bool Run::waits_for_clock() const {
  return options_.realtime && std::ranges::any_of(nodes_, [&](const NodeRun& node) {
           return node.is_source() && node.state == State::kReturned;
         });
}

void Run::check_stalled() {
  const bool moving = std::ranges::any_of(nodes_, [](const NodeRun& node) {
    return node.state != State::kIdle && node.state != State::kEnded;
  });
  if (moving) return;
  for (const NodeRun& node : nodes_)
    if (node.state == State::kIdle && failure_.ok())
      failure_ = fail(Code::kTimeout,
                      "the pipeline stands still: '{}' waits for packets that cannot "
                      "come; give the edges that join in it more capacity",
                      node.spec->name);
}

// Applies and starts all that can be; true when there is something new for the threads to do.
bool Run::advance() {
  bool started = false;
  while (failure_.ok()) {
    const bool applied = apply_returned();
    if (!failure_.ok()) break;
    const bool more = start_ready();
    started |= more;
    if (!applied && !more) break;
  }
  const auto is_ended = [](const NodeRun& node) { return node.state == State::kEnded; };
  if (failure_.ok() && std::ranges::all_of(nodes_, is_ended)) done_ = true;
  else if (failure_.ok()) check_stalled();
  if (!failure_.ok()) done_ = true;
  return started || done_;
}

void Run::work() {
  std::unique_lock lock(mutex_);
  while (!done_) {
    if (advance()) changed_.notify_all();
    if (done_) return;
    if (NodeRun* node = queued()) {
      execute(*node, lock);
      changed_.notify_all();
    } else if (waits_for_clock()) {
      lock.unlock();
      clock_->sleep_until_us(clock_->now_us() + kSleepSlice_us);
      lock.lock();
    } else {
      changed_.wait(lock);
    }
  }
}

void Run::stop(Error error) {
  const std::lock_guard lock(mutex_);
  if (failure_.ok()) failure_ = std::move(error);
  done_ = true;
  changed_.notify_all();
}

void Run::report_progress() {
  if (!options_.on_progress) return;
  const std::int64_t elapsed_us = (monotonic_ns() - begin_ns_) / 1000;
  if (elapsed_us - last_progress_us_ < kProgressStep_us) return;
  last_progress_us_ = elapsed_us;
  options_.on_progress(
      {.frames = frames_, .expected = expected_, .elapsed_s = double(elapsed_us) * 1e-6});
}

RunStats Run::stats() const {
  RunStats stats;
  stats.pipeline = graph_.name;
  stats.frames = frames_;
  stats.wall_s = double(end_ns_ - begin_ns_) * 1e-9;
  if (frames_ > 0) stats.stream_s = double(last_capture_us_ - first_capture_us_) * 1e-6;
  stats.threads = options_.threads;
  stats.problems = problems_;
  if (options_.realtime) {
    stats.end_to_end_p50_ms = end_to_end_.percentile_ms(0.5);
    stats.end_to_end_p99_ms = end_to_end_.percentile_ms(0.99);
  }
  for (const NodeRun& run : nodes_) {
    NodeStats node{.name = run.spec->name, .type = std::string(run.spec->type->name)};
    node.passed_over = run.passed_over;
    node.packets = run.latency.count() + run.passed_over;
    node.p50_ms = run.latency.percentile_ms(0.5);
    node.p90_ms = run.latency.percentile_ms(0.9);
    node.p99_ms = run.latency.percentile_ms(0.99);
    node.total_ms = run.latency.total_ms();
    node.late = run.late;
    node.drops = run.late_drops;
    for (const Edge* edge : run.in) {
      node.max_queue = std::max(node.max_queue, edge->max_size());
      for (int reason = 0; reason < kDropReasons; ++reason)
        node.drops[std::size_t(reason)] += edge->drops()[std::size_t(reason)];
    }
    const Traffic traffic = run.node->traffic();
    node.event_bytes = traffic.event_bytes;
    stats.nodes.push_back(std::move(node));
    for (Counter& counter : run.node->counters()) stats.counters.push_back(std::move(counter));
    for (const std::string& problem : run.node->problems())
      stats.problems.push_back(fmt::format("node '{}': {}", run.spec->name, problem));
    stats.traffic.encoded_bytes += traffic.encoded_bytes;
    stats.traffic.decoded_bytes += traffic.decoded_bytes;
    stats.traffic.event_bytes += traffic.event_bytes;
  }
  return stats;
}

Status Run::each_node(const std::function<Status(Node&)>& call) {
  for (const NodeRun& node : nodes_) {
    Status status = within_memory({}, [&] { return call(*node.node); });
    if (!status.ok()) return at_node(std::move(status).error(), node.spec->name);
  }
  return {};
}

Result<RunStats> Run::run() {
  epoch_us_ = clock_->now_us();
  begin_ns_ = monotonic_ns();
  for (const NodeRun& node : nodes_) expected_ += node.node->expected_packets().value_or(0);
  ThreadGroup workers;
  const auto work_on = [](void* self) { static_cast<Run*>(self)->work(); };
  Status started = workers.start(options_.threads - 1, work_on, this);
  if (started.ok()) work();
  else stop(std::move(started).error());
  workers.join();
  end_ns_ = monotonic_ns();
  if (!failure_.ok()) return std::move(failure_).error();

  RunStats result = stats();
  TRY(each_node([&](Node& node) { return node.complete(result); }));
  TRY(each_node([](Node& node) { return node.commit(); }));
  return result;
}

}  // namespace

Result<RunStats> run_pipeline(const Graph& graph, std::span<const std::unique_ptr<Node>> nodes,
                              const RunOptions& options) {
  POLDER_CHECK(options.threads >= 1 && nodes.size() == graph.nodes.size());
  return Run(graph, nodes, options).run();
}

}  // namespace polder::pipeline
