#include "hub/rollouts/observe.h"

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "base/fail.h"
#include "hub/rollouts/engine.h"
#include "hub/rollouts/evidence.h"
#include "hub/rollouts/measures.h"
#include "hub/rollouts/members.h"
#include "hub/rollouts/refusals.h"
#include "hub/store/ask.h"

namespace polder::hub {
namespace {

// What a device kept for longer, while it was away, is of another time than what others tell now.
constexpr std::int64_t kMaxLateS = 900;

std::string version_of(const std::optional<proto::ReportRelease>& release) {
  return release ? release->version : "";
}

// --- What goes wrong -----------------------------------------------------------------------------

// Nothing for what says nothing of the release: a download that failed, a signal that drifts.
std::optional<HardFailure> failure_of(const proto::ReportAlarm& alarm) {
  switch (alarm.what) {
    case proto::AlarmKind::kCrashLoop:
      if (alarm.code && std::ranges::count(kDevicesOwn, *alarm.code) > 0) return {};
      return alarm.code == Code::kExhausted ? HardFailure::kOutOfMemory : HardFailure::kCrashLoop;
    // Without a word it is the release's own doing, also in the probe or beside the old one
    // (agent/reporter.h): with one it was taken back, or could not be tried.
    case proto::AlarmKind::kRolledBack:
      if (!alarm.text.empty()) return {};
      return HardFailure::kRolledBack;
    case proto::AlarmKind::kUpdateFailed:
      if (!alarm.text.empty()) return {};
      return HardFailure::kProbeFailed;
    default: return {};
  }
}

bool is_over(proto::AlarmKind what) {
  return what == proto::AlarmKind::kRolledBack || what == proto::AlarmKind::kUpdateFailed;
}

// Why a device does not run a release that is not to blame for it.
std::string_view trouble_text(std::optional<Code> code) {
  if (!code) return "its worker does not start";
  switch (*code) {
    case Code::kNotFound: return "a plug-in, a camera or a file that it needs is not there";
    case Code::kIo: return "something that it needs cannot be read or written";
    case Code::kUnavailable: return "a camera, a file or a server that it needs is away";
    default: return "its worker does not start";
  }
}

}  // namespace

// --- What is known -------------------------------------------------------------------------------

int Observer::Part::arm_of(std::string_view running) const {
  if (running == version) return 1;
  return !other_version.empty() && running == other_version ? 2 : 0;
}

Status Observer::note(const std::string& model, const ModelNews& news) {
  Known& known = known_[model];
  if (known.news == news) return {};
  known = {};  // it may join a rollout by them
  TRY(note_model(database_, device_, model, news, now_s_));
  known.news = news;
  return {};
}

Result<Observer::Part*> Observer::part_of(const std::string& model) {
  Known& known = known_[model];
  const auto found = [&] { return known.part ? &*known.part : nullptr; };
  if (std::exchange(known.is_asked, true)) return found();
  TRY_VALUE(
      const Rows rows,
      ask(database_,
          "SELECT r.id, r.look_s, r.version, r.other_version, d.number, d.failure_kind, "
          "r.created_s, d.wanted, d.old_version, d.counted FROM rollout_device d JOIN rollout "
          "r ON r.id = d.rollout WHERE d.device = ? AND d.active_model = ?",
          {device_, model}));
  if (rows.empty()) return found();
  const Row& row = rows[0];
  Part part{.rollout = row[0].text(),
            .look_s = row[1].integer(),
            .version = row[2].text(),
            .other_version = row[3].text(),
            .old_version = row[8].text(),
            .number = {},
            .created_s = row[6].integer(),
            .has_failed = !row[5].is_null(),
            .is_told = row[7].integer() != 0,
            .has_counted = row[9].integer() != 0,
            .limits = {}};
  if (!row[4].is_null()) {
    part.number = row[4].integer();
    TRY_VALUE(const Rows limits,
              ask(database_, "SELECT stage, ms FROM rollout_limit WHERE rollout = ? AND number = ?",
                  {part.rollout, *part.number}));
    for (const Row& limit : limits) part.limits.push_back({limit[0].text(), limit[1].number()});
  }
  known.part = std::move(part);
  return found();
}

// --- Alarms --------------------------------------------------------------------------------------

// Once of each device, while it has not run it well.
Status Observer::note_trouble(const Part& part, const proto::ReportAlarm& alarm) {
  const std::string trouble =
      fmt::format("does not run it: {} (no fault of the release)", trouble_text(alarm.code));
  TRY_VALUE(const Rows rows,
            ask(database_,
                "UPDATE rollout_device SET trouble = ? WHERE rollout = ? AND device = ? AND "
                "trouble = '' AND is_settled = 0 RETURNING device",
                {trouble, part.rollout, device_}));
  if (rows.empty()) return {};
  TRY_VALUE(const Rollout rollout, load_legible(database_, part.rollout));
  return hub::note(database_, rollout,
                   say(why::kTrouble, {{"device", device_}, {"trouble", trouble}}), device_,
                   now_s_);
}

// An update that is tried again: told of in the device's row alone, as it may end so many times.
Status Observer::note_ended(const Part& part, Code code) {
  const auto number = static_cast<std::int64_t>(code);
  return tell(database_,
              "UPDATE rollout_device SET ended_code = ? WHERE rollout = ? AND device = ? AND "
              "COALESCE(ended_code, -1) <> ?",
              {number, part.rollout, device_, number});
}

// A device that will not take it: of those that a stage has chosen another takes its place. What is
// only put off it does not tell (agent/driver.cpp).
Status Observer::note_refusal(const Part& part, const proto::ReportAlarm& alarm) {
  TRY_VALUE(const Rows rows,
            ask(database_,
                "UPDATE rollout_device SET failure = ? WHERE rollout = ? AND device = ? AND "
                "failure IS NULL RETURNING chosen, running",
                {refused_text(alarm.text), part.rollout, device_}));
  const bool runs_it = !rows.empty() && part.arm_of(rows[0][1].text()) != 0;
  if (rows.empty() || rows[0][0].integer() == 0 || runs_it) return {};
  TRY_VALUE(Rollout rollout, load_legible(database_, part.rollout));
  return leave_stage(database_, rollout, std::string(device_), why::kLeftRefusing, now_s_);
}

Status Observer::take_alarm(const proto::ReportAlarm& alarm, std::int64_t time_s) {
  if (!alarm.release) return {};
  const std::string& model = alarm.release->model;
  const bool is_down =
      alarm.what == proto::AlarmKind::kCrashLoop || alarm.what == proto::AlarmKind::kNotRunning;
  ModelNews news{.running = {}, .committed = {}, .is_well = {}, .is_alarm = true};
  if (is_down) news.is_well = false;
  if (is_down) news.running = alarm.release->version;
  TRY(note(model, news));
  TRY_VALUE(const Part* const part, part_of(model));
  if (!part || part->arm_of(alarm.release->version) == 0 || part->has_failed) return {};
  // Of a rollout of the same release before this one.
  if (!part->is_told && time_s < part->created_s) return {};
  if (alarm.what == proto::AlarmKind::kReleaseRefused) return note_refusal(*part, alarm);
  const auto failure = failure_of(alarm);
  if (!failure && is_down) return note_trouble(*part, alarm);
  // One that was taken back by the hub itself says nothing of the device.
  if (!failure && alarm.code && part->is_told && is_over(alarm.what))
    return note_ended(*part, *alarm.code);
  if (!failure) return {};
  TRY(tell(database_,
           "UPDATE rollout_device SET failure = ?, failure_kind = ? WHERE rollout = ? AND device = "
           "?",
           {failure_text(*failure), static_cast<int>(*failure), part->rollout, device_}));
  TRY_VALUE(const Rollout rollout, load_legible(database_, part->rollout));
  TRY(hub::note(database_, rollout,
                say(why::kFailed, {{"device", device_}, {"failure", failure_text(*failure)}}),
                device_, now_s_));
  // One that cannot be carried on says so when it is due; what the device tells is kept.
  return rollout.order.stages.empty() ? Status() : advance(database_, part->rollout, now_s_);
}

// --- What is counted -----------------------------------------------------------------------------

// Of what a device runs beside its old release: it is compared with that alone, so that it counts
// however late it is told, but for what an earlier rollout had there.
Status Observer::take_shadow(const Part& part, const proto::ReportUnit& unit,
                             std::int64_t counted_s, std::int64_t look) {
  const std::vector<MeasureCounts> counts = count_shadow(unit);
  if (counts.empty() || counted_s < part.created_s) return {};
  TRY_VALUE(const Rows chosen,
            ask(database_, "SELECT arm FROM rollout_device WHERE rollout = ? AND device = ?",
                {part.rollout, device_}));
  if (chosen.empty()) return {};
  return add_counts(database_, part.rollout, look, *part.number,
                    static_cast<int>(chosen[0][0].integer()), counts);
}

Status Observer::take_unit(const proto::ReportUnit& unit, std::int64_t counted_s, bool is_late) {
  // An idle release is one that was counted and has another's place, or nothing's, by now.
  if (unit.release.has_value() != (unit.health == proto::ReportHealth::kIdle)) {
    ModelNews news{.running = version_of(unit.release), .committed = {}, .is_well = {}};
    if (unit.health != proto::ReportHealth::kStarting)
      news.is_well = unit.health != proto::ReportHealth::kFailed;
    if (!is_late) TRY(note(unit.name, news));
  }
  if (!unit.release) return {};
  TRY_VALUE(Part* const part, part_of(unit.name));
  if (!part || !part->number) return {};
  const std::int64_t look = look_of(counted_s, part->look_s, now_s_);
  const int arm = part->arm_of(unit.release->version);
  // What is neither new nor its old one says nothing of either, nor does a new one that it was not
  // told to run.
  if (arm == 0 && unit.release->version != part->old_version) return {};
  if (arm != 0 && !part->is_told) return {};
  if (arm == 0) TRY(take_shadow(*part, unit, counted_s, look));
  if (is_late) return {};
  const std::vector<MeasureCounts> counts = count_window(unit, part->limits);
  TRY(add_counts(database_, part->rollout, look, *part->number, arm, counts));
  if (arm != 0) return {};
  if (!part->has_counted && !counts.empty()) {
    TRY(tell(database_, "UPDATE rollout_device SET counted = 1 WHERE rollout = ? AND device = ?",
             {part->rollout, device_}));
    part->has_counted = true;
  }
  if (!part->limits.empty()) return {};
  part->limits = limits_of(unit);
  for (const StageLimit& limit : part->limits)
    TRY(tell(database_,
             "INSERT INTO rollout_limit (rollout, number, stage, ms) VALUES (?, ?, ?, ?) ON "
             "CONFLICT (rollout, number, stage) DO NOTHING",
             {part->rollout, *part->number, limit.stage, limit.ms}));
  return {};
}

Status Observer::take(const proto::Report& report, std::int64_t time_s) {
  const bool is_late = std::abs(now_s_ - time_s) > kMaxLateS;
  if (const auto* alarm = std::get_if<proto::ReportAlarm>(&report.what)) {
    TRY(take_alarm(*alarm, time_s));
    known_.clear();  // what came of it may have changed that
    return {};
  }
  if (const auto* notice = std::get_if<proto::ReportLifecycle>(&report.what)) {
    if (notice->what == proto::LifecycleKind::kUpdateBegun) return {};
    ModelNews news{.running = version_of(notice->release), .committed = {}, .is_well = {}};
    news.is_trial = notice->what == proto::LifecycleKind::kActivated;
    if (notice->what == proto::LifecycleKind::kCommitted) {
      news.committed = news.running;
      news.is_well = true;
    }
    return note(notice->unit, news);
  }
  const auto& metrics = std::get<proto::ReportMetrics>(report.what);
  // In the middle of its window.
  const auto counted_s = time_s - static_cast<std::int64_t>(metrics.window_ms / 2000);
  for (const proto::ReportUnit& unit : metrics.units) TRY(take_unit(unit, counted_s, is_late));
  return {};
}

}  // namespace polder::hub
