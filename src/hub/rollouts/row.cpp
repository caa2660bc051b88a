#include "hub/rollouts/row.h"

#include <algorithm>
#include <array>

#include "base/fail.h"
#include "hub/store/ask.h"

namespace polder::hub {
namespace {

constexpr std::array kPhases = {RolloutPhase::kRunning, RolloutPhase::kPaused,
                                RolloutPhase::kAborted, RolloutPhase::kDone};

// What few devices can prove is less.
double usual_margin(double devices) {
  if (devices < 2) return 3;
  if (devices < 4) return 2;
  return devices < 50 ? 1.5 : 1.25;
}

// Of many devices one loops or runs out of memory by itself: what stops everything is a share.
std::uint32_t usual_failures(double devices) {
  if (devices < 50) return 1;
  return static_cast<std::uint32_t>(std::clamp(1 + devices / 500, 2.0, double(kMaxFailures)));
}

}  // namespace

RolloutPlan Rollout::plan() const {
  RolloutPlan plan{.id = id, .stages = order.stages};
  const auto most = static_cast<std::uint32_t>(std::clamp<std::int64_t>(members, 1, UINT32_MAX));
  std::uint32_t failures = 1;
  for (Stage& stage : plan.stages) {
    stage.devices = std::min(stage.devices, most);
    const double all = stage.devices > 0 ? stage.devices : most * stage.permille / 1000.0;
    if (stage.gate.margin == 0) stage.gate.margin = usual_margin(is_a_b() ? all / 2 : all);
    // Failures of all stages count: what one allowed for is not the end in the next.
    if (stage.gate.failures == 0) stage.gate.failures = std::max(usual_failures(all), failures);
    failures = stage.gate.failures;
    // Nothing is left to compare with, so nothing more could be proven.
    if (stage.permille == 1000) stage.gate.promote_at = 0;
  }
  return plan;
}

double Rollout::share_before() const {
  if (state.stage == 0) return 0;
  const Stage& before = order.stages[state.stage - 1];
  return before.is_shadow ? 0 : before.permille / 1000.0;
}

std::optional<Reason> Rollout::waits_for(std::int64_t now_s) const {
  std::optional<Reason> why = order.waits_for(now_s);
  if (!why && has_statistics() && state.stage == 0 && looks < order.history_looks)
    why = say(why::kHistory, {{"looks", looks}, {"least", order.history_looks}});
  return why;
}

int Rollout::arm_of(std::string_view version) const {
  if (version == order.version) return 1;
  return is_a_b() && version == order.other_version ? 2 : 0;
}

Reason without_statistics(const Rollout& rollout) {
  return say(rollout.has_old ? why::kNoMeasures : why::kFirstRelease);
}

namespace {

// All but its plan.
Rollout row_of(const Row& row) {
  const auto phase = std::ranges::find(kPhases, row[2].text(), phase_text);
  Rollout rollout{.id = row[0].text(),
                  .order = {.model = row[16].text(),
                            .version = row[17].text(),
                            .other_version = row[18].text()},
                  .state = {.phase = phase == kPhases.end() ? RolloutPhase::kPaused : *phase,
                            .stage = static_cast<std::uint32_t>(row[3].integer()),
                            .stage_since_s = row[4].integer(),
                            .chosen = {},
                            .reason = row[5].text()},
                  .created_s = row[6].integer(),
                  .created_by = row[7].text(),
                  .ended_s = {},
                  .retry = row[9].integer(),
                  .has_old = row[10].integer() != 0,
                  .old_version = row[14].text(),
                  .members = row[11].integer(),
                  .looks = row[12].integer(),
                  .gate = row[13].text(),
                  .trouble = row[15].text()};
  if (!row[8].is_null()) rollout.ended_s = row[8].integer();
  if (!row[19].is_null()) rollout.due_s = row[19].integer();
  return rollout;
}

Result<Row> load_row(Database& database, std::string_view id) {
  TRY_VALUE(
      Rows rows,
      ask(database, fmt::format("SELECT {} FROM rollout WHERE id = ?", kRolloutColumns), {id}));
  if (rows.empty())
    return fail(
        Code::kNotFound,
        "there is no rollout of this name: 'polder rollout list' (/v1/rollouts) lists them");
  return std::move(rows[0]);
}

Status load_chosen(Database& database, Rollout& rollout) {
  TRY_VALUE(const Rows chosen,
            ask(database, "SELECT device FROM rollout_device WHERE rollout = ? AND chosen = 1",
                {rollout.id}));
  for (const Row& row : chosen) rollout.state.chosen.insert(row[0].text());
  return {};
}

}  // namespace

Result<Rollout> rollout_of(const Row& row) {
  const std::string where = "rollout " + row[0].text();
  TRY_VALUE(const trust::Json json, trust::Json::parse(row[1].text(), where));
  TRY_VALUE(RolloutOrder order, read_order(json, where));
  const std::int64_t stage = row[3].integer();
  if (std::ranges::count(kPhases, row[2].text(), phase_text) == 0 || stage < 0 ||
      stage >= static_cast<std::int64_t>(order.stages.size()))
    return fail(Code::kCorrupt, "{}: phase '{}', stage {}", where, row[2].text(), stage);
  Rollout rollout = row_of(row);
  rollout.order = std::move(order);
  return rollout;
}

Rollout legible(const Row& row) {
  auto read = rollout_of(row);
  if (read.ok()) return *std::move(read);
  Rollout rollout = row_of(row);
  rollout.trouble = read.error().message;
  return rollout;
}

Result<Rollout> load_rollout(Database& database, std::string_view id) {
  TRY_VALUE(const Row row, load_row(database, id));
  TRY_VALUE(Rollout rollout, rollout_of(row));
  TRY(load_chosen(database, rollout));
  return rollout;
}

Result<Rollout> load_legible(Database& database, std::string_view id) {
  TRY_VALUE(const Row row, load_row(database, id));
  Rollout rollout = legible(row);
  TRY(load_chosen(database, rollout));
  return rollout;
}

Status save_rollout(Database& database, const Rollout& rollout, std::int64_t now_s) {
  const RolloutState& state = rollout.state;
  const std::int64_t look_s = rollout.order.look_s;
  const Value due = rollout.is_active() ? Value((now_s / look_s + 1) * look_s) : Value();
  return tell(
      database,
      "UPDATE rollout SET phase = ?, stage = ?, stage_since_s = ?, reason = ?, ended_s = "
      "?, has_old = ?, old_version = ?, members = ?, looks = ?, gate = ?, due_s = ?, trouble = ? "
      "WHERE id = ?",
      {phase_text(state.phase), static_cast<std::int64_t>(state.stage), state.stage_since_s,
       state.reason, rollout.ended_s ? Value(*rollout.ended_s) : Value(), rollout.has_old ? 1 : 0,
       rollout.old_version, rollout.members, rollout.looks, rollout.gate, due,
       rollout.is_active() ? rollout.order.trouble() : "", rollout.id});
}

Status note(Database& database, const Rollout& rollout, const Reason& what, std::string_view actor,
            std::int64_t now_s) {
  TRY(tell(
      database,
      "INSERT INTO rollout_history (rollout, place, time_s, stage, what, why, actor) "
      "SELECT CAST(? AS TEXT), COALESCE(MAX(place), 0) + 1, CAST(? AS BIGINT), "
      "CAST(? AS BIGINT), CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT) FROM "
      "rollout_history WHERE rollout = ?",
      {rollout.id, now_s, static_cast<std::int64_t>(rollout.state.stage), what.text,
       trust::Json(trust::Json::Members{{"code", what.code}, {"values", what.values}}).compact(),
       actor, rollout.id}));
  trust::Json::Members details{
      {"model", rollout.order.model}, {"version", rollout.order.version}, {"what", what.text}};
  if (rollout.is_a_b()) details.emplace("other_version", rollout.order.other_version);
  return put_on_record(database, {now_s, std::string(actor), trust::Act::kRolloutChanged,
                                  rollout.id, std::move(details)});
}

}  // namespace polder::hub
