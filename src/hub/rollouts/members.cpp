#include "hub/rollouts/members.h"

#include <algorithm>
#include <vector>

#include "base/fail.h"
#include "hub/store/ask.h"

namespace polder::hub {
namespace {

// Of what is written once a minute at most.
constexpr std::int64_t kSeenStepS = 60;
// Rollouts that are over, of which one may be for a device that is new.
constexpr int kMaxLast = 100;

struct Member {
  std::string device, old_version;
  std::string running;
  double place = 0;
};

int arm_of(const Rollout& rollout, std::string_view device) {
  return rollout.is_a_b() && place_of(rollout.id + "/arm", device) >= 0.5 ? 2 : 1;
}

Status insert(Database& database, const Rollout& rollout, const Member& member, Value number) {
  return tell(database,
              "INSERT INTO rollout_device (rollout, device, place, arm, number, wanted, "
              "old_version, running, chosen, active_model) VALUES (?, ?, ?, ?, ?, 0, ?, ?, 0, ?)",
              {rollout.id, member.device, member.place, arm_of(rollout, member.device),
               std::move(number), member.old_version, member.running, rollout.order.model});
}

// The statements' condition names devices of the rollout; those that are wanted to run it already
// are left alone.
Status want(Database& database, const Rollout& rollout, Wanted wanted, std::string_view condition,
            const Values& values) {
  const int what = static_cast<int>(wanted);
  TRY_VALUE(const Rows last, ask(database, "SELECT COALESCE(MAX(changed), 0) FROM wanted", {}));
  Values all = {rollout.order.model,
                wanted == Wanted::kOld ? 1 : 0,
                rollout.order.other_version,
                rollout.order.version,
                wanted == Wanted::kShadow ? 1 : 0,
                wanted == Wanted::kOld ? 0 : rollout.retry,
                last[0][0].integer() + 1,
                rollout.id,
                what};
  all.insert(all.end(), values.begin(), values.end());
  TRY(tell(database,
           fmt::format("INSERT INTO wanted (device, model, version, shadow, retry, changed) "
                       "SELECT device, CAST(? AS TEXT), CASE WHEN CAST(? AS BIGINT) = 1 THEN "
                       "old_version WHEN arm = 2 THEN CAST(? AS TEXT) ELSE CAST(? AS TEXT) END, "
                       "CAST(? AS BIGINT), CAST(? AS BIGINT), CAST(? AS BIGINT) "
                       "FROM rollout_device WHERE rollout = ? AND wanted <> ? AND ({}) "
                       "ON CONFLICT (device, model) DO UPDATE SET version = excluded.version, "
                       "shadow = excluded.shadow, changed = excluded.changed, retry = CASE WHEN "
                       "excluded.retry > wanted.retry THEN excluded.retry ELSE wanted.retry END",
                       condition),
           all));
  Values again = {what, rollout.id, what};
  again.insert(again.end(), values.begin(), values.end());
  return tell(database,
              fmt::format("UPDATE rollout_device SET wanted = ? WHERE rollout = ? AND wanted <> ? "
                          "AND ({})",
                          condition),
              again);
}

// What a device with the model is to run that takes part in no rollout: what the last one that was
// done, and is for it, left.
struct LastRelease {
  std::string version;  // "": there is none
  std::int64_t retry = 0;
};
Result<LastRelease> last_release(Database& database, std::string_view device,
                                 std::string_view model, const Tags& tags) {
  TRY_VALUE(const Rows rows,
            ask(database,
                fmt::format("SELECT {} FROM rollout WHERE model = ? AND phase = 'done' ORDER BY "
                            "place DESC LIMIT {}",
                            kRolloutColumns, kMaxLast),
                {model}));
  for (const Row& row : rows) {
    TRY_VALUE(const Rollout rollout, rollout_of(row));
    if (!holds(rollout.order.query, tags)) continue;
    const bool is_other = arm_of(rollout, device) == 2;
    return LastRelease{is_other ? rollout.order.other_version : rollout.order.version,
                       rollout.retry};
  }
  return LastRelease{};
}

Status want_last(Database& database, std::string_view device, std::string_view model,
                 const LastRelease& last) {
  if (last.version.empty()) return {};
  return tell(database,
              "INSERT INTO wanted (device, model, version, shadow, retry, changed) SELECT "
              "CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT), 0, CAST(? AS BIGINT), "
              "COALESCE(MAX(changed), 0) + 1 FROM wanted WHERE 1 = 1 "
              "ON CONFLICT (device, model) DO NOTHING",
              {device, model, last.version, last.retry});
}

Status insert_late(Database& database, Rollout& rollout, const Member& member) {
  Value number;
  if (rollout.members < 2 * kSampled) {
    TRY_VALUE(
        const Rows most,
        ask(database, "SELECT COALESCE(MAX(number), -1) + 1 FROM rollout_device WHERE rollout = ?",
            {rollout.id}));
    number = most[0][0];
  }
  TRY(insert(database, rollout, member, std::move(number)));
  ++rollout.members;
  rollout.has_old = rollout.has_old || !member.old_version.empty();
  return tell(database, "UPDATE rollout SET members = ?, has_old = ? WHERE id = ?",
              {rollout.members, rollout.has_old ? 1 : 0, rollout.id});
}

// As one of the first rollout that is for it.
Status enlist_one(Database& database, const std::string& device, std::string_view model,
                  std::int64_t now_s) {
  TRY_VALUE(const Rows has, ask(database,
                                "SELECT committed, running FROM device_model WHERE device = ? AND "
                                "model = ?",
                                {device, model}));
  TRY_VALUE(const Tags tags, tags_of(database, device));
  TRY_VALUE(const Rows active,
            ask(database,
                fmt::format("SELECT {} FROM rollout WHERE model = ? AND due_s IS NOT NULL ORDER BY "
                            "place",
                            kRolloutColumns),
                {model}));
  LastRelease last;
  if (has[0][0].text().empty()) {
    TRY_VALUE(last, last_release(database, device, model, tags));
  }
  for (const Row& row : active) {
    TRY_VALUE(Rollout rollout, rollout_of(row));
    if (!holds(rollout.order.query, tags)) continue;
    const std::string& committed = has[0][0].text();
    TRY(insert_late(database, rollout,
                    {.device = device,
                     .old_version = committed.empty() ? last.version : committed,
                     .running = has[0][1].text(),
                     .place = place_of(rollout.id, device)}));
    const Wanted wanted = wanted_of(rollout.plan(), rollout.state, device);
    const bool may_change =
        rollout.state.phase == RolloutPhase::kRunning && rollout.waits_for(now_s).empty();
    if (wanted != Wanted::kOld && may_change)
      return want(database, rollout, wanted, "device = ?", {device});
    break;
  }
  return want_last(database, device, model, last);
}

}  // namespace

Status note_model(Database& database, std::string_view device, std::string_view model,
                  const ModelNews& news, std::int64_t now_s) {
  TRY_VALUE(const Rows rows,
            ask(database,
                "SELECT running, committed, is_well, seen_s FROM device_model WHERE device = ? AND "
                "model = ?",
                {device, model}));
  // A rollout of which it runs the new release is not to take that for the old one.
  TRY_VALUE(const Rows member, ask(database,
                                   "SELECT r.id, r.version, r.other_version, d.running, d.wanted, "
                                   "d.old_version FROM rollout_device d JOIN rollout r ON r.id = "
                                   "d.rollout WHERE d.device = ? AND d.active_model = ?",
                                   {device, model}));
  const auto is_new = [&](const std::string& version) {
    return !member.empty() && !version.empty() &&
           (version == member[0][1].text() || version == member[0][2].text());
  };
  const bool is_known = !rows.empty();
  const std::string running = news.running.value_or(is_known ? rows[0][0].text() : "");
  std::string committed = news.committed.value_or(is_known ? rows[0][1].text() : "");
  if (committed.empty() && !is_new(running)) committed = running;
  const bool is_well = news.is_well.value_or(is_known ? rows[0][2].integer() != 0 : true);
  if (!is_known) {
    TRY_VALUE(const Rows known,
              ask(database, "SELECT COUNT(*) FROM device_model WHERE device = ?", {device}));
    if (known[0][0].integer() >= kMaxModels) return {};
    TRY(tell(database,
             "INSERT INTO device_model (device, model, running, committed, is_well, seen_s) VALUES "
             "(?, ?, ?, ?, ?, ?)",
             {device, model, running, committed, is_well ? 1 : 0, now_s}));
    return enlist_one(database, std::string(device), model, now_s);
  }
  const bool is_same = rows[0][0].text() == running && rows[0][1].text() == committed &&
                       (rows[0][2].integer() != 0) == is_well;
  const std::int64_t seen_s = rows[0][3].integer();
  if (!is_same || now_s >= seen_s + kSeenStepS || now_s < seen_s)
    TRY(tell(database,
             "UPDATE device_model SET running = ?, committed = ?, is_well = ?, seen_s = ? WHERE "
             "device = ? AND model = ?",
             {running, committed, is_well ? 1 : 0, now_s, device, model}));
  if (member.empty()) return {};
  const Row& row = member[0];
  const bool may_be_old = row[4].integer() == 0 && !committed.empty() && !is_new(committed);
  const std::string old = may_be_old ? committed : row[5].text();
  if (row[3].text() == running && row[5].text() == old) return {};
  TRY(tell(
      database,
      "UPDATE rollout_device SET running = ?, old_version = ? WHERE rollout = ? AND device = ?",
      {running, old, row[0], device}));
  if (old.empty()) return {};
  return tell(database, "UPDATE rollout SET has_old = 1 WHERE id = ? AND has_old = 0", {row[0]});
}

Status enlist(Database& database, Rollout& rollout) {
  Values values = {rollout.order.model};
  const std::string condition = query_condition(rollout.order.query, "m.device", values);
  TRY_VALUE(const Rows others,
            ask(database,
                "SELECT o.rollout, m.device FROM device_model m JOIN rollout_device o ON "
                "o.device = m.device AND o.active_model = m.model WHERE m.model = ?" +
                    condition + " LIMIT 1",
                values));
  if (!others.empty())
    return fail(Code::kIncompatible,
                "device {} is part of rollout {}, which is not over: abort that, let it end, or "
                "name other devices",
                others[0][1].text(), others[0][0].text());
  TRY_VALUE(const Rows rows,
            ask(database,
                "SELECT m.device, m.committed, m.running FROM device_model m JOIN device d ON "
                "d.id = m.device AND d.revoked_s IS NULL WHERE m.model = ?" +
                    condition,
                values));
  std::vector<Member> members;
  for (const Row& row : rows) {
    members.push_back({.device = row[0].text(),
                       .old_version = row[1].text(),
                       .running = row[2].text(),
                       .place = place_of(rollout.id, row[0].text())});
    rollout.has_old = rollout.has_old || !row[1].text().empty();
  }
  std::ranges::sort(members, {}, &Member::place);
  rollout.members = static_cast<std::int64_t>(members.size());
  for (std::int64_t i = 0; i < rollout.members; ++i) {
    const bool is_sampled = i < kSampled || i >= rollout.members - kSampled;
    TRY(insert(database, rollout, members[static_cast<std::size_t>(i)],
               is_sampled ? Value(i) : Value()));
  }
  return {};
}

Status enlist_anew(Database& database, std::string_view device, std::int64_t now_s) {
  TRY_VALUE(const Tags tags, tags_of(database, device));
  TRY_VALUE(const Rows models,
            ask(database, "SELECT model FROM device_model WHERE device = ?", {device}));
  for (const Row& model : models) {
    TRY_VALUE(
        const Rows member,
        ask(database,
            "SELECT rollout, wanted FROM rollout_device WHERE device = ? AND active_model = ?",
            {device, model[0]}));
    if (!member.empty()) {
      TRY_VALUE(const Rollout rollout, load_rollout(database, member[0][0].text()));
      // One that was told to take the new release stays: what it does there counts.
      if (holds(rollout.order.query, tags) || member[0][1].integer() != 0) continue;
      TRY(tell(database, "DELETE FROM rollout_device WHERE rollout = ? AND device = ?",
               {rollout.id, device}));
      TRY(tell(database, "UPDATE rollout SET members = members - 1 WHERE id = ?", {rollout.id}));
    }
    TRY(enlist_one(database, std::string(device), model[0].text(), now_s));
  }
  return {};
}

Status choose(Database& database, Rollout& rollout, std::int64_t now_s) {
  const std::size_t missing = missing_devices(rollout.plan(), rollout.state);
  if (missing == 0) return {};
  const std::string_view old = rollout.has_old ? "AND o.old_version <> '' " : "";
  TRY_VALUE(
      const Rows rows,
      ask(database,
          fmt::format(
              "SELECT o.device FROM rollout_device o JOIN device_model m ON "
              "m.device = o.device AND m.model = ? JOIN device d ON d.id = o.device "
              "LEFT JOIN device_link l ON l.device = o.device "
              "WHERE o.rollout = ? AND o.wanted = 0 AND o.chosen = 0 AND o.failure IS NULL {}"
              "AND m.is_well = 1 AND (m.seen_s >= ? OR l.seen_s >= ?) AND d.revoked_s IS NULL "
              "ORDER BY o.place LIMIT ?",
              old),
          {rollout.order.model, rollout.id, now_s - kThereS, now_s - kThereS,
           static_cast<std::int64_t>(missing)}));
  for (const Row& row : rows) {
    // It is compared, wherever it stands in the order.
    TRY(tell(database,
             "UPDATE rollout_device SET chosen = 1, number = COALESCE(number, (SELECT "
             "COALESCE(MAX(number), -1) + 1 FROM rollout_device WHERE rollout = ?)) WHERE rollout "
             "= ? AND device = ?",
             {rollout.id, rollout.id, row[0]}));
    rollout.state.chosen.insert(row[0].text());
  }
  return {};
}

Status assign(Database& database, const Rollout& rollout, bool may_grow) {
  const RolloutState& state = rollout.state;
  if (state.phase == RolloutPhase::kAborted)
    return want(database, rollout, Wanted::kOld, "1 = 1", {});
  if (state.phase == RolloutPhase::kDone) return want(database, rollout, Wanted::kNew, "1 = 1", {});
  if (state.phase == RolloutPhase::kPaused || !may_grow) return {};
  const Stage stage = rollout.stage();
  const double share = stage.permille / 1000.0;
  // Each by an index of its own. Shadows come before the first stage that acts.
  if (stage.is_shadow) {
    TRY(want(database, rollout, Wanted::kShadow, "wanted = 0 AND place < ?", {share}));
    return want(database, rollout, Wanted::kShadow, "chosen = 1", {});
  }
  TRY(want(database, rollout, Wanted::kNew, "wanted IN (0, 1) AND place < ?", {share}));
  TRY(want(database, rollout, Wanted::kNew, "chosen = 1", {}));
  // Shadows of more devices than now act.
  return want(database, rollout, Wanted::kOld, "wanted = 1", {});
}

Status discharge(Database& database, const Rollout& rollout) {
  for (const char* table : {"rollout_counts", "rollout_limit", "rollout_evidence"})
    TRY(tell(database, fmt::format("DELETE FROM {} WHERE rollout = ?", table), {rollout.id}));
  return tell(database, "UPDATE rollout_device SET active_model = NULL WHERE rollout = ?",
              {rollout.id});
}

}  // namespace polder::hub
