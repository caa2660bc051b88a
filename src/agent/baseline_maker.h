// Makes the baselines of a release: how its signals (agent/signals.h) are distributed in a run over
// what its model was judged with, in the form that release.toml takes.
//
//   BaselineMaker maker;
//   options.observer = &maker;
//   options.on_ready = [&](const pipeline::Graph& graph) { maker.begin(graph); return Status(); };
//   TRY(pipeline::play(options));
//   TRY_VALUE(const std::string toml, maker.toml());
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "pipeline/scheduler.h"
#include "telemetry/histogram.h"

namespace polder::agent {

// All values of a run, or of a long one every second, fourth, eighth ... from the first on.
class ThinnedValues {
 public:
  // At least 2 are held.
  explicit ThinnedValues(std::size_t most) : most_(most) {}
  void add(double value);  // what is not finite is left out
  const std::vector<double>& values() const { return values_; }

 private:
  std::size_t most_;
  std::uint64_t seen_ = 0, stride_ = 1;
  std::vector<double> values_;
};

class BaselineMaker final : public pipeline::NodeObserver {
 public:
  static constexpr std::size_t kMaxValues = std::size_t(1) << 20;  // of a signal

  // Once, before the pipeline runs.
  void begin(const pipeline::Graph& graph);
  void before(std::size_t) override {}
  void after(std::size_t index, const pipeline::Node& node, std::int64_t took_ns,
             const pipeline::Packet* result) override;

  // [[baseline]] tables of all signals that had values. Errors: kNotFound where there are none.
  Result<std::string> toml() const;
  // Signals with too few values for PSI, and how many they have.
  std::vector<std::pair<std::string, std::size_t>> short_ones() const;

 private:
  struct Signal {
    std::string name;  // empty: the node has none
    pipeline::PayloadKind output = pipeline::PayloadKind::kNone;
    ThinnedValues seen{kMaxValues};
  };

  mutable std::mutex mutex_;
  std::vector<Signal> signals_;  // by node
};

// Of values in ascending order, at least one. The first bin holds what is below all of them, the
// last what is above; between them are about as many in each as in the others, in bins of a 256th
// of their range at least.
std::vector<double> baseline_edges(const std::vector<double>& values);

}  // namespace polder::agent
