#include "agent/observed.h"

#include <algorithm>

#include "base/fail.h"

namespace polder::agent {
namespace {

Error nameless(std::string_view what, int number) {
  return fail(Code::kCorrupt, "the worker speaks of {} {}, which it has not named", what, number);
}

void count_up(std::uint64_t& counter, std::uint64_t by) {
  counter = std::min(counter + by, proto::kMaxTotal);
}

}  // namespace

Status Observed::add(const proto::Ready& names, const proto::Aggregates& all) {
  for (const auto& stage : all.stages)
    if (stage.stage >= names.stages.size()) return nameless("stage", stage.stage);
  for (const auto& signal : all.signals)
    if (signal.signal >= names.signals.size()) return nameless("signal", signal.signal);
  for (const auto& count : all.classes)
    if (count.index >= names.classes.size()) return nameless("class", count.index);
  count_up(frames, all.frames);
  count_up(events, all.events);
  count_up(encoded_bytes, all.encoded_bytes);
  count_up(decoded_bytes, all.decoded_bytes);
  count_up(event_bytes, all.event_bytes);
  count_up(kept_bytes, all.kept_bytes);
  count_up(dropped_bytes, all.dropped_bytes);
  count_up(lost_bytes, all.lost_bytes);
  for (const auto& count : all.classes) classes.add(names.classes[count.index], count.count);
  for (const auto& from : all.stages) {
    Stage& stage = stages[names.stages[from.stage]];
    count_up(stage.packets, from.packets);
    stage.latency_ms.merge(from.latency_ms);
  }
  for (const auto& from : all.signals) {
    Signal& signal = signals[names.signals[from.signal]];
    signal.values.merge(from.values);
    for (std::size_t i = 0; i < signal.bins.size(); ++i) count_up(signal.bins[i], from.bins[i]);
  }
  return {};
}

Status Observed::add(const proto::Ready& names, const proto::Alarm& alarm) {
  if (alarm.signal >= names.signals.size()) return nameless("signal", alarm.signal);
  count_up(signals[names.signals[alarm.signal]].alarms, 1);
  return {};
}

}  // namespace polder::agent
