#include "agent/aggregator.h"

#include <algorithm>
#include <utility>

#include "agent/signals.h"

namespace polder::agent {
namespace {

using pipeline::PayloadKind;

// Aggregates to a false alarm: with one a minute, two months.
constexpr double kMeanRun = 100'000;

// When the stage that this thread works for has begun; none: it works for no stage.
thread_local std::atomic<std::int64_t>* t_busy_since_ns = nullptr;

}  // namespace

WaitsForSupervisor::WaitsForSupervisor() {
  if (t_busy_since_ns) *t_busy_since_ns = 0;
}
WaitsForSupervisor::~WaitsForSupervisor() {
  if (t_busy_since_ns) *t_busy_since_ns = monotonic_ns();
}

void Aggregator::watch(const std::vector<proto::ShadowModel>& shadows) {
  for (const proto::ShadowModel& shadow : shadows) shadows_.push_back(shadow.model.name);
}

proto::Ready Aggregator::begin(const pipeline::Graph& graph) {
  proto::Ready ready;
  for (const pipeline::NodeSpec& spec : graph.nodes) {
    Stage& stage = stages_.emplace_back();
    stage.output = spec.type->output;
    stage.is_source = spec.type->inputs.empty();
    ready.stages.push_back(spec.name.substr(0, proto::kMaxNameBytes));
    std::string name = signal_of(spec);
    if (name.empty()) continue;
    stage.signal = int(signals_.size());
    Signal& signal = signals_.emplace_back();
    ready.signals.push_back(std::move(name));
    const auto baseline =
        std::ranges::find(baselines_, ready.signals.back(), &proto::SignalBaseline::signal);
    if (baseline == baselines_.end()) continue;
    signal.bins.emplace(baseline->edges);
    signal.detector.emplace(telemetry::mean_band(baseline->edges, baseline->counts), kMeanRun);
  }
  // Where there is room: a pipeline may have as many steps as signals fit.
  const auto found = std::ranges::count_if(
      graph.nodes, [](const pipeline::NodeSpec& node) { return !found_signal_of(node).empty(); });
  const std::size_t wanted = signals_.size() + std::size_t(found);
  const std::size_t room = proto::kMaxSignals - std::min(wanted, proto::kMaxSignals);
  signals_of_shadow_ =
      kShadowSignals * shadows_.size() <= room ? kShadowSignals : kFewShadowSignals;
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    std::string name = found_signal_of(graph.nodes[i]);
    if (name.empty() ||
        signals_.size() + signals_of_shadow_ * shadows_.size() >= proto::kMaxSignals)
      continue;
    stages_[i].found_signal = int(signals_.size());
    signals_.emplace_back();
    ready.signals.push_back(std::move(name));
  }
  shadow_stages_ = stages_.size();
  shadow_signals_ = signals_.size();
  for (const std::string& model : shadows_) {
    ready.stages.push_back(shadow_old_stage(model));
    ready.stages.push_back(shadow_new_stage(model));
    const auto names = shadow_signals(model);
    ready.signals.insert(ready.signals.end(), names.begin(), names.begin() + signals_of_shadow_);
  }
  stages_.resize(ready.stages.size());
  signals_.resize(ready.signals.size());
  return ready;
}

void Aggregator::before(std::size_t index) {
  busy_since_ns_[index] = monotonic_ns();
  t_busy_since_ns = &busy_since_ns_[index];
}

void Aggregator::after(std::size_t index, const pipeline::Node& node, std::int64_t took_ns,
                       const pipeline::Packet* result) {
  t_busy_since_ns = nullptr;
  busy_since_ns_[index] = 0;
  const std::lock_guard lock(mutex_);
  Stage& stage = stages_[index];
  ++stage.packets;
  stage.latency_ms.add(double(took_ns) * 1e-6);
  const pipeline::Traffic now = node.traffic();
  sums_.encoded_bytes += now.encoded_bytes - stage.traffic.encoded_bytes;
  sums_.decoded_bytes += now.decoded_bytes - stage.traffic.decoded_bytes;
  sums_.event_bytes += now.event_bytes - stage.traffic.event_bytes;
  stage.traffic = now;
  if (!result) return;
  if (stage.is_source) ++frames_, ++sums_.frames;
  look(stage, *result);
}

void Aggregator::compared(std::size_t shadow, const Comparison& seen) {
  const std::lock_guard lock(mutex_);
  const std::size_t stage = shadow_stages_ + 2 * shadow;
  const std::size_t signal = shadow_signals_ + signals_of_shadow_ * shadow;
  for (const auto& [at, took_ms] : {std::pair(stage, seen.old_ms), {stage + 1, seen.new_ms}}) {
    ++stages_[at].packets;
    stages_[at].latency_ms.add(took_ms);
  }
  add(signals_[signal], seen.decisions.agreement);
  add(signals_[signal + 1], seen.difference);
  if (signals_of_shadow_ < kShadowSignals) return;
  for (const double score : seen.decisions.old_scores) add(signals_[signal + 2], score);
  for (const double score : seen.decisions.new_scores) add(signals_[signal + 3], score);
}

void Aggregator::add(Signal& signal, double value) {
  signal.values.add(value);
  if (signal.bins) signal.bins->add(value);
}

void Aggregator::look(const Stage& stage, const pipeline::Packet& packet) {
  if (stage.output == PayloadKind::kEvents)
    sums_.events += packet.as<pipeline::Events>().items.size();
  if (stage.signal < 0) return;
  Signal& signal = signals_[std::size_t(stage.signal)];
  measure(stage.output, packet, [&](double value) { add(signal, value); });
  if (stage.output != PayloadKind::kDetections) return;
  const auto& detections = packet.as<pipeline::Detections>();
  if (detections.measured && stage.found_signal >= 0)
    add(signals_[std::size_t(stage.found_signal)], detections.items.empty() ? 0 : 1);
  for (const pipeline::Detection& found : detections.items) {
    if (found.label >= 0 && std::size_t(found.label) < classes_.size())
      ++classes_[std::size_t(found.label)];
  }
}

proto::Heartbeat Aggregator::beat() const {
  const std::int64_t now_ns = monotonic_ns();
  std::int64_t longest_ns = 0;
  for (const auto& since : busy_since_ns_)
    if (const std::int64_t from_ns = since.load(); from_ns > 0)
      longest_ns = std::max(longest_ns, now_ns - from_ns);
  const std::lock_guard lock(mutex_);
  return {.frames = frames_, .busy_ms = std::uint64_t(longest_ns / 1'000'000)};
}

std::deque<proto::FromWorker> Aggregator::take() {
  const std::lock_guard lock(mutex_);
  std::deque<proto::FromWorker> out;
  proto::Aggregates sums = std::exchange(sums_, {});
  for (std::size_t i = 0; i < classes_.size(); ++i)
    if (const std::uint64_t count = std::exchange(classes_[i], 0))
      sums.classes.push_back({std::uint16_t(i), count});
  out.emplace_back(std::move(sums));
  // A message of its own for each: the fullest sketch takes a quarter of one.
  for (std::size_t i = 0; i < stages_.size(); ++i) {
    proto::Aggregates one;
    one.stages.push_back({std::uint16_t(i), std::exchange(stages_[i].packets, 0),
                          std::exchange(stages_[i].latency_ms, {})});
    out.emplace_back(std::move(one));
  }
  for (std::size_t i = 0; i < signals_.size(); ++i) {
    Signal& signal = signals_[i];
    proto::Aggregates one;
    proto::SignalAggregate& to = one.signals.emplace_back();
    to.signal = std::uint16_t(i);
    if (signal.bins) to.bins = signal.bins->counts(), signal.bins->clear();
    to.values = std::exchange(signal.values, {});
    const double count = double(to.values.count());
    if (signal.detector && count > 0 && signal.detector->add(to.values.sum() / count))
      out.emplace_back(
          proto::Alarm{to.signal, signal.detector->evidence(), signal.detector->mean_run()});
    out.emplace_back(std::move(one));
  }
  return out;
}

}  // namespace polder::agent
