#include "agent/baseline_maker.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "agent/signals.h"
#include "base/fail.h"

namespace polder::agent {

std::vector<double> baseline_edges(const std::vector<double>& values) {
  constexpr std::size_t kInner = telemetry::kBins - 2;
  const double range = values.back() - values.front();
  const double narrowest = std::max(range / 256, 1e-4);
  std::vector<double> edges{values.front()};
  for (std::size_t i = 1; i < kInner; ++i)
    edges.push_back(std::max(values[i * values.size() / kInner], edges.back() + narrowest));
  edges.push_back(std::max(values.back(), edges.back()) + narrowest);
  return edges;
}

void ThinnedValues::add(double value) {
  if (!std::isfinite(value) || seen_++ % stride_ != 0) return;
  if (values_.size() < most_) return values_.push_back(value);
  for (std::size_t i = 0; 2 * i < values_.size(); ++i) values_[i] = values_[2 * i];
  values_.resize((values_.size() + 1) / 2);
  stride_ *= 2;
  if ((seen_ - 1) % stride_ == 0) values_.push_back(value);
}

void BaselineMaker::begin(const pipeline::Graph& graph) {
  const std::lock_guard lock(mutex_);
  for (const pipeline::NodeSpec& spec : graph.nodes)
    signals_.push_back({.name = signal_of(spec), .output = spec.type->output});
}

void BaselineMaker::after(std::size_t index, const pipeline::Node&, std::int64_t,
                          const pipeline::Packet* result) {
  if (!result) return;
  const std::lock_guard lock(mutex_);
  Signal& signal = signals_[index];
  if (signal.name.empty()) return;
  measure(signal.output, *result, [&](double value) { signal.seen.add(value); });
}

Result<std::string> BaselineMaker::toml() const {
  const std::lock_guard lock(mutex_);
  std::string text;
  for (const Signal& signal : signals_) {
    std::vector<double> values = signal.seen.values();
    if (values.empty()) continue;
    std::ranges::sort(values);
    const std::vector<double> edges = baseline_edges(values);
    telemetry::Histogram bins(edges);
    for (const double value : values) bins.add(value);
    text += fmt::format(
        "[[baseline]]\nsignal = \"{}\"\nkind = \"{}\"\nedges = [{}]\ncounts = [{}]\n", signal.name,
        signal.output == pipeline::PayloadKind::kDetections ? "score" : "input",
        fmt::join(edges, ", "), fmt::join(bins.counts(), ", "));
  }
  if (!text.empty()) return text;
  return fail(Code::kNotFound,
              "nothing was measured: signals are the brightness of images and the loudness of "
              "sound where they come in, and the scores of detections");
}

std::vector<std::pair<std::string, std::size_t>> BaselineMaker::short_ones() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::pair<std::string, std::size_t>> found;
  for (const Signal& signal : signals_) {
    const std::size_t count = signal.seen.values().size();
    if (count > 0 && count < telemetry::kMinPsiCount) found.emplace_back(signal.name, count);
  }
  return found;
}

}  // namespace polder::agent
