#include "hub/telemetry/store.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/fail.h"
#include "hub/rollouts/observe.h"
#include "hub/store/ask.h"
#include "hub/telemetry/machine.h"
#include "trust/digest.h"
#include "trust/json.h"

namespace polder::hub {
namespace {

constexpr std::int64_t kSweptEveryS = 3'600;
// Of a device's clock: what is more is taken off the times of its reports.
constexpr std::int64_t kClockSlackS = 60;
constexpr std::int64_t kMaxUnits = 64;  // of a device that are shown

// Names a report, in the order of its columns; numbers of 64 bits lie in the database as signed.
struct Key {
  std::int64_t boot, epoch, sequence;
};
Key key_of(const proto::Report& report) {
  return {static_cast<std::int64_t>(report.boot), static_cast<std::int64_t>(report.epoch),
          static_cast<std::int64_t>(report.sequence)};
}

std::string model_of(const std::optional<proto::ReportRelease>& release) {
  return release ? release->model : "";
}
std::string version_of(const std::optional<proto::ReportRelease>& release) {
  return release ? release->version : "";
}

// false: it was taken before.
Result<bool> is_new(Database& database, std::string_view device, const Key& key,
                    std::int64_t now_s) {
  TRY_VALUE(const Rows rows,
            ask(database,
                "INSERT INTO report_taken (device, boot, epoch, sequence, taken_s) "
                "VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING sequence",
                {device, key.boot, key.epoch, key.sequence, now_s}));
  return !rows.empty();
}

// --- The latest of a unit ------------------------------------------------------------------------

struct UnitState {
  std::string name, model, version, manifest, health;
  std::int64_t frames = 0, crashes = 0;
};

// Reports of one kind come in the order they were written in, and a state of the device that was
// lost counts its boots again.
bool is_older(const Key& kept, std::int64_t reported_s, const Key& key, std::int64_t time_s) {
  const std::pair was(kept.boot, kept.sequence), is(key.boot, key.sequence);
  return is < was && (key.boot == kept.boot || time_s < reported_s);
}

// The units of a device, while a body of its reports is taken: read once each, written at the end,
// for a device that was away tells hundreds of windows of one.
class Units {
 public:
  Units(Database& database, std::string_view device) : database_(database), device_(device) {}

  // Of the release that runs, frames and crashes add up; another one begins at 0.
  Status keep(const Key& key, std::int64_t time_s, UnitState unit);
  // At each start each unit says what it runs: those that say nothing are there no more.
  Status begin(const Key& key, std::int64_t time_s);
  Status write();

 private:
  struct Kept {
    UnitState state;
    Key key;
    std::int64_t reported_s = 0;
    bool is_changed = false;
  };

  Result<std::optional<Kept>> read(const std::string& name);
  Result<bool> is_full();

  Database& database_;
  const std::string_view device_;
  std::map<std::string, Kept> kept_;
};

Result<std::optional<Units::Kept>> Units::read(const std::string& name) {
  TRY_VALUE(const Rows rows,
            ask(database_,
                "SELECT model, version, manifest, health, frames, crashes, reported_s, boot, "
                "sequence FROM device_unit WHERE device = ? AND unit = ?",
                {device_, name}));
  if (rows.empty()) return std::optional<Kept>();
  const Row& row = rows[0];
  return std::optional(
      Kept{.state = {.name = name,
                     .model = row[0].text(),
                     .version = row[1].text(),
                     .manifest = row[2].text(),
                     .health = row[3].text(),
                     .frames = row[4].integer(),
                     .crashes = row[5].integer()},
           .key = {.boot = row[7].integer(), .epoch = 0, .sequence = row[8].integer()},
           .reported_s = row[6].integer()});
}

Result<bool> Units::is_full() {
  TRY(write());  // to be counted
  TRY_VALUE(const Rows known,
            ask(database_, "SELECT COUNT(*) FROM device_unit WHERE device = ?", {device_}));
  return known[0][0].integer() >= kMaxUnits;
}

Status Units::keep(const Key& key, std::int64_t time_s, UnitState unit) {
  auto found = kept_.find(unit.name);
  if (found == kept_.end()) {
    TRY_VALUE(std::optional<Kept> kept, read(unit.name));
    if (!kept) {
      TRY_VALUE(const bool is_too_much, is_full());
      if (is_too_much) return {};
      const std::string name = unit.name;
      kept_.emplace(name, Kept{std::move(unit), key, time_s, true});
      return {};
    }
    found = kept_.emplace(unit.name, std::move(*kept)).first;
  }
  Kept& kept = found->second;
  const bool is_same = kept.state.manifest == unit.manifest;
  if (is_older(kept.key, kept.reported_s, key, time_s)) {
    if (!is_same || unit.frames + unit.crashes == 0) return {};
    kept.state.frames += unit.frames, kept.state.crashes += unit.crashes;
    kept.is_changed = true;
    return {};
  }
  if (is_same) unit.frames += kept.state.frames, unit.crashes += kept.state.crashes;
  kept = {std::move(unit), key, time_s, true};
  return {};
}

Status Units::begin(const Key& key, std::int64_t time_s) {
  TRY(write());
  kept_.clear();
  return tell(database_,
              "DELETE FROM device_unit WHERE device = ? AND boot < ? AND reported_s <= ?",
              {device_, key.boot, time_s});
}

Status Units::write() {
  for (auto& [name, kept] : kept_) {
    if (!std::exchange(kept.is_changed, false)) continue;
    const UnitState& unit = kept.state;
    TRY(tell(database_,
             "INSERT INTO device_unit (device, unit, model, version, manifest, health, frames, "
             "crashes, reported_s, boot, sequence) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
             "ON CONFLICT (device, unit) DO UPDATE SET model = excluded.model, "
             "version = excluded.version, manifest = excluded.manifest, "
             "health = excluded.health, frames = excluded.frames, crashes = excluded.crashes, "
             "reported_s = excluded.reported_s, boot = excluded.boot, "
             "sequence = excluded.sequence",
             {device_, name, unit.model, unit.version, unit.manifest, unit.health, unit.frames,
              unit.crashes, kept.reported_s, kept.key.boot, kept.key.sequence}));
  }
  return {};
}

UnitState state_of(const std::string& name, const std::optional<proto::ReportRelease>& release,
                   proto::ReportHealth health) {
  return {.name = name,
          .model = model_of(release),
          .version = version_of(release),
          .manifest = release ? trust::hex(release->manifest) : "",
          .health = std::string(proto::health_name(health))};
}

// --- Metrics -------------------------------------------------------------------------------------

// What is shown of a window beside its counts.
std::string details_of(const proto::ReportUnit& unit) {
  trust::Json::Array stages, signals, classes;
  for (const proto::ReportStage& stage : unit.stages) {
    stages.push_back(trust::Json::Members{{"name", stage.name},
                                          {"packets", static_cast<std::int64_t>(stage.packets)},
                                          {"p50_ms", stage.latency_ms.quantile(0.5)},
                                          {"p99_ms", stage.latency_ms.quantile(0.99)}});
  }
  for (const proto::ReportSignal& signal : unit.signals) {
    const auto count = static_cast<double>(signal.values.count());
    signals.push_back(trust::Json::Members{
        {"name", signal.name},
        {"psi", signal.psi ? trust::Json(*signal.psi) : trust::Json()},
        {"mean", count > 0 ? trust::Json(signal.values.sum() / count) : trust::Json()}});
  }
  for (const proto::ReportClass& item : unit.classes) {
    classes.push_back(trust::Json::Members{{"name", item.name},
                                           {"count", static_cast<std::int64_t>(item.count)}});
  }
  return trust::Json(trust::Json::Members{{"stages", std::move(stages)},
                                          {"signals", std::move(signals)},
                                          {"classes", std::move(classes)}})
      .compact();
}

Status keep_window(Database& database, std::string_view device, const Key& key, std::int64_t time_s,
                   std::int64_t window_ms, int item, const proto::ReportUnit& unit) {
  const auto errors = std::accumulate(unit.errors.begin(), unit.errors.end(), std::uint64_t{0});
  return tell(database,
              "INSERT INTO metric_window (device, time_s, boot, epoch, sequence, item, unit, "
              "model, version, window_ms, frames, errors, crashes, details) "
              "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
              {device, time_s, key.boot, key.epoch, key.sequence, item, unit.name,
               model_of(unit.release), version_of(unit.release), window_ms,
               static_cast<std::int64_t>(unit.frames), static_cast<std::int64_t>(errors),
               static_cast<std::int64_t>(unit.crashes), details_of(unit)});
}

Status keep(Database& database, std::string_view device, Units& units, const Key& key,
            std::int64_t time_s, bool is_kept, const proto::ReportMetrics& metrics) {
  int item = 0;
  for (const proto::ReportUnit& unit : metrics.units) {
    if (is_kept)
      TRY(keep_window(database, device, key, time_s, static_cast<std::int64_t>(metrics.window_ms),
                      item++, unit));
    // What was counted of a release that runs no more says nothing of what does.
    if (unit.release && unit.health == proto::ReportHealth::kIdle) continue;
    UnitState state = state_of(unit.name, unit.release, unit.health);
    state.frames = static_cast<std::int64_t>(unit.frames);
    state.crashes = static_cast<std::int64_t>(unit.crashes);
    TRY(units.keep(key, time_s, std::move(state)));
  }
  return {};
}

// What an alarm says to people. A worker's words stay on its device: they are known by its code.
std::string text_of(const proto::ReportAlarm& alarm) {
  if (!alarm.text.empty()) return alarm.text;
  if (!alarm.signal.empty() || !alarm.code) return alarm.signal;
  return fmt::format("{}: 'polderd status' there says more", code_name(*alarm.code));
}

Status keep(Database& database, std::string_view device, Units&, const Key& key,
            std::int64_t time_s, bool is_kept, const proto::ReportAlarm& alarm) {
  if (!is_kept) return {};
  return tell(database,
              "INSERT INTO alarm (device, time_s, boot, epoch, sequence, what, unit, model, "
              "version, text) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
              {device, time_s, key.boot, key.epoch, key.sequence, proto::alarm_name(alarm.what),
               alarm.unit, model_of(alarm.release), version_of(alarm.release), text_of(alarm)});
}

Status keep(Database&, std::string_view, Units& units, const Key& key, std::int64_t time_s, bool,
            const proto::ReportLifecycle& notice) {
  if (notice.what == proto::LifecycleKind::kUpdateBegun || notice.unit.empty()) return {};
  const bool runs = notice.release.has_value();
  TRY(units.keep(key, time_s,
                 state_of(notice.unit, notice.release,
                          runs ? proto::ReportHealth::kStarting : proto::ReportHealth::kIdle)));
  if (notice.what != proto::LifecycleKind::kStarted) return {};
  return units.begin(key, time_s);
}

// Rows that they are at most: some may have been taken before.
std::int64_t rows_of(std::span<const proto::Report> reports) {
  std::size_t rows = 0;
  for (const proto::Report& report : reports) {
    const auto* metrics = std::get_if<proto::ReportMetrics>(&report.what);
    rows += 1 + (metrics ? metrics->units.size() : 0);
  }
  return static_cast<std::int64_t>(rows);
}

// `off_s`: by which the device's clock is ahead.
Status store_reports(Database& database, std::string_view device,
                     std::span<const proto::Report> reports, std::int64_t off_s,
                     std::int64_t now_s) {
  // The most urgent come first; what they mean is seen in the order in which they were written.
  std::vector<const proto::Report*> written;
  for (const proto::Report& report : reports) written.push_back(&report);
  std::ranges::stable_sort(written, {}, [](const proto::Report* report) {
    return std::pair(report->boot, report->sequence);
  });
  Units units(database, device);
  Observer observer(database, device, now_s);
  for (const proto::Report* const each : written) {
    const Key key = key_of(*each);
    TRY_VALUE(const bool is_first, is_new(database, device, key, now_s));
    if (!is_first) continue;
    const std::int64_t written_s =
        off_s == 0 ? each->time_s : std::max<std::int64_t>(each->time_s - off_s, 0);
    // A clock that is ahead would hide what comes after.
    const std::int64_t time_s = std::min(written_s, now_s);
    const bool is_kept = time_s > now_s - kKeptS;
    TRY(std::visit(
        [&](const auto& what) { return keep(database, device, units, key, time_s, is_kept, what); },
        each->what));
    // A rollout that goes on by it chooses by what its devices run.
    if (!std::holds_alternative<proto::ReportMetrics>(each->what)) TRY(units.write());
    TRY(observer.take(*each, written_s));
  }
  return units.write();
}

// The time of the device's newest row that is too much.
Result<std::int64_t> last_above(Database& database, std::string_view table, std::string_view time,
                                std::string_view device, std::int64_t most) {
  TRY_VALUE(const Rows rows,
            ask(database,
                fmt::format("SELECT {1} FROM {0} WHERE device = ? ORDER BY {1} DESC LIMIT 1 "
                            "OFFSET ?",
                            table, time),
                {device, most}));
  return rows.empty() ? INT64_MIN : rows[0][0].integer();
}

Status sweep_one(Database& database, std::string_view device, std::int64_t now_s) {
  TRY(tell(database, "UPDATE device_link SET swept_s = ?, kept = 0 WHERE device = ?",
           {now_s, device}));
  // Those of one second stay together: a device that was away hands over thousands in one.
  TRY_VALUE(const std::int64_t taken,
            last_above(database, "report_taken", "taken_s", device, kMaxTaken - 1));
  TRY(tell(database, "DELETE FROM report_taken WHERE device = ? AND (taken_s <= ? OR taken_s < ?)",
           {device, now_s - kKeptS, taken}));
  const std::pair<std::string_view, std::int64_t> capped[] = {{"metric_window", kMaxWindows},
                                                              {"alarm", kMaxAlarms}};
  for (const auto& [table, most] : capped) {
    TRY_VALUE(const std::int64_t last, last_above(database, table, "time_s", device, most));
    TRY(tell(database, fmt::format("DELETE FROM {} WHERE device = ? AND time_s <= ?", table),
             {device, std::max(now_s - kKeptS, last)}));
  }
  return {};
}

// Of this device, where it has kept so many rows since it was swept; otherwise of one that is due.
Status sweep(Database& database, std::string_view device, std::int64_t kept, std::int64_t now_s) {
  if (kept >= kSweptAfter) return sweep_one(database, device, now_s);
  TRY_VALUE(
      const Rows due,
      ask(database, "SELECT device FROM device_link WHERE swept_s <= ? ORDER BY swept_s LIMIT 1",
          {now_s - kSweptEveryS}));
  return due.empty() ? Status() : sweep_one(database, due[0][0].text(), now_s);
}

}  // namespace

Result<TakenCheckin> take_checkin(Database& database, std::string_view device,
                                  const proto::Checkin& checkin, std::int64_t now_s) {
  TRY_VALUE(
      const Rows link,
      ask(database,
          "INSERT INTO device_link (device, seen_s, program, repository, watched_s, swept_s, kept) "
          "VALUES (?, ?, ?, ?, 0, ?, ?) ON CONFLICT (device) DO UPDATE SET "
          "seen_s = excluded.seen_s, program = excluded.program, "
          "repository = excluded.repository, kept = device_link.kept + excluded.kept "
          "RETURNING watched_s, kept",
          {device, now_s, checkin.program, static_cast<std::int64_t>(checkin.timestamp), now_s,
           rows_of(checkin.reports)}));
  // Before its reports, by which it may join a rollout.
  if (checkin.machine) TRY(keep_machine(database, device, *checkin.machine, now_s));
  const std::int64_t off_s = checkin.time_s > 0 ? checkin.time_s - now_s : 0;
  const bool is_right = std::abs(off_s) <= kClockSlackS;
  TRY(store_reports(database, device, checkin.reports, is_right ? 0 : off_s, now_s));
  TRY(sweep(database, device, link[0][1].integer(), now_s));
  TRY_VALUE(const bool is_machine_known, knows_machine(database, device));
  return TakenCheckin{link[0][0].integer(), is_machine_known};
}

}  // namespace polder::hub
