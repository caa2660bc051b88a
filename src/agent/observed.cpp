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

// A worker says its names anew at each start: there are only so many.
template <class T>
T& entry(std::map<std::string, T>& all, const std::string& name, std::size_t most) {
  const bool fits = all.size() + 1 < most || all.contains(name);
  return all[fits ? name : std::string(telemetry::Counters::kOther)];
}

}  // namespace

Status Observed::add(const proto::Ready& names, const ClassNames& class_names,
                     const proto::Aggregates& all) {
  for (const auto& stage : all.stages)
    if (stage.stage >= names.stages.size()) return nameless("stage", stage.stage);
  for (const auto& signal : all.signals)
    if (signal.signal >= names.signals.size()) return nameless("signal", signal.signal);
  count_up(frames, all.frames);
  count_up(events, all.events);
  count_up(encoded_bytes, all.encoded_bytes);
  count_up(decoded_bytes, all.decoded_bytes);
  count_up(event_bytes, all.event_bytes);
  for (const auto& count : all.classes)
    classes.add(class_name(class_names, count.index), count.count);
  for (const auto& from : all.stages) {
    Stage& stage = entry(stages, names.stages[from.stage], proto::kMaxStages);
    count_up(stage.packets, from.packets);
    stage.latency_ms.merge(from.latency_ms);
  }
  for (const auto& from : all.signals) {
    Signal& signal = entry(signals, names.signals[from.signal], proto::kMaxSignals);
    signal.values.merge(from.values);
    for (std::size_t i = 0; i < signal.bins.size(); ++i) count_up(signal.bins[i], from.bins[i]);
  }
  return {};
}

Status Observed::add(const proto::Ready& names, const proto::Alarm& alarm) {
  if (alarm.signal >= names.signals.size()) return nameless("signal", alarm.signal);
  count_up(entry(signals, names.signals[alarm.signal], proto::kMaxSignals).alarms, 1);
  return {};
}

void Observed::add(const KeptCounts& output) {
  count_up(kept_bytes, output.kept_bytes);
  count_up(dropped_bytes, output.dropped_bytes);
  count_up(lost_bytes, output.lost_bytes);
}

void Observed::add_crash(std::optional<Code> code) {
  count_up(crashes, 1);
  count_up(errors[code ? std::size_t(*code) : 0], 1);
}

void Observed::merge(const Observed& other) {
  for (const auto counter :
       {&Observed::frames, &Observed::events, &Observed::encoded_bytes, &Observed::decoded_bytes,
        &Observed::event_bytes, &Observed::kept_bytes, &Observed::dropped_bytes,
        &Observed::lost_bytes, &Observed::starts, &Observed::crashes})
    count_up(this->*counter, other.*counter);
  for (std::size_t i = 0; i < errors.size(); ++i) count_up(errors[i], other.errors[i]);
  classes.merge(other.classes);
  for (const auto& [name, from] : other.stages) {
    Stage& to = entry(stages, name, proto::kMaxStages);
    count_up(to.packets, from.packets);
    to.latency_ms.merge(from.latency_ms);
  }
  for (const auto& [name, from] : other.signals) {
    Signal& to = entry(signals, name, proto::kMaxSignals);
    to.values.merge(from.values);
    for (std::size_t i = 0; i < to.bins.size(); ++i) count_up(to.bins[i], from.bins[i]);
    count_up(to.alarms, from.alarms);
  }
}

}  // namespace polder::agent
