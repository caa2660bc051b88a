#include "hub/rollouts/measures.h"

#include <algorithm>
#include <cmath>
#include <optional>

namespace polder::hub {
namespace {

constexpr double kLimitFraction = 0.95, kSlack = 1.25, kLeastShare = 0.1;
constexpr std::uint64_t kLeastPackets = 20;
// As agent/shadow.h names them.
constexpr std::string_view kShadow = "shadow.", kOld = ".old", kNew = ".new",
                           kAgreement = ".agreement";

Counts capped(std::uint64_t trials, std::uint64_t failures) {
  if (trials > kMaxTrials) {
    const double share = static_cast<double>(failures) / static_cast<double>(trials);
    failures = static_cast<std::uint64_t>(share * static_cast<double>(kMaxTrials));
    trials = kMaxTrials;
  }
  return {.trials = trials, .failures = std::min(failures, trials)};
}

double limit_of(const telemetry::Sketch& latency_ms) {
  return latency_ms.quantile(kLimitFraction) * kSlack;
}

std::uint64_t above(const telemetry::Sketch& values, double limit) {
  std::uint64_t count = 0;
  for (const auto& [bucket, in_it] : values.buckets())
    if (telemetry::Sketch::upper_bound(bucket) > limit) count += in_it;
  return count;
}

// Of its worker, by what may be the release's doing.
std::uint64_t ends_of(const proto::ReportUnit& unit) {
  std::uint64_t others = 0;
  for (const Code code : kDevicesOwn)
    others += std::min(unit.errors[static_cast<std::size_t>(code)], unit.crashes - others);
  return unit.crashes - others;
}

// Nothing of a pipeline that does not detect.
std::optional<Counts> empty_frames(const proto::ReportUnit& unit) {
  bool detects = false, tells = false;
  std::uint64_t detections = 0;
  Counts looked;
  for (const proto::ReportSignal& signal : unit.signals) {
    const std::uint64_t count = signal.values.count();
    if (signal.name.ends_with(".score")) {
      detects = true;
      detections += count;
    } else if (signal.name.ends_with(".found")) {
      tells = true;
      const double found = std::clamp(signal.values.sum(), 0.0, static_cast<double>(count));
      looked.trials += count;
      looked.failures += count - static_cast<std::uint64_t>(std::llround(found));
    }
  }
  if (tells) return looked;
  if (!detects) return {};
  // An agent that counts detections alone: what one frame has more hides that another has none.
  return Counts{unit.frames, unit.frames - std::min(unit.frames, detections)};
}

bool is_of_shadow(const proto::ReportStage& stage) { return stage.name.starts_with(kShadow); }

const proto::ReportStage* find_stage(const proto::ReportUnit& unit, std::string_view name) {
  const auto found = std::ranges::find(unit.stages, name, &proto::ReportStage::name);
  return found == unit.stages.end() ? nullptr : &*found;
}

}  // namespace

std::vector<StageLimit> limits_of(const proto::ReportUnit& unit) {
  std::vector<StageLimit> limits;
  if (std::ranges::any_of(unit.stages, is_of_shadow)) return limits;
  double all_ms = 0;
  for (const proto::ReportStage& stage : unit.stages) all_ms += stage.latency_ms.sum();
  for (const proto::ReportStage& stage : unit.stages) {
    const telemetry::Sketch& latency = stage.latency_ms;
    if (latency.count() < kLeastPackets || latency.sum() < kLeastShare * all_ms) continue;
    limits.push_back({.stage = stage.name, .ms = limit_of(latency)});
  }
  return limits;
}

std::vector<MeasureCounts> count_window(const proto::ReportUnit& unit,
                                        std::span<const StageLimit> limits) {
  std::vector<MeasureCounts> all;
  const auto add = [&](std::string_view measure, std::uint64_t trials, std::uint64_t failures) {
    if (trials > 0) all.push_back({measure, capped(trials, failures)});
  };
  add(kErrors, unit.frames, ends_of(unit));
  std::uint64_t packets = 0, slow = 0;
  if (std::ranges::any_of(unit.stages, is_of_shadow)) limits = {};
  for (const StageLimit& limit : limits) {
    const proto::ReportStage* const stage = find_stage(unit, limit.stage);
    if (!stage) continue;
    packets += stage->latency_ms.count();
    slow += above(stage->latency_ms, limit.ms);
  }
  add(kSlowFrames, packets, slow);
  if (const auto empty = empty_frames(unit)) add(kEmptyFrames, empty->trials, empty->failures);
  return all;
}

std::vector<MeasureCounts> count_shadow(const proto::ReportUnit& unit) {
  Counts differ, slower;
  for (const proto::ReportSignal& signal : unit.signals) {
    if (!signal.name.starts_with(kShadow) || !signal.name.ends_with(kAgreement)) continue;
    const std::uint64_t all = signal.values.count();
    const double agree = std::clamp(signal.values.sum(), 0.0, static_cast<double>(all));
    differ.trials += all;
    differ.failures += all - static_cast<std::uint64_t>(std::llround(agree));
  }
  for (const proto::ReportStage& stage : unit.stages) {
    if (!stage.name.starts_with(kShadow) || !stage.name.ends_with(kNew)) continue;
    const std::string old =
        stage.name.substr(0, stage.name.size() - kNew.size()) + std::string(kOld);
    const proto::ReportStage* const beside = find_stage(unit, old);
    if (!beside || beside->latency_ms.count() < kLeastPackets) continue;
    slower.trials += stage.latency_ms.count();
    slower.failures += above(stage.latency_ms, limit_of(beside->latency_ms));
  }
  std::vector<MeasureCounts> all;
  if (differ.trials > 0) all.push_back({kFramesThatDiffer, capped(differ.trials, differ.failures)});
  if (slower.trials > 0) all.push_back({kSlowerFrames, capped(slower.trials, slower.failures)});
  return all;
}

}  // namespace polder::hub
