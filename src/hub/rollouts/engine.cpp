#include "hub/rollouts/engine.h"

#include <algorithm>
#include <utility>

#include "base/fail.h"
#include "hub/rollouts/evidence.h"
#include "hub/rollouts/members.h"
#include "hub/rollouts/refusals.h"
#include "hub/store/ask.h"
#include "trust/tuf_metadata.h"

namespace polder::hub {
namespace {

// Of a rollout, for charts: a week of the usual ones.
constexpr int kMaxLooks = 2'000;
constexpr int kMaxDue = 100;              // at once
constexpr std::size_t kMaxReasons = 100;  // of a gate
constexpr int kNamedTroubles = 3;         // of a gate
constexpr int kMaxOld = 100;   // releases that devices go back to, of those that are told
constexpr double kAll = 1000;  // permille

trust::Json::Members stage_values(const Rollout& rollout) {
  return {{"stage", static_cast<std::int64_t>(rollout.state.stage) + 1},
          {"stages", static_cast<std::int64_t>(rollout.order.stages.size())},
          {"size", rollout.stage().text()}};
}

std::string_view verdict_text(Verdict verdict) {
  switch (verdict) {
    case Verdict::kHold: return "hold";
    case Verdict::kPromote: return "promote";
    case Verdict::kAbort: return "abort";
  }
  return "";
}

Result<std::vector<DeviceFailure>> failures_of(Database& database, const Rollout& rollout) {
  TRY_VALUE(const Rows rows, ask(database,
                                 "SELECT device, failure_kind FROM rollout_device WHERE rollout = "
                                 "? AND failure IS NOT NULL AND failure_kind IS NOT NULL ORDER BY "
                                 "device LIMIT ?",
                                 {rollout.id, kMaxFailures}));
  std::vector<DeviceFailure> failures;
  for (const Row& row : rows)
    failures.push_back({row[0].text(), static_cast<HardFailure>(row[1].integer())});
  return failures;
}

// Whether any device runs it that does not only try it.
Result<bool> is_anywhere(Database& database, const Rollout& rollout) {
  TRY_VALUE(const Rows rows,
            ask(database,
                "SELECT 1 FROM rollout_device WHERE rollout = ? AND running IN (?, ?) "
                "AND is_settled = 1 LIMIT 1",
                {rollout.id, rollout.order.version,
                 rollout.is_a_b() ? rollout.order.other_version : rollout.order.version}));
  return !rows.empty();
}

// To which devices go back, and cannot: they are not told to take the new one.
Result<std::vector<std::string>> no_ways_back(Database& database, const Rollout& rollout) {
  std::vector<std::string> missing;
  if (rollout.order.is_one_way) return missing;
  TRY_VALUE(const Rows published, ask(database, kPublished, {rollout.order.model}));
  // From one to the next by their index: they are few, their devices are not.
  std::string version;
  for (int i = 0; i < kMaxOld; ++i) {
    TRY_VALUE(const Rows next, ask(database,
                                   "SELECT MIN(old_version) FROM rollout_device WHERE rollout = ? "
                                   "AND old_version > ?",
                                   {rollout.id, version}));
    if (next[0][0].is_null()) break;
    version = next[0][0].text();
    if (std::ranges::count(published, next[0]) == 0) missing.push_back(version);
  }
  return missing;
}

// Of those that a stage has chosen: who was told of the new release and is gone. They may run it,
// so nobody takes their place.
Result<std::optional<Reason>> gone(Database& database, const Rollout& rollout, std::int64_t now_s) {
  TRY_VALUE(const Rows rows,
            ask(database,
                "SELECT COUNT(*), MIN(o.device) FROM rollout_device o JOIN device_model m ON "
                "m.device = o.device AND m.model = o.active_model LEFT JOIN device_link l ON "
                "l.device = o.device WHERE o.rollout = ? AND o.chosen = 1 AND m.seen_s < ? AND "
                "COALESCE(l.seen_s, 0) < ?",
                {rollout.id, now_s - kThereS, now_s - kThereS}));
  const std::int64_t count = rows[0][0].integer();
  if (count == 0) return std::optional<Reason>();
  return std::optional(
      say(why::kGone, {{"gone", count},
                       {"all", static_cast<std::int64_t>(rollout.state.chosen.size())},
                       {"device", rows[0][1].text()}}));
}

// Why a stage of a number lacks devices.
Result<Reason> not_there(Database& database, const Rollout& rollout) {
  trust::Json::Members values{{"there", static_cast<std::int64_t>(rollout.state.chosen.size())},
                              {"all", static_cast<std::int64_t>(rollout.stage().devices)},
                              {"minutes", kThereS / 60}};
  if (!rollout.waits_for_counts()) return say(why::kNotThere, std::move(values));
  TRY_VALUE(const Rows rows,
            ask(database,
                "SELECT COUNT(*), COUNT(CASE WHEN counted = 0 THEN 1 END) FROM rollout_device "
                "WHERE rollout = ? AND number IS NOT NULL",
                {rollout.id}));
  const std::int64_t all = rows[0][0].integer(), silent = rows[0][1].integer();
  if (silent == 0) return say(why::kNotThere, std::move(values));
  values.emplace("silent", silent);
  values.emplace("compared", all);
  return say(why::kNotThereSilent, std::move(values));
}

// What was proven in the stage before says nothing of devices that have not told of it: of those
// that the stage has added, the ones that are compared stand for all. Who refuses it never will. Of
// the last stage time is enough, but for those that took it and do not run it: without statistics
// nothing else would tell.
Result<std::optional<Reason>> too_few(Database& database, const Rollout& rollout) {
  const Stage stage = rollout.stage();
  const bool is_last = stage.permille == kAll;
  if (stage.is_shadow || (is_last && rollout.has_statistics())) return std::optional<Reason>();
  const std::string_view version = rollout.order.version;
  Values values = {version,
                   rollout.is_a_b() ? std::string_view(rollout.order.other_version) : version,
                   rollout.id};
  std::string_view which = "o.chosen = 1";
  if (is_last) {
    which = "(o.running IN (?, ?) OR o.trouble <> '')";
    values.emplace_back(version);
    values.emplace_back(rollout.is_a_b() ? std::string_view(rollout.order.other_version) : version);
  } else if (stage.devices == 0) {
    which = "o.place >= ? AND o.place < ?";
    values.emplace_back(rollout.share_before());
    values.emplace_back(stage.permille / kAll);
  }
  TRY_VALUE(const Rows rows,
            ask(database,
                fmt::format("SELECT COUNT(*), COUNT(CASE WHEN o.running IN (?, ?) AND o.is_settled "
                            "= 1 THEN 1 END) FROM rollout_device o JOIN device d ON d.id = "
                            "o.device AND d.revoked_s IS NULL WHERE o.rollout = ? AND o.number IS "
                            "NOT NULL AND o.failure IS NULL AND {}",
                            which),
                values));
  const std::int64_t all = rows[0][0].integer(), there = rows[0][1].integer();
  if (2 * there >= all) return std::optional<Reason>();
  return std::optional(say(why::kTooFew, {{"there", there}, {"all", all}}));
}

// Some that took it, do not run it, and say that it is not to blame.
Result<std::vector<Reason>> troubles_of(Database& database, const Rollout& rollout) {
  TRY_VALUE(
      const Rows rows,
      ask(database,
          "SELECT device, trouble FROM rollout_device WHERE rollout = ? AND trouble <> '' AND "
          "NOT (running IN (?, ?) AND is_settled = 1) ORDER BY device LIMIT ?",
          {rollout.id, rollout.order.version,
           rollout.is_a_b() ? rollout.order.other_version : rollout.order.version,
           kNamedTroubles}));
  std::vector<Reason> troubles;
  for (const Row& row : rows)
    troubles.push_back(say(why::kTrouble, {{"device", row[0].text()}, {"trouble", row[1].text()}}));
  return troubles;
}

void hold(GateState& gate, Reason reason) {
  if (gate.verdict == Verdict::kAbort) return;
  gate.verdict = Verdict::kHold;
  gate.reasons.insert(gate.reasons.begin(), std::move(reason));
}

// That more devices are silent by the new release: by the last look, or as it was said of that.
Result<std::optional<Reason>> silent(Database& database, const Rollout& rollout,
                                     const Evidence& evidence) {
  if (!rollout.has_statistics()) return std::optional<Reason>();
  if (evidence.looks > 0) return silence_of(database, rollout, evidence.heard);
  const auto gate = trust::Json::parse(rollout.gate, "rollout.gate");
  const trust::Json* const reasons = gate.ok() ? gate->find("why") : nullptr;
  if (!reasons || !reasons->array()) return std::optional<Reason>();
  for (const trust::Json& reason : *reasons->array()) {
    const trust::Json *const code = reason.find("code"), *const values = reason.find("values");
    if (code && code->string() && *code->string() == why::kSilent.code && values &&
        values->members())
      return std::optional(say(why::kSilent, *values->members()));
  }
  return std::optional<Reason>();
}

// The gate, and what keeps it shut beside the measures.
Result<GateState> judge(Database& database, const Rollout& rollout, const Evidence& evidence,
                        std::int64_t now_s) {
  TRY_VALUE(const std::vector<DeviceFailure> failures, failures_of(database, rollout));
  const Stage stage = rollout.stage();
  GateRules rules = stage.gate;
  rules.has_statistics = rollout.has_statistics();
  GateState gate =
      judge_gate(evidence.measures, failures, now_s - rollout.state.stage_since_s, rules);
  if (gate.verdict == Verdict::kAbort) return gate;
  if (!failures.empty())
    gate.reasons.push_back(
        say(why::kSomeFailed, {{"failed", static_cast<std::int64_t>(failures.size())},
                               {"end", static_cast<std::int64_t>(rules.failures)},
                               {"device", failures.back().device},
                               {"failure", failure_text(failures.back().failure)}}));
  TRY_VALUE(const bool is_there, is_anywhere(database, rollout));
  // The last stage waits for nobody; one that is done has been run by somebody.
  if (!is_there && (!rules.has_statistics || stage.permille == kAll))
    hold(gate, say(why::kNobodyRunsIt));
  if (!rules.has_statistics) gate.reasons.push_back(without_statistics(rollout));
  if (gate.verdict == Verdict::kPromote) {
    TRY_VALUE(std::optional<Reason> few, too_few(database, rollout));
    if (few) hold(gate, *std::move(few));
  }
  TRY_VALUE(std::optional<Reason> quiet, silent(database, rollout, evidence));
  if (quiet) hold(gate, *std::move(quiet));
  TRY_VALUE(const Refusals refusals, refusals_of(database, rollout));
  const std::size_t lacking = missing_devices(rollout.plan(), rollout.state);
  if (lacking > 0 && refusals.count() < rollout.members) {
    TRY_VALUE(Reason lacks, not_there(database, rollout));
    hold(gate, std::move(lacks));
  }
  // Where none has taken it, nothing has been proven of it by anybody.
  std::vector<Reason> refused = refusals.reasons();
  if (refusals.are_all() || lacking > 0) {
    std::ranges::reverse(refused);
    for (Reason& reason : refused) hold(gate, std::move(reason));
  } else if (gate.verdict == Verdict::kHold) {
    std::ranges::move(refused, std::back_inserter(gate.reasons));
  }
  if (rollout.members == 0) hold(gate, say(why::kNobody));
  if (std::optional<Reason> waits = rollout.waits_for(now_s)) hold(gate, *std::move(waits));
  if (gate.verdict != Verdict::kHold) return gate;
  TRY_VALUE(std::vector<Reason> troubles, troubles_of(database, rollout));
  std::ranges::move(troubles, std::back_inserter(gate.reasons));
  TRY_VALUE(std::vector<Reason> ended, ended_of(database, rollout));
  std::ranges::move(ended, std::back_inserter(gate.reasons));
  TRY_VALUE(std::optional<Reason> away, gone(database, rollout, now_s));
  if (away) gate.reasons.push_back(*std::move(away));
  TRY_VALUE(const std::vector<std::string> missing, not_published(database, rollout));
  for (const std::string& version : missing)
    gate.reasons.push_back(
        say(why::kNotPublished, {{"model", rollout.order.model}, {"version", version}}));
  TRY_VALUE(const std::vector<std::string> no_way_back, no_ways_back(database, rollout));
  for (const std::string& version : no_way_back)
    gate.reasons.push_back(
        say(why::kNoWayBack, {{"model", rollout.order.model}, {"version", version}}));
  return gate;
}

Status keep_look(Database& database, const Rollout& rollout, std::span<const MeasureState> measures,
                 std::int64_t now_s) {
  TRY(tell(database,
           "INSERT INTO rollout_look (rollout, time_s, stage, measures) VALUES (?, ?, ?, ?) "
           "ON CONFLICT (rollout, time_s) DO UPDATE SET stage = excluded.stage, measures = "
           "excluded.measures",
           {rollout.id, now_s, static_cast<std::int64_t>(rollout.state.stage),
            trust::Json(json_of(measures)).compact()}));
  return tell(database,
              "DELETE FROM rollout_look WHERE rollout = ? AND time_s <= (SELECT time_s FROM "
              "rollout_look WHERE rollout = ? ORDER BY time_s DESC LIMIT 1 OFFSET ?)",
              {rollout.id, rollout.id, kMaxLooks});
}

Status end(Database& database, Rollout& rollout, std::string_view actor, std::int64_t now_s) {
  rollout.ended_s = now_s;
  TRY(assign(database, rollout, true, now_s));
  TRY(discharge(database, rollout));
  const RolloutState& state = rollout.state;
  return note(database, rollout,
              state.phase == RolloutPhase::kDone ? say(why::kDone)
                                                 : say(why::kAborted, {{"reason", state.reason}}),
              actor, now_s);
}

// Who is missing in a stage is chosen, and told.
Status fill_stage(Database& database, Rollout& rollout, std::int64_t now_s) {
  TRY_VALUE(const std::vector<std::string> missing, not_published(database, rollout));
  const bool may_grow = missing.empty() && !rollout.waits_for(now_s);
  // A stage begins when it may.
  if (!may_grow && rollout.state.stage == 0) {
    TRY_VALUE(const Rows told,
              ask(database, "SELECT 1 FROM rollout_device WHERE rollout = ? AND wanted > 0 LIMIT 1",
                  {rollout.id}));
    if (told.empty()) rollout.state.stage_since_s = now_s;
  }
  // Where time is all that is looked at, it is that of devices that run it.
  if (!rollout.has_statistics()) {
    TRY_VALUE(const bool is_there, is_anywhere(database, rollout));
    if (!is_there) rollout.state.stage_since_s = now_s;
  }
  if (may_grow) {
    TRY(replace(database, rollout, now_s));
    TRY(choose(database, rollout, now_s));
  }
  return assign(database, rollout, may_grow, now_s);
}

}  // namespace

Result<Rollout> create_rollout(Database& database, const RolloutOrder& order,
                               std::string_view actor, std::int64_t now_s) {
  TRY_VALUE(const Rows last, ask(database, "SELECT COALESCE(MAX(place), 0) FROM rollout", {}));
  const std::int64_t place = last[0][0].integer() + 1;
  // A device has one for all of its models.
  TRY_VALUE(const Rows before,
            ask(database, "SELECT COALESCE(MAX(retry) + 1, 0) FROM rollout", {}));
  Rollout rollout{.id = fmt::format("r{}", place),
                  .order = order,
                  .state = begin_rollout(now_s),
                  .created_s = now_s,
                  .created_by = std::string(actor),
                  .ended_s = {},
                  .retry = before[0][0].integer(),
                  .old_version = "",
                  .gate = ""};
  TRY(tell(
      database,
      "INSERT INTO rollout (id, place, model, version, other_version, plan, phase, stage, "
      "stage_since_s, reason, gate, created_s, created_by, due_s, look_s, retry, has_old, members, "
      "looks) "
      "VALUES (?, ?, ?, ?, ?, ?, 'running', 0, ?, '', '', ?, ?, ?, ?, ?, 0, 0, 0)",
      {rollout.id, place, order.model, order.version, order.other_version,
       trust::Json(json_of(order)).compact(), now_s, now_s, actor, now_s, order.look_s,
       rollout.retry}));
  TRY(enlist(database, rollout, now_s));
  TRY(save_rollout(database, rollout, now_s));
  trust::Json::Members created = stage_values(rollout);
  if (rollout.members != 1) created.emplace("devices", rollout.members);
  TRY(note(database, rollout,
           say(rollout.members == 1 ? why::kCreatedForOne : why::kCreated, std::move(created)),
           actor, now_s));
  TRY(advance(database, rollout.id, now_s));
  return load_rollout(database, rollout.id);
}

Status advance(Database& database, std::string_view id, std::int64_t now_s) {
  TRY_VALUE(Rollout rollout, load_rollout(database, id));
  if (!rollout.is_active()) return {};
  // A clock that was ahead and was set right.
  rollout.state.stage_since_s = std::min(rollout.state.stage_since_s, now_s);
  TRY_VALUE(const Evidence evidence, take_looks(database, rollout, now_s));
  rollout.looks += evidence.looks;
  TRY(fill_stage(database, rollout, now_s));
  TRY_VALUE(const GateState gate, judge(database, rollout, evidence, now_s));
  if (evidence.looks > 0) TRY(keep_look(database, rollout, evidence.measures, now_s));
  const std::span<const Reason> reasons(gate.reasons.data(),
                                        std::min(gate.reasons.size(), kMaxReasons));
  rollout.gate = trust::Json(trust::Json::Members{{"verdict", verdict_text(gate.verdict)},
                                                  {"time", trust::tuf::time_text(now_s)},
                                                  {"evidence", gate.evidence},
                                                  {"reasons", texts_of(reasons)},
                                                  {"why", why_of(reasons)},
                                                  {"measures", json_of(evidence.measures)}})
                     .compact();
  const std::uint32_t stage = rollout.state.stage;
  rollout.state = after_gate(rollout.plan(), std::move(rollout.state), gate, now_s);
  if (!rollout.is_active()) {
    TRY(end(database, rollout, kHubActor, now_s));
  } else if (rollout.state.stage != stage) {
    TRY(note(database, rollout, say(why::kStage, stage_values(rollout)), kHubActor, now_s));
    TRY(fill_stage(database, rollout, now_s));
  }
  return save_rollout(database, rollout, now_s);
}

Result<Carried> run_due(const Read& read, const Write& write, std::int64_t now_s) {
  TRY_VALUE(const Rows due, read("SELECT id FROM rollout WHERE due_s IS NOT NULL AND (due_s <= ? "
                                 "OR due_s > ?) ORDER BY due_s LIMIT ?",
                                 {now_s, now_s + kMaxLookS, kMaxDue}));
  Carried carried{.rollouts = due.size(), .trouble = ""};
  for (const Row& row : due) {
    const std::string& id = row[0].text();
    const Status done = write([&](Database& database) { return advance(database, id, now_s); });
    if (done.ok()) continue;
    if (done.error().code == Code::kUnavailable || done.error().code == Code::kExhausted)
      return done.error();
    carried.trouble = fmt::format("rollout {}: {}", id, done.error().message);
    Status noted = write([&](Database& database) {
      return tell(database,
                  "UPDATE rollout SET trouble = ?, due_s = (CAST(? AS BIGINT) / look_s + 1) * "
                  "look_s WHERE id = ?",
                  {done.error().message, now_s, id});
    });
    TRY(std::move(noted));
  }
  return carried;
}

Status sweep_rollouts(Database& database, std::int64_t now_s) {
  TRY_VALUE(const Rows rows,
            ask(database,
                "SELECT id FROM rollout r WHERE ended_s < ? AND EXISTS (SELECT 1 FROM "
                "rollout_history h WHERE h.rollout = r.id) ORDER BY ended_s LIMIT 1",
                {now_s - kRolloutKeptS}));
  if (rows.empty()) return {};
  for (const char* table : {"rollout_device", "rollout_look", "rollout_history"})
    TRY(tell(database, fmt::format("DELETE FROM {} WHERE rollout = ?", table), {rows[0][0]}));
  return {};
}

Status order_rollout(Database& database, std::string_view id, Order order, std::string_view reason,
                     std::string_view actor, std::int64_t now_s) {
  // What nobody can read any more can still be taken back.
  TRY_VALUE(Rollout rollout,
            order == Order::kAbort ? load_legible(database, id) : load_rollout(database, id));
  auto ordered = order == Order::kPause    ? paused(rollout.state, reason)
                 : order == Order::kResume ? resumed(rollout.state, now_s)
                                           : aborted(rollout.state, reason);
  if (!ordered.ok()) return Error{Code::kIncompatible, ordered.error().message};
  rollout.state = std::move(*ordered);
  if (order == Order::kAbort) {
    TRY(end(database, rollout, actor, now_s));
  } else {
    TRY(note(database, rollout,
             order == Order::kResume ? say(why::kResumed) : say(why::kPaused, {{"reason", reason}}),
             actor, now_s));
  }
  TRY(save_rollout(database, rollout, now_s));
  return order == Order::kResume ? advance(database, id, now_s) : Status();
}

}  // namespace polder::hub
