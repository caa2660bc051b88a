#include "agent/shadow.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/fail.h"
#include "platform/clock.h"
#include "runtime/golden.h"

namespace polder::agent {
namespace {

// Whether `port` takes or gives all that `old` does.
bool fits(const Port& port, const Port& old) {
  if (port.type != old.type || port.shape.rank() != old.shape.rank()) return false;
  for (int axis = 0; axis < old.shape.rank(); ++axis) {
    const bool is_free = port.shape[axis] < 0 && port.bounds[axis] >= old.bounds[axis];
    if (port.shape[axis] != old.shape[axis] && !is_free) return false;
    if (port.shape[axis] < 0 && !is_free) return false;
  }
  return true;
}

// Ports stand for each other by their place: exporters name them as they like. Of several inputs
// the names must be the same, for a place says too little then.
Status check_ports(std::string_view what, std::span<const Port> old, std::span<const Port> next,
                   bool by_name) {
  if (old.size() != next.size())
    return fail(Code::kUnsupported, "{} {} instead of {}", next.size(), what, old.size());
  for (std::size_t i = 0; i < old.size(); ++i) {
    if (!fits(next[i], old[i]) || (by_name && next[i].name != old[i].name))
      return fail(Code::kUnsupported, "{} '{}' is {} {} instead of '{}', {} {}", what, next[i].name,
                  type_name(next[i].type), next[i].extents_text(), old[i].name,
                  type_name(old[i].type), old[i].extents_text());
  }
  return {};
}

double largest_magnitude(const TensorView& tensor) {
  if (tensor.type != DataType::kF32) return 1;
  double largest = 0;
  for (std::int64_t i = 0; i < tensor.shape.elements(); ++i) {
    const double magnitude = std::abs(double(tensor.as<float>()[i]));
    if (std::isfinite(magnitude)) largest = std::max(largest, magnitude);
  }
  return largest > 0 ? largest : 1;
}

class Beside final : public Executor {
 public:
  Beside(std::unique_ptr<Executor> old_one, std::unique_ptr<Executor> new_one, Compare compare,
         ShadowListener listener)
      : old_(std::move(old_one)),
        new_(std::move(new_one)),
        compare_(std::move(compare)),
        listener_(std::move(listener)) {}

  std::span<const Port> inputs() const override { return old_->inputs(); }
  std::span<const Port> outputs() const override { return old_->outputs(); }
  TensorView output(int index) const override { return old_->output(index); }

  Status run(std::span<const TensorView> inputs) override {
    const std::int64_t begin_ns = monotonic_ns();
    TRY(old_->run(inputs));
    if (!new_) return {};
    const std::int64_t middle_ns = monotonic_ns();
    Status status = new_->run(inputs);
    const std::int64_t end_ns = monotonic_ns();
    if (!status) {
      new_.reset();
      listener_.failed(std::move(status).error());
      return {};
    }
    Comparison seen{.decisions = compare_(inputs, *old_, *new_), .difference = difference()};
    seen.old_ms = double(middle_ns - begin_ns) * 1e-6;
    seen.new_ms = double(end_ns - middle_ns) * 1e-6;
    listener_.told(seen);
    return {};
  }

 private:
  double difference() const {
    double most = 0;
    for (int i = 0; i < int(old_->outputs().size()); ++i) {
      const TensorView expected = old_->output(i);
      double largest = 0;
      static_cast<void>(check_close(new_->output(i), expected, 0, 0, largest));
      most = std::max(most, largest / largest_magnitude(expected));
    }
    return most;
  }

  std::unique_ptr<Executor> old_, new_;  // no new one: it has failed
  const Compare compare_;
  const ShadowListener listener_;
};

std::string name_of(const std::string& model, std::string_view what) {
  constexpr std::size_t kRoom = 32;  // of what is said of it
  return fmt::format("shadow.{}.{}", model.substr(0, proto::kMaxNameBytes - kRoom), what);
}

ShadowModelResult model_result(const std::string& model, const Observed& beside) {
  ShadowModelResult result{.model = model};
  const auto stage = [&](const std::string& name, double& p50_ms, double& p99_ms) {
    const auto found = beside.stages.find(name);
    if (found == beside.stages.end()) return;
    p50_ms = found->second.latency_ms.quantile(0.5);
    p99_ms = found->second.latency_ms.quantile(0.99);
  };
  stage(shadow_old_stage(model), result.old_p50_ms, result.old_p99_ms);
  stage(shadow_new_stage(model), result.new_p50_ms, result.new_p99_ms);
  const auto agreement = beside.signals.find(shadow_agreement(model));
  if (agreement != beside.signals.end() && agreement->second.values.count() > 0) {
    const telemetry::Sketch& values = agreement->second.values;
    result.inferences = values.count();
    // What a worker says: it may be anything.
    result.agreement = std::clamp(values.sum() / double(values.count()), 0.0, 1.0);
  }
  const auto difference = beside.signals.find(shadow_difference(model));
  if (difference != beside.signals.end())
    result.difference_p99 = difference->second.values.quantile(0.99);
  const auto mean = [&](const std::string& name) -> std::optional<double> {
    const auto found = beside.signals.find(name);
    if (found == beside.signals.end() || found->second.values.count() == 0) return {};
    return found->second.values.sum() / double(found->second.values.count());
  };
  result.old_score = mean(shadow_old_score(model));
  result.new_score = mean(shadow_new_score(model));
  return result;
}

}  // namespace

Result<std::unique_ptr<Executor>> run_beside(std::unique_ptr<Executor> old_one,
                                             std::unique_ptr<Executor> new_one, Compare compare,
                                             ShadowListener listener) {
  const bool by_name = old_one->inputs().size() > 1;
  TRY(check_ports("inputs", old_one->inputs(), new_one->inputs(), by_name));
  TRY(check_ports("outputs", old_one->outputs(), new_one->outputs(), false));
  return std::unique_ptr<Executor>(std::make_unique<Beside>(
      std::move(old_one), std::move(new_one), std::move(compare), std::move(listener)));
}

std::string shadow_old_stage(const std::string& model) { return name_of(model, "old"); }
std::string shadow_new_stage(const std::string& model) { return name_of(model, "new"); }
std::string shadow_agreement(const std::string& model) { return name_of(model, "agreement"); }
std::string shadow_difference(const std::string& model) { return name_of(model, "difference"); }
std::string shadow_old_score(const std::string& model) { return name_of(model, "old_score"); }
std::string shadow_new_score(const std::string& model) { return name_of(model, "new_score"); }

std::array<std::string, kShadowSignals> shadow_signals(const std::string& model) {
  return {shadow_agreement(model), shadow_difference(model), shadow_old_score(model),
          shadow_new_score(model)};
}

std::string ShadowResult::text() const {
  std::string out = fmt::format("{} beside {}", release, beside);
  for (const ShadowModelResult& item : models) {
    if (item.inferences == 0) {
      out += fmt::format("; '{}': nothing was compared", item.model);
      continue;
    }
    out += fmt::format("; '{}': {} inferences, {:.1f}% agree, p99 {:.3f} ms (old {:.3f} ms)",
                       item.model, item.inferences, 100 * item.agreement, item.new_p99_ms,
                       item.old_p99_ms);
    if (item.old_score && item.new_score)
      out += fmt::format(", mean score {:.3f} (old {:.3f})", *item.new_score, *item.old_score);
  }
  if (!slowed_stage.empty())
    out += fmt::format("; stage '{}' took p99 {:.3f} ms instead of {:.3f} ms", slowed_stage,
                       beside_p99_ms, alone_p99_ms);
  if (!failure.empty()) out += "; failed: " + failure;
  return out;
}

ShadowResult shadow_result(const std::vector<proto::ShadowModel>& shadows, const Observed& alone,
                           const Observed& beside) {
  ShadowResult result;
  for (const proto::ShadowModel& shadow : shadows)
    result.models.push_back(model_result(shadow.model.name, beside));
  for (const auto& [name, before] : alone.stages) {
    const auto since = beside.stages.find(name);
    if (since == beside.stages.end() || before.packets == 0 || since->second.packets == 0) continue;
    const double alone_ms = before.latency_ms.quantile(0.99);
    const double beside_ms = since->second.latency_ms.quantile(0.99);
    if (beside_ms - alone_ms <= result.beside_p99_ms - result.alone_p99_ms) continue;
    result.slowed_stage = name;
    result.alone_p99_ms = alone_ms;
    result.beside_p99_ms = beside_ms;
  }
  return result;
}

}  // namespace polder::agent
