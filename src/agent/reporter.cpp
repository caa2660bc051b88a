#include "agent/reporter.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "base/fail.h"
#include "telemetry/sensors.h"

namespace polder::agent {

namespace {

using proto::AlarmKind;
using proto::LifecycleKind;

constexpr std::int64_t kOpenAgainUs = 60 * kSecondUs;
constexpr std::size_t kMaxEarly = 64;
constexpr std::size_t kMaxWindows = 2 * kMaxUnits;

static_assert(kMaxReportBytes == proto::kMaxReportMessageBytes);

std::optional<proto::ReportRelease> release_of(const std::optional<ReleaseId>& release) {
  if (!release) return {};
  return proto::ReportRelease{release->model, release->version.text(), release->manifest};
}

std::optional<AlarmKind> alarm_of(trust::Act act) {
  switch (act) {
    case trust::Act::kUpdateRolledBack: return AlarmKind::kRolledBack;
    case trust::Act::kUpdateFailed: return AlarmKind::kUpdateFailed;
    case trust::Act::kReleaseRefused: return AlarmKind::kReleaseRefused;
    case trust::Act::kMetadataRefused: return AlarmKind::kMetadataRefused;
    default: return {};
  }
}

std::optional<LifecycleKind> notice_of(const Occurrence& what) {
  if (!what.entered) return {};
  switch (*what.entered) {
    case Phase::kDownload: return LifecycleKind::kUpdateBegun;
    case Phase::kActivate: return LifecycleKind::kActivated;
    case Phase::kCommit: return LifecycleKind::kCommitted;
    default: return {};
  }
}

ReportKind kind_of(const decltype(proto::Report::what)& body) {
  if (std::holds_alternative<proto::ReportAlarm>(body)) return ReportKind::kAlarm;
  return std::holds_alternative<proto::ReportLifecycle>(body) ? ReportKind::kLifecycle
                                                              : ReportKind::kMetrics;
}

template <class T>
std::vector<T> take_half(std::vector<T>& items) {
  const auto middle = items.begin() + std::ptrdiff_t((items.size() + 1) / 2);
  std::vector<T> half(std::make_move_iterator(middle), std::make_move_iterator(items.end()));
  items.erase(middle, items.end());
  return half;
}

// The second half of what does not fit into one report; sums are in the first. Nothing when it
// cannot be divided.
std::optional<proto::ReportMetrics> divide(proto::ReportMetrics& metrics) {
  proto::ReportMetrics rest{.window_ms = metrics.window_ms};
  if (metrics.units.size() > 1) {
    rest.units = take_half(metrics.units);
    return rest;
  }
  if (metrics.units.empty()) return {};
  proto::ReportUnit& unit = metrics.units[0];
  if (unit.stages.size() + unit.signals.size() < 2) return {};
  proto::ReportUnit& other = rest.units.emplace_back();
  other.name = unit.name;
  other.release = unit.release;
  other.health = unit.health;
  if (unit.stages.size() > 1) other.stages = take_half(unit.stages);
  if (unit.signals.size() > 1 || other.stages.empty()) {
    if (unit.signals.size() > 1) other.signals = take_half(unit.signals);
    else other.signals = std::exchange(unit.signals, {});
  }
  return rest;
}

void set_psi(proto::ReportSignal& signal, const std::vector<proto::SignalBaseline>& baselines) {
  const auto baseline = std::ranges::find(baselines, signal.name, &proto::SignalBaseline::signal);
  if (baseline != baselines.end()) signal.psi = telemetry::psi(signal.bins, baseline->counts);
}

UnitStanding standing_of(const UnitTotal& total) {
  std::vector<std::pair<std::string, std::uint64_t>> classes(
      total.observed.classes.counts().begin(), total.observed.classes.counts().end());
  std::ranges::stable_sort(classes, std::greater<>(), &decltype(classes)::value_type::second);
  if (classes.size() > UnitStanding::kMaxShownClasses)
    classes.resize(UnitStanding::kMaxShownClasses);
  UnitStanding standing{.classes = {classes.begin(), classes.end()}, .signals = {}};
  for (const auto& [name, signal] : total.observed.signals) {
    const auto psi = total.psi.find(name);
    if (psi == total.psi.end() && signal.alarms == 0) continue;
    UnitStanding::Signal& shown = standing.signals[name];
    shown.alarms = signal.alarms;
    if (psi != total.psi.end()) shown.psi = psi->second;
  }
  return standing;
}

}  // namespace

// --- What happens --------------------------------------------------------------------------------

void Reporter::note(const Occurrence& what) {
  // A failed update without a word is told by the release's own doing.
  std::string own;
  if (what.blames_no_release) own = "for what is no fault of the release; it is tried again";
  else if (what.act == trust::Act::kReleaseRefused) own = "'polderd status' there says why";
  if (const auto alarm = alarm_of(what.act)) {
    write(proto::ReportAlarm{.what = *alarm,
                             .unit = what.unit,
                             .release = release_of(what.release),
                             .code = what.code,
                             .text = what.says_worker ? own : what.text,
                             .signal = ""});
  } else if (const auto notice = notice_of(what)) {
    write(proto::ReportLifecycle{*notice, what.unit, release_of(what.release)});
  }
}

void Reporter::start(const AgentState& state) {
  boot_ = std::uint64_t(state.boot);
  time_seen_s_ = state.time_seen_s;
  window_from_us_ = parts_.clock.now_us();
  window_from_s_ = wall_s();
  next_metrics_us_ = window_from_us_ + until_window_ends_us(window_from_s_);
  open_ring();
  for (const auto& [name, unit] : state.units) {
    const ReleaseId* release = unit.running();
    write(proto::ReportLifecycle{
        LifecycleKind::kStarted, name,
        release_of(release ? std::optional<ReleaseId>(*release) : std::nullopt)});
  }
}

void Reporter::poll(const AgentState& state) {
  if (boot_ == 0) return;
  state_ = &state;
  time_seen_s_ = state.time_seen_s;
  const std::int64_t now_us = parts_.clock.now_us();
  if (!ring_ && now_us >= next_open_us_) open_ring();
  // Each time: what fails on trial is gone by the next turn.
  see_health();
  if (now_us < next_absorb_us_) return;
  next_absorb_us_ = now_us + kSecondUs;
  absorb();
  if (now_us >= next_metrics_us_) report_metrics();
}

// A loop of crashes, and what does not run at all, once each.
void Reporter::see_health() {
  for (const auto& [name, unit] : state_->units) {
    const ReleaseId* release = unit.running();
    if (!release || unit.runtime) continue;
    // All of it is hashed before it is started: nothing runs until then, and nothing is wrong.
    const bool is_starting = state_->phase == Phase::kActivate && state_->update->unit == name;
    if (is_starting) continue;
    const UnitHealth now = parts_.runner.health(name);
    const Health before = std::exchange(health_[name], now.health);
    if (now.health != Health::kFailed || before == Health::kFailed) continue;
    // The reason is the worker's.
    write(proto::ReportAlarm{
        .what = now.is_crash_loop ? AlarmKind::kCrashLoop : AlarmKind::kNotRunning,
        .unit = name,
        .release = release_of(*release),
        .code = now.code,
        .text = "",
        .signal = ""});
  }
}

void Reporter::absorb() {
  for (UnitWindow& from : parts_.units.take_windows()) {
    for (const SignalAlarm& alarm : from.alarms)
      write(proto::ReportAlarm{.what = AlarmKind::kDrift,
                               .unit = from.unit,
                               .release = release_of(from.release),
                               .code = {},
                               .text = "",
                               .signal = alarm.signal,
                               .evidence = alarm.evidence,
                               .mean_run = alarm.mean_run});
    totals_[from.unit].observed.merge(from.observed);
    const auto same = std::ranges::find_if(windows_, [&](const Window& window) {
      return window.unit == from.unit && window.release == from.release;
    });
    if (same != windows_.end()) {
      same->observed.merge(from.observed);
    } else if (windows_.size() < kMaxWindows) {
      windows_.push_back({std::move(from.unit), std::move(from.release), std::move(from.baselines),
                          std::move(from.observed)});
    }
  }
}

// --- Metrics -------------------------------------------------------------------------------------

proto::ReportHealth Reporter::health_of(const std::string& unit, const AgentState& state) const {
  const auto found = state.units.find(unit);
  if (found == state.units.end() || !found->second.running()) return proto::ReportHealth::kIdle;
  switch (parts_.runner.health(unit).health) {
    case Health::kStarting: return proto::ReportHealth::kStarting;
    case Health::kWell: return proto::ReportHealth::kWell;
    case Health::kFailed: break;
  }
  return proto::ReportHealth::kFailed;
}

bool Reporter::is_running(const Window& window) const {
  const auto found = state_->units.find(window.unit);
  const ReleaseId* const running = found == state_->units.end() ? nullptr : found->second.running();
  return running && *running == window.release;
}

proto::ReportUnit Reporter::unit_report(const Window& window) const {
  const Observed& seen = window.observed;
  proto::ReportUnit unit{
      .name = window.unit,
      .release = release_of(window.release),
      // What was taken back since, or has another's place, does not run.
      .health = is_running(window) ? health_of(window.unit, *state_) : proto::ReportHealth::kIdle,
      .starts = seen.starts,
      .crashes = seen.crashes,
      .frames = seen.frames,
      .events = seen.events,
      .encoded_bytes = seen.encoded_bytes,
      .decoded_bytes = seen.decoded_bytes,
      .event_bytes = seen.event_bytes,
      .errors = seen.errors,
      .classes = {},
      .stages = {},
      .signals = {}};
  for (const auto& [name, count] : seen.classes.counts()) unit.classes.push_back({name, count});
  for (const auto& [name, stage] : seen.stages)
    unit.stages.push_back({name, stage.packets, stage.latency_ms});
  for (const auto& [name, signal] : seen.signals) {
    unit.signals.push_back({name, signal.values, signal.bins, {}, signal.alarms});
    set_psi(unit.signals.back(), window.baselines);
  }
  return unit;
}

std::int64_t Reporter::wall_s() const {
  return std::clamp(parts_.wall.now_s(), time_seen_s_, kMaxTimeS);
}

// Windows end at whole multiples of their length by the clock, where all devices' windows do: what
// happened at the same time can be compared. None is shorter than half of that.
std::int64_t Reporter::until_window_ends_us(std::int64_t now_s) const {
  const std::int64_t every_s = config_.reports.every_s, left_s = every_s - now_s % every_s;
  return (2 * left_s < every_s ? left_s + every_s : left_s) * kSecondUs;
}

// Reports have times in seconds. Windows are made to meet there: as deltas they must not overlap.
// When the clock has been set meanwhile, what has really passed counts.
std::uint64_t Reporter::take_window_ms(std::int64_t now_us, std::int64_t now_s) {
  const std::int64_t passed_ms = std::max<std::int64_t>(now_us - window_from_us_, 0) / 1000;
  const std::int64_t shown_ms = (now_s - std::exchange(window_from_s_, now_s)) * 1000;
  window_from_us_ = now_us;
  const bool agree = shown_ms > 0 && std::abs(shown_ms - passed_ms) <= 1000;
  return std::uint64_t(agree ? shown_ms : passed_ms);
}

void Reporter::report_metrics() {
  const std::int64_t now_us = parts_.clock.now_us(), now_s = wall_s();
  const telemetry::Readings readings = telemetry::read_sensors(parts_.sysfs);
  proto::ReportMetrics metrics{
      .window_ms = take_window_ms(now_us, now_s),
      .units = {},
      .temperatures_c = readings.temperatures_c,
      .powers_w = readings.powers_w,
      .sent_bytes = sent_bytes_ - std::exchange(told_sent_bytes_, sent_bytes_),
      .scraped_bytes = scraped_bytes_ - std::exchange(told_scraped_bytes_, scraped_bytes_),
      .waiting_reports = ring_ ? ring_->count() : 0,
      .waiting_bytes = ring_ ? ring_->bytes() : 0};
  for (const Window& window : windows_) {
    metrics.units.push_back(unit_report(window));
    for (const proto::ReportSignal& signal : metrics.units.back().signals)
      if (signal.psi) totals_[window.unit].psi[signal.name] = *signal.psi;
  }
  windows_.clear();
  next_metrics_us_ = now_us + until_window_ends_us(now_s);
  writes_at_s_ = now_s;
  write(std::move(metrics));
  writes_at_s_.reset();
}

// --- Into the ring -------------------------------------------------------------------------------

void Reporter::open_ring() {
  next_open_us_ = parts_.clock.now_us() + kOpenAgainUs;
  auto ring = ReportRing::open(parts_.storage, boot_,
                               {.max_bytes = std::uint64_t(config_.reports.max_bytes)});
  if (!ring.ok()) {
    complain(ring.error().message);
    return stand();
  }
  ring_ = std::move(*ring);
  complain("");
  for (Body& body : std::exchange(early_, {})) write(std::move(body));
}

void Reporter::write(Body body) {
  if (!ring_) {
    if (early_.size() < kMaxEarly) early_.push_back(std::move(body));
    else ++lost_;
    return;
  }
  std::deque<Body> parts;
  parts.push_back(std::move(body));
  while (!parts.empty()) {
    const Status written = append(parts.front());
    auto* metrics = std::get_if<proto::ReportMetrics>(&parts.front());
    if (!written.ok() && written.error().code == Code::kExhausted && metrics) {
      if (auto rest = divide(*metrics)) {
        parts.insert(parts.begin() + 1, std::move(*rest));
        continue;
      }
    }
    if (!written.ok()) {
      ++lost_;
      complain(written.error().message);
    }
    parts.pop_front();
  }
  stand();
}

// Errors: those of what is written; what the ring itself drops it counts itself.
Status Reporter::append(const Body& body) {
  const ReportKey key = ring_->next_key();
  const ReportDrops drops = ring_->drops();
  proto::Report report{
      .device = config_.device,
      .program = POLDER_VERSION,
      .boot = key.boot,
      .sequence = key.sequence,
      .time_s = writes_at_s_ ? *writes_at_s_ : wall_s(),
      .drops = {.alarms = drops.alarms, .lifecycle = drops.lifecycle, .metrics = drops.metrics},
      .epoch = parts_.epoch,
      .what = body};
  TRY_VALUE(const std::string bytes, proto::encode(proto::ReportMessage(std::move(report))));
  const auto stored = ring_->append(kind_of(body), bytes);
  complain(stored.ok() ? "" : stored.error().message);
  return {};
}

// Each trouble once in the log.
void Reporter::complain(std::string error) {
  if (!error.empty() && error != complained_ && parts_.log) parts_.log("reports: " + error);
  if (!error.empty()) complained_ = error;
  error_ = std::move(error);
}

// --- For others ----------------------------------------------------------------------------------

void Reporter::delivered(const ReportKey& last) {
  delivered_ = last;
  delivered_s_ = wall_s();
  stand();
}

void Reporter::trouble(const std::string& collector) {
  if (!collector.empty() && collector != collector_error_ && parts_.log)
    parts_.log("reports: " + collector);
  if (std::exchange(collector_error_, collector) != collector) stand();
}

ReporterStanding Reporter::now() const {
  ReporterStanding standing{.waiting_reports = ring_ ? ring_->count() : 0,
                            .waiting_bytes = ring_ ? ring_->bytes() : 0,
                            .max_bytes = std::uint64_t(config_.reports.max_bytes),
                            .drops = ring_ ? ring_->drops() : ReportDrops(),
                            .lost = lost_,
                            .sent_bytes = sent_bytes_,
                            .scraped_bytes = scraped_bytes_,
                            .delivered_s = delivered_s_,
                            .delivered = delivered_,
                            .error = error_.empty() ? collector_error_ : error_,
                            .units = {}};
  for (const auto& [name, total] : totals_) {
    standing.seen_bytes += total.observed.encoded_bytes;
    standing.decoded_bytes += total.observed.decoded_bytes;
    standing.units.emplace(name, standing_of(total));
  }
  return standing;
}

}  // namespace polder::agent
