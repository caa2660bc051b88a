// A device of rollout_sim: the life cycle of src/agent, what its worker does, the reports that it
// keeps until the hub has them, and what goes wrong around it: power, network.
//
// Events come from a queue (rollout_fleet.h); what a device does next it puts there. Of the agent
// the table of the life cycle, its choice of offers and its back-off are the real ones; the rest
// (agent/driver.h, agent/reporter.h, agent/hub_link.h) is done as there, with the same times.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "agent/backoff.h"
#include "agent/lifecycle.h"
#include "proto/report.h"
#include "rollout_hub.h"
#include "rollout_world.h"

namespace polder::sim {

enum class What : std::uint8_t {
  kStart,    // it is switched on, or on again
  kAct,      // what its phase does is done
  kAsk,      // whether what is on its way is wanted yet
  kCrash,    // its worker has crashed for the third time
  kMishap,   // so it has, and no release is to blame: it runs again after that
  kWindow,   // metrics are written down
  kCheckin,  // it tells the hub
};

// Of polderd.toml, and of its hub.
struct DeviceSettings {
  std::int64_t report_s = 900, poll_s = 900, check_s = 1800;
  std::int64_t observe_s = 600, shadow_s = 4 * kHourS;
  double offs_a_day = 0.03, outages_a_day = 0.3;
};

// What devices share.
struct Around {
  World& world;
  SimulatedHub& hub;
  const DeviceSettings& settings;
  // At that time; of a start of the device before, nothing.
  std::function<void(std::int64_t time_s, int device, What what, int start)> schedule;
};

inline const trust::Version kOldVersion{1, 0, 0, ""}, kNewVersion{1, 1, 0, ""};
inline const std::vector<std::string> kModels = {kModel};

inline agent::ReleaseId release_of(const trust::Version& version) {
  return {kModel, version, trust::sha256(version.text())};
}

class Device {
 public:
  // Switched on at that time, with the old release.
  Device(Around& around, int index, std::int64_t on_s)
      : around_(around), index_(index), traits_(around.world.make_device(index)) {
    state_ = must(agent::with_units({}, kModels, ""));
    tell({.kind = agent::EventKind::kDue});
    offer({.version = kOldVersion.text()});
    while (state_.phase != agent::Phase::kIdle) tell({.kind = agent::EventKind::kDone});
    urgent_.clear();
    now_s_ = on_s;
    around_.schedule(on_s, index_, What::kStart, 0);
    next_outage_s_ = on_s + world().until(around_.settings.outages_a_day);
    next_off_s_ = on_s + world().until(around_.settings.offs_a_day);
  }
  Device(const Device&) = delete;

  int starts() const { return starts_; }
  bool runs_new() const { return running() && running()->version == kNewVersion; }
  bool ever_ran_new() const { return ever_ran_new_; }
  std::int64_t runs_since_s() const { return since_s_; }

  void happen(What what, std::int64_t now_s) {
    now_s_ = now_s;
    if (what == What::kStart) return start();
    if (now_s >= next_off_s_) return go_off();
    switch (what) {
      case What::kStart: break;
      case What::kAct:
        if (now_s == act_s_) act();
        break;
      case What::kAsk:
        if (!is_still_wanted()) go_on();
        break;
      case What::kCrash: crash(); break;
      case What::kMishap: mishap(); break;
      case What::kWindow: write_window(); break;
      case What::kCheckin: check_in(); break;
    }
  }

 private:
  using Phase = agent::Phase;
  using EventKind = agent::EventKind;

  // A window of metrics, as what was counted in it: sketches are made when it is sent.
  struct Window {
    proto::Report report;  // without what it says
    std::int64_t span_s = 0;
    bool is_well = true;
    std::vector<Counted> parts;
  };

  World& world() { return around_.world; }
  const DeviceSettings& settings() const { return around_.settings; }
  const agent::ReleaseId* running() const { return state_.units.at(kModel).running(); }
  void later(std::int64_t seconds, What what) {
    around_.schedule(now_s_ + seconds, index_, what, starts_);
  }

  // --- Power and network -------------------------------------------------------------------------

  void start() {
    ++starts_;
    sequence_ = 0;
    epoch_ = world().bits();
    ++state_.boot;
    segment_from_s_ = window_from_s_ = now_s_;
    is_looping_ = false;
    backoff_.start(state_, now_s_, now_s_ * 1'000'000);
    next_check_s_ = now_s_;
    tell({.kind = EventKind::kStart});
    begin_segment();
    plan_crash();
    later(world().until(kMishapsADay), What::kMishap);
    note(proto::LifecycleKind::kStarted);
    later(until_window_ends(), What::kWindow);
    later(world().between(1, 5), What::kCheckin);
    go_on();
  }

  // The power goes: what was not written down is lost.
  void go_off() {
    const std::int64_t seconds =
        world().uniform() < 0.1 ? world().between(kHourS, kDayS) : world().between(30, kHourS);
    next_off_s_ = now_s_ + seconds + world().until(settings().offs_a_day);
    ++starts_;  // what was to come does not
    around_.schedule(now_s_ + seconds, index_, What::kStart, starts_);
  }

  bool is_online() {
    if (now_s_ < next_outage_s_) return true;
    if (now_s_ >= outage_until_s_ && outage_until_s_ >= next_outage_s_) {
      next_outage_s_ = now_s_ + world().until(settings().outages_a_day);
      return true;
    }
    if (outage_until_s_ < next_outage_s_) {
      const bool is_long = world().uniform() < 0.05;
      outage_until_s_ = now_s_ + world().between(300, is_long ? kDayS : 2 * kHourS);
    }
    return now_s_ >= outage_until_s_;
  }

  // --- The life cycle ----------------------------------------------------------------------------

  void tell(agent::Event event) {
    event.now_s = event.clock_s = now_s_;
    event.random = world().bits();
    agent::Step step = agent::next(state_, event, policy_);
    const agent::AgentState before = std::exchange(state_, std::move(step.state));
    backoff_.follow(before, state_, now_s_, now_s_ * 1'000'000);
    if (step.ignored || state_.phase == before.phase) return;
    switch (state_.phase) {
      case Phase::kShadow: end_segment(); break;
      case Phase::kActivate: note(proto::LifecycleKind::kActivated), run_other(); break;
      case Phase::kCommit: note(proto::LifecycleKind::kCommitted); break;
      case Phase::kDiscard: {
        const bool blames = state_.find_bad(state_.update->release.manifest) != nullptr;
        end_segment();
        alarm(proto::AlarmKind::kUpdateFailed, state_.update->release,
              event.reason == kTakenBack ? kTakenBack
              : blames                   ? ""
                                         : "could not be tried here; it is tried again");
        break;
      }
      case Phase::kRollBack:
        alarm(proto::AlarmKind::kRolledBack, state_.update->release,
              event.reason == kTakenBack ? kTakenBack : "");
        run_other();
        break;
      default: break;
    }
  }

  void offer(const Assigned& assigned) {
    agent::Event event{.kind = EventKind::kNothing, .time_seen_s = now_s_};
    std::vector<agent::Offer> offers;
    if (!assigned.version.empty()) {
      const auto version = must(trust::Version::parse(assigned.version, "wanted"));
      offers.push_back({kModel, release_of(version), assigned.shadow, assigned.retry});
    }
    std::vector<agent::Refusal> refusals;
    const auto left_s = [&](const agent::Attempts& item) {
      return backoff_.left_s(item, now_s_ * 1'000'000);
    };
    event.offer = agent::choose_offer(state_, offers, left_s, refusals);
    if (event.offer) event.kind = EventKind::kOffer;
    tell(std::move(event));
  }

  void check() {
    next_check_s_ = now_s_ + settings().check_s - world().between(0, settings().check_s / 4);
    tell({.kind = EventKind::kDue});
    if (!is_online()) return tell({.kind = EventKind::kFailed, .reason = "unreachable"});
    trusted_ = around_.hub.timestamp();
    offer(around_.hub.assigned(index_));
  }

  // Of what is on its way; it is given up else. What cannot be asked is as it was.
  bool is_still_wanted() {
    const bool is_on_its_way =
        (state_.phase >= Phase::kDownload && state_.phase <= Phase::kShadow) ||
        state_.phase == Phase::kObserve;
    if (!is_on_its_way || !is_online()) return true;
    trusted_ = around_.hub.timestamp();
    if (around_.hub.assigned(index_).version == state_.update->release.version.text()) return true;
    tell({.kind = EventKind::kFailed, .reason = kTakenBack});
    return false;
  }

  // What is due by now is done, and what comes next waits for its time.
  void act() {
    switch (state_.phase) {
      case Phase::kIdle:
        if (now_s_ >= next_check_s_) check();
        break;
      case Phase::kDownload:
        if (is_online()) tell({.kind = EventKind::kDone});
        else tell({.kind = EventKind::kFailed, .reason = "network"});
        break;
      case Phase::kProbe:
      case Phase::kShadow:
        if (is_still_wanted()) tell({.kind = EventKind::kDone});
        break;
      case Phase::kObserve:
        if (!state_.update->lived) tell({.kind = EventKind::kLives});
        else tell({.kind = EventKind::kDone});
        break;
      case Phase::kCommit: next_check_s_ = now_s_; [[fallthrough]];
      default: tell({.kind = EventKind::kDone});
    }
    go_on();
  }

  void go_on() { act_after(seconds_of_phase()); }
  void act_after(std::int64_t seconds) {
    act_s_ = now_s_ + seconds;
    later(seconds, What::kAct);
  }
  std::int64_t seconds_of_phase() {
    switch (state_.phase) {
      case Phase::kIdle: return std::max<std::int64_t>(next_check_s_ - now_s_, 1);
      case Phase::kDownload: return world().between(10, 600);
      case Phase::kVerify:
      case Phase::kStage: return world().between(1, 30);
      case Phase::kProbe: return 30;
      case Phase::kShadow: return settings().shadow_s;
      case Phase::kObserve: return state_.update->lived ? settings().observe_s - 60 : 60;
      default: return 2;
    }
  }

  // --- What the worker does ----------------------------------------------------------------------

  // Another release runs from now on.
  void run_other() {
    end_segment();
    since_s_ = now_s_;
    is_looping_ = false;
    ever_ran_new_ = ever_ran_new_ || runs_new();
    plan_crash();
  }

  void plan_crash() {
    if (runs_new() && world().settings().nature == Nature::kCrash)
      later(world().between(10, kHourS), What::kCrash);
  }

  void crash() {
    if (!runs_new() || is_looping_) return;
    end_segment();
    segments_.push_back({.is_new = true, .crashes = 3});
    is_looping_ = true;
    looped();
  }
  void mishap() {
    later(world().until(kMishapsADay), What::kMishap);
    if (!running() || is_looping_) return;
    end_segment();
    segments_.push_back({.is_new = runs_new(), .crashes = 3});
    looped();
  }
  void looped() {
    alarm(proto::AlarmKind::kCrashLoop, *running(), "");
    if (state_.phase != Phase::kObserve) return;
    tell({.kind = EventKind::kRejected, .reason = "crash loop"});
    go_on();
  }

  // What ran until now has counted for itself.
  void end_segment() {
    if (now_s_ > segment_from_s_ && running() && !is_looping_) {
      const bool is_new = segment_is_new_, is_in_shadow = segment_is_shadow_;
      segments_.push_back(
          world().count(traits_, is_new, is_in_shadow, segment_from_s_, now_s_, since_s_));
    }
    begin_segment();
  }
  void begin_segment() {
    segment_from_s_ = now_s_;
    segment_is_new_ = runs_new();
    segment_is_shadow_ = state_.phase == Phase::kShadow;
  }

  // --- Reports -----------------------------------------------------------------------------------

  proto::Report next_report() {
    return {.device = device_name(index_),
            .program = "1.0.0",
            .boot = std::uint64_t(state_.boot),
            .sequence = ++sequence_,
            .time_s = now_s_,
            .drops = {},
            .epoch = epoch_,
            .what = {}};
  }
  static proto::ReportRelease reported(const agent::ReleaseId& release) {
    return {release.model, release.version.text(), release.manifest};
  }

  void write(decltype(proto::Report::what) what) {
    urgent_.push_back(next_report());
    urgent_.back().what = std::move(what);
    // It does not wait for the next check-in.
    if (starts_ > 0) later(2, What::kCheckin);
  }
  void note(proto::LifecycleKind kind) {
    proto::ReportLifecycle notice{.what = kind, .unit = kModel};
    const agent::ReleaseId* const release =
        kind == proto::LifecycleKind::kStarted ? running() : &state_.update->release;
    if (release) notice.release = reported(*release);
    write(std::move(notice));
  }
  void alarm(proto::AlarmKind kind, const agent::ReleaseId& release, std::string text) {
    write(proto::ReportAlarm{.what = kind,
                             .unit = kModel,
                             .release = reported(release),
                             .code = {},
                             .text = std::move(text),
                             .signal = ""});
  }

  void write_window() {
    end_segment();
    windows_.push_back({.report = next_report(),
                        .span_s = now_s_ - window_from_s_,
                        .is_well = !is_looping_,
                        .parts = std::exchange(segments_, {})});
    window_from_s_ = now_s_;
    later(until_window_ends(), What::kWindow);
  }
  // As agent/reporter.cpp does.
  std::int64_t until_window_ends() const {
    const std::int64_t every_s = settings().report_s, left_s = every_s - now_s_ % every_s;
    return 2 * left_s < every_s ? left_s + every_s : left_s;
  }

  void add_stage(proto::ReportUnit& unit, const std::string& name, std::uint64_t packets,
                 std::uint64_t slow, double times) const {
    proto::ReportStage stage{.name = name, .packets = packets};
    // Nearly all take about as long as ever, some more than twice.
    constexpr std::array kUsual = {0.92, 0.97, 1.0, 1.04, 1.1};
    std::uint64_t left = packets - slow;
    for (std::size_t i = 0; i < kUsual.size(); ++i) {
      const std::uint64_t part = left / (kUsual.size() - i);
      stage.latency_ms.add(traits_.frame_ms * times * kUsual[i], part);
      left -= part;
    }
    stage.latency_ms.add(traits_.frame_ms * times * 2.2, slow);
    unit.stages.push_back(std::move(stage));
  }

  proto::ReportUnit unit_of(const Counted& counted, bool is_well) const {
    const double slower = world_settings().nature == Nature::kSlow ? 2 : 1;
    proto::ReportUnit unit{.name = kModel};
    unit.release = reported(release_of(counted.is_new ? kNewVersion : kOldVersion));
    unit.health = is_well ? proto::ReportHealth::kWell : proto::ReportHealth::kFailed;
    unit.crashes = counted.crashes;
    unit.frames = counted.frames;
    if (counted.frames == 0) return unit;
    // A step beside a shadow takes as long as both models.
    const double own = counted.is_new ? slower : 1;
    add_stage(unit, "detect", counted.frames, counted.slow,
              counted.is_in_shadow ? own + slower : own);
    proto::ReportSignal score{.name = "detect.score"};
    score.values.add(0.8, counted.found);
    unit.signals.push_back(std::move(score));
    if (!counted.is_in_shadow) return unit;
    add_stage(unit, "shadow.m.old", counted.frames, counted.slow, 1);
    add_stage(unit, "shadow.m.new", counted.frames, counted.shadow_slow, slower);
    proto::ReportSignal agreement{.name = "shadow.m.agreement"};
    agreement.values.add(1, counted.frames - counted.differ);
    agreement.values.add(0, counted.differ);
    unit.signals.push_back(std::move(agreement));
    return unit;
  }
  const WorldSettings& world_settings() const { return around_.world.settings(); }

  proto::Report filled(const Window& window) const {
    proto::Report made = window.report;
    proto::ReportMetrics metrics{.window_ms = std::uint64_t(window.span_s) * 1000};
    for (const Counted& part : window.parts) metrics.units.push_back(unit_of(part, window.is_well));
    made.what = std::move(metrics);
    return made;
  }

  // All that waits, the most urgent first, so many in a message.
  void check_in() {
    if (now_s_ < next_checkin_s_ && urgent_.empty()) return;
    next_checkin_s_ = now_s_ + settings().poll_s - world().between(0, settings().poll_s / 4);
    later(next_checkin_s_ - now_s_, What::kCheckin);
    if (!is_online()) return;
    do {
      proto::Checkin checkin{
          .program = "1.0.0", .timestamp = std::uint64_t(trusted_), .reports = {}};
      while (!urgent_.empty() && checkin.reports.size() < kMaxAtOnce) {
        checkin.reports.push_back(std::move(urgent_.front()));
        urgent_.pop_front();
      }
      while (!windows_.empty() && checkin.reports.size() < kMaxAtOnce) {
        checkin.reports.push_back(filled(windows_.front()));
        windows_.pop_front();
      }
      const std::string body = must(proto::encode(checkin));
      if (around_.hub.check_in(index_, body, now_s_) > trusted_) check_soon();
    } while (!urgent_.empty() || !windows_.empty());
  }

  // The repository has something new.
  void check_soon() {
    next_check_s_ = now_s_;
    if (state_.phase == Phase::kIdle) go_on();
    else later(1, What::kAsk);
  }

  static constexpr std::size_t kMaxAtOnce = 32;
  static constexpr const char* kTakenBack = "the repository does not want it here any more";

  Around& around_;
  const int index_;
  const DeviceTraits traits_;
  std::int64_t now_s_ = 0;
  agent::Policy policy_;
  agent::AgentState state_;
  agent::Backoff backoff_{policy_};
  std::int64_t act_s_ = 0, next_check_s_ = 0, next_checkin_s_ = 0, trusted_ = 0;
  std::int64_t next_outage_s_ = 0, outage_until_s_ = 0, next_off_s_ = 0;
  int starts_ = 0;
  std::uint64_t sequence_ = 0, epoch_ = 0;

  // Of the worker.
  bool is_looping_ = false, ever_ran_new_ = false;
  std::int64_t since_s_ = 0;  // when what runs was activated
  std::int64_t segment_from_s_ = 0, window_from_s_ = 0;
  bool segment_is_new_ = false, segment_is_shadow_ = false;
  std::vector<Counted> segments_;

  // Of the ring.
  std::deque<proto::Report> urgent_;
  std::deque<Window> windows_;
};

}  // namespace polder::sim
