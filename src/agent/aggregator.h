// Makes numbers of what passes through a pipeline, in constant memory. Inside this room.
#pragma once

#include <array>
#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "agent/shadow.h"
#include "pipeline/scheduler.h"
#include "proto/worker.h"
#include "telemetry/e_detector.h"

namespace polder::agent {

// While it lives the stage that this thread works for waits for the supervisor, and is not busy.
// Threads that work for no stage may have it too.
class WaitsForSupervisor {
 public:
  WaitsForSupervisor();
  ~WaitsForSupervisor();
  WaitsForSupervisor(const WaitsForSupervisor&) = delete;
  WaitsForSupervisor& operator=(const WaitsForSupervisor&) = delete;
};

// Signals are those of agent/signals.h. Classes are counted by their number in the release's
// labels. Thread-safe after begin().
class Aggregator final : public pipeline::NodeObserver {
 public:
  explicit Aggregator(std::vector<proto::SignalBaseline> baselines)
      : baselines_(std::move(baselines)) {}

  // Models that run beside others, by name. Before begin().
  void watch(const std::vector<proto::ShadowModel>& shadows);
  // Of the shadow with that index. After begin().
  void compared(std::size_t shadow, const Comparison& seen);
  // Once, before the pipeline runs.
  proto::Ready begin(const pipeline::Graph& graph);
  void before(std::size_t index) override;
  void after(std::size_t index, const pipeline::Node& node, std::int64_t took_ns,
             const pipeline::Packet* result) override;

  proto::Heartbeat beat() const;
  // What has come since it was asked last, in messages that each fit, and the alarms of it.
  std::deque<proto::FromWorker> take();

 private:
  struct Stage {
    pipeline::PayloadKind output = pipeline::PayloadKind::kNone;
    bool is_source = false;
    std::uint64_t packets = 0;
    telemetry::Sketch latency_ms;
    pipeline::Traffic traffic;
    int signal = -1, found_signal = -1;
  };
  struct Signal {
    telemetry::Sketch values;
    std::optional<telemetry::Histogram> bins;
    std::optional<telemetry::EDetector> detector;
  };
  void look(const Stage& stage, const pipeline::Packet& packet);
  void add(Signal& signal, double value);

  std::vector<proto::SignalBaseline> baselines_;
  std::vector<std::string> shadows_;
  std::size_t shadow_stages_ = 0, shadow_signals_ = 0;  // where theirs begin: two stages of each
  std::size_t signals_of_shadow_ = 0;
  mutable std::mutex mutex_;
  std::vector<Stage> stages_;
  std::vector<Signal> signals_;
  std::array<std::uint64_t, proto::kMaxClasses> classes_{};
  proto::Aggregates sums_;
  std::uint64_t frames_ = 0;
  std::array<std::atomic<std::int64_t>, pipeline::kMaxNodes> busy_since_ns_{};
};

}  // namespace polder::agent
