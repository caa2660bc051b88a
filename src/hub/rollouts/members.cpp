#include "hub/rollouts/members.h"

#include <algorithm>
#include <map>
#include <vector>

#include "base/fail.h"
#include "base/text.h"
#include "hub/rollouts/canaries.h"
#include "hub/rollouts/refusals.h"
#include "hub/rollouts/wanted.h"
#include "hub/store/ask.h"
#include "hub/upkeep/gap.h"
#include "trust/version.h"

namespace polder::hub {
namespace {

// Of what is written once a minute at most.
constexpr std::int64_t kSeenStepS = 60;
// Of those that no counts are compared of so many are asked about in a look, whether they are
// there.
constexpr std::int64_t kAskedAbout = 1000;
constexpr double kAll = 1000;  // permille
// One that was told and goes on with its old release: longer than a download, a window of the
// device and a shadow last.
constexpr std::int64_t kPatienceS = 3 * 86'400;
// Rollouts that are over, of which one may be for a device that is new.
constexpr int kMaxLast = 100;

// One that runs its old release, or has none, may be told to take the new one, where it can go
// back. `row`: "o." where the row has that name.
std::string may_take(const Rollout& rollout, std::string_view row = "") {
  std::string runs_old = fmt::format("({0}running = {0}old_version OR {0}old_version = '')", row);
  if (rollout.order.is_one_way) return runs_old;
  return fmt::format(
      "{0} AND ({1}old_version = '' OR EXISTS (SELECT 1 FROM model_release r WHERE r.model = "
      "{1}active_model AND r.version = {1}old_version AND r.state = 'published'))",
      runs_old, row);
}

// Of a device that checks in, its units tell which models it has.
constexpr std::string_view kHasModel =
    "(l.device IS NULL OR EXISTS (SELECT 1 FROM device_unit u WHERE u.device = o.device AND "
    "u.unit = o.active_model))";

int arm_of(const Rollout& rollout, std::string_view device) {
  return rollout.is_a_b() && place_of(rollout.id + "/arm", device) >= 0.5 ? 2 : 1;
}

// What the rollout brings to that device.
const std::string& new_version(const Rollout& rollout, std::string_view device) {
  return arm_of(rollout, device) == 2 ? rollout.order.other_version : rollout.order.version;
}

struct Member {
  std::string device;
  std::string old_version;  // what it goes back to; empty: nothing is known
  std::string running;
  bool is_settled = true;  // what runs is no trial any more
  double place = 0;
};

// What is known of a device that has the model.
struct Known {
  std::string running, committed;
  bool is_settled = true;
  std::optional<std::string> wanted;  // that it is to run; nothing: it was never told
  Value abilities;                    // that it has told: see able.h
};
constexpr std::string_view kKnown =
    "m.running, m.committed, m.is_well, w.version, c.abilities FROM device_model m "
    "LEFT JOIN wanted w ON w.device = m.device AND w.model = m.model "
    "LEFT JOIN device_machine c ON c.device = m.device";
Known known_of(const Row& row, std::size_t from) {
  Known known{.running = row[from].text(),
              .committed = row[from + 1].text(),
              .wanted = {},
              .abilities = row[from + 4]};
  known.is_settled = known.running == known.committed || row[from + 2].integer() != 0;
  if (!row[from + 3].is_null()) known.wanted = row[from + 3].text();
  return known;
}

// It goes back to what it was to run before. One that was never told goes back to what it has
// committed, unless that is what the rollout brings.
Member member_of(const Rollout& rollout, const std::string& device, const Known& known) {
  Member member{.device = device,
                .old_version = known.wanted.value_or(known.committed),
                .running = known.running,
                .is_settled = known.is_settled,
                .place = place_of(rollout.id, device)};
  if (!known.wanted && member.old_version == new_version(rollout, device))
    member.old_version.clear();
  return member;
}

bool brings(const RolloutOrder& order, std::string_view version) {
  return !version.empty() && (version == order.version || version == order.other_version);
}

// An earlier rollout has brought it: nothing changes for it, and an abort takes nothing back.
bool has_it(const RolloutOrder& order, const Known& known) {
  return known.wanted && brings(order, *known.wanted);
}

Status insert(Database& database, const Rollout& rollout, const Member& member, Value number) {
  return tell(
      database,
      "INSERT INTO rollout_device (rollout, device, place, arm, number, wanted, "
      "old_version, running, is_settled, chosen, active_model) VALUES (?, ?, ?, ?, ?, 0, "
      "?, ?, ?, 0, ?)",
      {rollout.id, member.device, member.place, arm_of(rollout, member.device), std::move(number),
       member.old_version, member.running, member.is_settled ? 1 : 0, rollout.order.model});
}

// One whose old release is that of others is told to run it. One that has the new one by itself is
// as one that was told to take it: an abort takes it back.
Status begin(Database& database, const Rollout& rollout, const Member& member, std::int64_t now_s) {
  if (member.old_version.empty()) return {};
  if (member.running == new_version(rollout, member.device))
    return want(database, rollout, Wanted::kNew, "device = ?", {member.device}, now_s);
  return want_first(database, member.device,
                    {.model = rollout.order.model, .version = member.old_version});
}

Result<bool> can_run(Database& database, const RolloutOrder& order, const Value& abilities) {
  if (abilities.is_null()) return true;
  TRY_VALUE(const Rows rows,
            ask(database, kArtifacts, {order.model, order.version, order.other_version}));
  return Needs(order.model, rows).why_not(abilities).empty();
}

// What a device with the model is to run that takes part in no rollout: what the last one that was
// done, and is for it, left.
struct LastRelease {
  std::string version;  // "": there is none
  std::int64_t retry = 0;
};
Result<LastRelease> last_release(Database& database, std::string_view device,
                                 std::string_view model, const Tags& tags, const Value& abilities) {
  TRY_VALUE(const Rows rows,
            ask(database,
                fmt::format("SELECT {} FROM rollout WHERE model = ? AND phase = 'done' ORDER BY "
                            "place DESC LIMIT {}",
                            kRolloutColumns, kMaxLast),
                {model}));
  for (const Row& row : rows) {
    const auto read = rollout_of(row);
    if (!read.ok()) continue;  // nobody can say any more whom it is for
    const Rollout& rollout = *read;
    if (!holds(rollout.order.query, tags)) continue;
    TRY_VALUE(const bool is_able, can_run(database, rollout.order, abilities));
    if (!is_able) continue;
    const bool is_other = arm_of(rollout, device) == 2;
    return LastRelease{is_other ? rollout.order.other_version : rollout.order.version,
                       rollout.retry};
  }
  return LastRelease{};
}

// One that nobody of the rollout has had: by it counts, and what a device is by itself, are known.
Result<Value> next_number(Database& database, const Rollout& rollout) {
  TRY_VALUE(const Rows rows, ask(database,
                                 "UPDATE rollout SET next_number = next_number + 1 WHERE id = ? "
                                 "RETURNING next_number - 1",
                                 {rollout.id}));
  return rows[0][0];
}

// Of devices in their order, which are compared: see kCompared.
std::vector<bool> are_compared(const std::vector<Stage>& stages,
                               const std::vector<Member>& members) {
  const auto adds = [](const Stage& stage) { return !stage.is_shadow && stage.permille > 0; };
  const auto before = std::ranges::count_if(stages, adds) - 1;
  std::vector<bool> compared(members.size(), std::ssize(members) <= kCompared);
  std::int64_t from = 0, left = kCompared;
  for (const Stage& stage : stages) {
    if (!adds(stage)) continue;
    const bool is_last = stage.permille == kAll;
    const auto end = std::ranges::partition_point(members, [&](const Member& member) {
      return is_last || member.place * kAll < stage.permille;
    });
    const std::int64_t until = end - members.begin();
    const std::int64_t most = is_last ? left : kCompared / 2 / before;
    const std::int64_t count = std::min(most, until - from);
    std::fill_n(compared.begin() + from, count, true);
    left -= count;
    from = until;
  }
  return compared;
}

// One that has the new one by itself has no history beside the others: it says nothing of it.
bool may_be_compared(const Rollout& rollout, const Member& member) {
  return !brings(rollout.order, member.running);
}

Status insert_late(Database& database, Rollout& rollout, const Member& member) {
  Value number;
  if (rollout.members < kCompared && may_be_compared(rollout, member)) {
    TRY_VALUE(number, next_number(database, rollout));
  }
  if (rollout.members == 0) rollout.old_version = member.old_version;
  TRY(insert(database, rollout, member, std::move(number)));
  ++rollout.members;
  rollout.has_old = rollout.has_old || !member.old_version.empty();
  return tell(database, "UPDATE rollout SET members = ?, has_old = ?, old_version = ? WHERE id = ?",
              {rollout.members, rollout.has_old ? 1 : 0, rollout.old_version, rollout.id});
}

Status join(Database& database, Rollout& rollout, const std::string& device, const Known& known,
            const Tags& tags, std::int64_t now_s) {
  Member member = member_of(rollout, device, known);
  const bool is_own = !member.old_version.empty();
  if (!is_own) {
    TRY_VALUE(const LastRelease last,
              last_release(database, device, rollout.order.model, tags, known.abilities));
    member.old_version = last.version.empty() ? rollout.old_version : last.version;
  }
  TRY(insert_late(database, rollout, member));
  if (!is_own) TRY(begin(database, rollout, member, now_s));
  const Wanted wanted = wanted_of(rollout.plan(), rollout.state, device);
  const bool may_change =
      rollout.state.phase == RolloutPhase::kRunning && !rollout.waits_for(now_s);
  if (wanted == Wanted::kOld || !may_change) return {};
  TRY_VALUE(const std::vector<std::string> missing, not_published(database, rollout));
  if (!missing.empty()) return {};
  return want(database, rollout, wanted, fmt::format("device = ? AND {}", may_take(rollout)),
              {device}, now_s);
}

// Than what a device has by itself, as from the factory; what nobody can compare is not.
bool is_newer(const std::string& version, const std::string& own) {
  if (version.empty() || own.empty()) return !version.empty();
  const auto now = trust::Version::parse(version, "version"), had = trust::Version::parse(own, "");
  return now.ok() && had.ok() && *had < *now;
}

// As one of the first rollout that is for it.
Status enlist_one(Database& database, const std::string& device, std::string_view model,
                  std::int64_t now_s) {
  TRY_VALUE(const Rows rows,
            ask(database, fmt::format("SELECT {} WHERE m.device = ? AND m.model = ?", kKnown),
                {device, model}));
  const Known known = known_of(rows[0], 0);
  TRY_VALUE(const Tags tags, tags_of(database, device));
  TRY_VALUE(const Rows active,
            ask(database,
                fmt::format("SELECT {} FROM rollout WHERE model = ? AND due_s IS NOT NULL ORDER BY "
                            "place",
                            kRolloutColumns),
                {model}));
  for (const Row& row : active) {
    auto rollout = rollout_of(row);
    if (!rollout.ok() || !holds(rollout->order.query, tags)) continue;
    if (has_it(rollout->order, known)) return {};
    TRY_VALUE(const bool is_able, can_run(database, rollout->order, known.abilities));
    if (is_able) return join(database, *rollout, device, known, tags, now_s);
  }
  if (known.wanted && !known.committed.empty()) return {};
  TRY_VALUE(const LastRelease last, last_release(database, device, model, tags, known.abilities));
  if (!is_newer(last.version, known.committed)) return {};
  return want_first(database, device,
                    {.model = model, .version = last.version, .retry = last.retry});
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
  TRY_VALUE(const Rows member,
            ask(database,
                "SELECT r.id, r.version, r.other_version, d.running, "
                "d.old_version, w.version, d.is_settled FROM rollout_device d "
                "JOIN rollout r ON r.id = d.rollout LEFT JOIN wanted w ON w.device = d.device "
                "AND w.model = d.active_model WHERE d.device = ? AND "
                "d.active_model = ?",
                {device, model}));
  const auto is_new = [&](const std::string& version) {
    return !member.empty() && !version.empty() &&
           (version == member[0][1].text() || version == member[0][2].text());
  };
  const bool is_known = !rows.empty();
  const std::string running = news.running.value_or(is_known ? rows[0][0].text() : "");
  std::string committed = news.committed.value_or(is_known ? rows[0][1].text() : "");
  if (committed.empty() && !is_new(running)) committed = running;
  // What it runs since it was asked last is as good as it says; a trial is to show it.
  const bool was_well = is_known && rows[0][0].text() == running
                            ? rows[0][2].integer() != 0
                            : !is_new(running) || committed == running;
  const bool is_well = !news.is_trial && news.is_well.value_or(was_well);
  const std::int64_t seen_s = is_known ? rows[0][3].integer() : 0;
  // Until it has said what it runs it was not seen since the hub goes on from a backup.
  TRY_VALUE(const bool is_silent, is_before_restoration(database, seen_s));
  const bool is_back = is_silent && news.running && !news.is_alarm;
  if (is_back)
    TRY(keep_what_runs(database, device, model, is_well || news.is_trial ? running : ""));
  const std::int64_t new_seen_s = is_silent && !is_back ? seen_s : now_s;
  if (!is_known) {
    TRY_VALUE(const Rows known,
              ask(database, "SELECT COUNT(*) FROM device_model WHERE device = ?", {device}));
    if (known[0][0].integer() >= kMaxModels) return {};
    TRY(tell(database,
             "INSERT INTO device_model (device, model, running, committed, is_well, seen_s) VALUES "
             "(?, ?, ?, ?, ?, ?)",
             {device, model, running, committed, is_well ? 1 : 0, new_seen_s}));
    return enlist_one(database, std::string(device), model, now_s);
  }
  const bool is_same = rows[0][0].text() == running && rows[0][1].text() == committed &&
                       (rows[0][2].integer() != 0) == is_well;
  if (!is_same || is_back || now_s >= seen_s + kSeenStepS || now_s < seen_s)
    TRY(tell(database,
             "UPDATE device_model SET running = ?, committed = ?, is_well = ?, seen_s = ? WHERE "
             "device = ? AND model = ?",
             {running, committed, is_well ? 1 : 0, new_seen_s, device, model}));
  if (member.empty()) return {};
  const Row& row = member[0];
  // What it had all along and tells of late.
  const bool is_old = row[4].text().empty() && row[5].is_null() && !is_new(committed);
  const std::string& old = is_old ? committed : row[4].text();
  const bool is_settled = is_well || committed == running;
  if (row[3].text() == running && row[4].text() == old && (row[6].integer() != 0) == is_settled)
    return {};
  TRY(tell(database,
           "UPDATE rollout_device SET running = ?, old_version = ?, is_settled = ? WHERE rollout = "
           "? AND device = ?",
           {running, old, is_settled ? 1 : 0, row[0], device}));
  if (old.empty()) return {};
  return tell(database, "UPDATE rollout SET has_old = 1 WHERE id = ? AND has_old = 0", {row[0]});
}

Status check_published(const RolloutOrder& order, const Rows& published, const Rows& models) {
  if (order.may_be_unpublished) return {};
  const auto nearest = [](std::string_view name, const Rows& rows) {
    std::vector<std::string_view> names;
    for (const Row& row : rows) names.push_back(row[0].text());
    const std::string_view near = nearest_name(name, names);
    return near.empty() ? std::string(".") : fmt::format("; did you mean '{}'?", near);
  };
  if (published.empty())
    return fail(Code::kNotFound,
                "body.model: no release of '{}' is published here{} 'polder hub models' lists what "
                "is; 'unpublished' ('--unpublished') begins it all the same, to wait for that",
                order.model, nearest(order.model, models));
  for (const std::string& version : {order.version, order.other_version}) {
    if (version.empty() || std::ranges::count(published, Row{version}) > 0) continue;
    return fail(Code::kNotFound,
                "body.{}: {} {} is not published here{} 'polder hub releases --model {}' lists "
                "what is; 'unpublished' ('--unpublished') begins it all the same, to wait for that",
                version == order.version ? "version" : "other_version", order.model, version,
                nearest(version, published), order.model);
  }
  return {};
}

Result<std::vector<std::string>> not_published(Database& database, const Rollout& rollout) {
  std::vector<std::string> missing;
  for (const std::string& version : {rollout.order.version, rollout.order.other_version}) {
    if (version.empty()) continue;
    TRY_VALUE(const Rows rows, ask(database,
                                   "SELECT 1 FROM model_release WHERE model = ? AND version = ? "
                                   "AND state = 'published'",
                                   {rollout.order.model, version}));
    if (rows.empty()) missing.push_back(version);
  }
  return missing;
}

Status check_any(const RolloutOrder& order, std::int64_t members, std::int64_t brought) {
  if (members > 0 || brought == 0) return {};
  return fail(Code::kIncompatible,
              "a rollout has brought {} {} to all {} devices that it would be for: name others",
              order.model, order.version, brought);
}

std::string others_of(std::string_view condition) {
  return fmt::format(
      "SELECT o.rollout, MIN(m.device), c.abilities FROM device_model m JOIN rollout_device o ON "
      "o.device = m.device AND o.active_model = m.model LEFT JOIN device_machine c ON c.device = "
      "m.device WHERE m.model = ?{} GROUP BY o.rollout, c.abilities ORDER BY 2",
      condition);
}

const Row* taken_of(const Rows& others, Needs& needs) {
  for (const Row& row : others)
    if (needs.why_not(row[2]).empty()) return &row;
  return nullptr;
}

Status check_free(const Rows& others, Needs& needs) {
  const Row* const taken = taken_of(others, needs);
  if (!taken) return {};
  return fail(Code::kIncompatible,
              "device {} is part of rollout {}, which is not over: abort that, let it end, or "
              "name other devices",
              (*taken)[1].text(), (*taken)[0].text());
}

Status take_stock(Rollout& rollout, const std::map<std::string, std::int64_t>& devices,
                  const Rows& published) {
  std::int64_t most = 0;
  for (const auto& [version, count] : devices) {
    if (count >= most) rollout.old_version = version;
    most = std::max(most, count);
    rollout.members += count;
    rollout.has_old = rollout.has_old || !version.empty();
    const bool has_way_back = version.empty() || rollout.order.is_one_way ||
                              std::ranges::count(published, Row{version}) > 0;
    if (!has_way_back)
      return fail(Code::kIncompatible,
                  "{} of its devices go back to {} {} when it is aborted, which is not published "
                  "here: publish that, or ask for it 'one_way' ('--one-way'), so that they stay "
                  "with what they run then",
                  count, rollout.order.model, version);
  }
  return check_shadows({.id = rollout.id, .stages = rollout.order.stages}, rollout.members);
}

Status enlist(Database& database, Rollout& rollout, std::int64_t now_s) {
  Values values = {rollout.order.model};
  const std::string condition = query_condition(rollout.order.query, "m.device", values);
  TRY_VALUE(const Rows published, ask(database, kPublished, {rollout.order.model}));
  TRY_VALUE(const Rows models, ask(database, kPublishedModels, {}));
  TRY(check_published(rollout.order, published, models));
  TRY_VALUE(const Rows releases,
            ask(database, kArtifacts,
                {rollout.order.model, rollout.order.version, rollout.order.other_version}));
  Needs needs(rollout.order.model, releases);
  TRY_VALUE(const Rows others, ask(database, others_of(condition), values));
  TRY(check_free(others, needs));
  TRY_VALUE(const Rows rows,
            ask(database,
                fmt::format("SELECT m.device, {} JOIN device d ON d.id = m.device AND d.revoked_s "
                            "IS NULL WHERE m.model = ?{}",
                            kKnown, condition),
                values));
  std::vector<Member> members;
  std::map<std::string, std::int64_t> devices;  // by what they go back to
  std::int64_t brought = 0;
  for (const Row& row : rows) {
    const Known known = known_of(row, 1);
    brought += has_it(rollout.order, known);
    if (has_it(rollout.order, known) || !needs.why_not(known.abilities).empty()) continue;
    members.push_back(member_of(rollout, row[0].text(), known));
    ++devices[members.back().old_version];
  }
  TRY(check_any(rollout.order, std::ssize(members), brought));
  TRY(take_stock(rollout, devices, published));
  std::ranges::sort(members, {}, &Member::place);
  const std::vector<bool> compared = are_compared(rollout.order.stages, members);
  std::int64_t number = 0;
  for (std::size_t i = 0; i < members.size(); ++i) {
    Member& member = members[i];
    const bool is_own = !member.old_version.empty();
    if (!is_own) member.old_version = rollout.old_version;
    const bool counts = compared[i] && may_be_compared(rollout, member);
    TRY(insert(database, rollout, member, counts ? Value(number++) : Value()));
    if (!is_own) TRY(begin(database, rollout, member, now_s));
  }
  return tell(database, "UPDATE rollout SET next_number = ? WHERE id = ?", {number, rollout.id});
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
      TRY_VALUE(const Rollout rollout, load_legible(database, member[0][0].text()));
      if (rollout.order.stages.empty()) continue;
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

Status leave_stage(Database& database, Rollout& rollout, const std::string& device,
                   const Sentence& why, std::int64_t now_s) {
  TRY(tell(database, "UPDATE rollout_device SET chosen = 0 WHERE rollout = ? AND device = ?",
           {rollout.id, device}));
  TRY(want(database, rollout, Wanted::kOld, "device = ?", {device}, now_s));
  rollout.state.chosen.erase(device);
  return note(database, rollout, say(why, {{"device", device}}), kHubActor, now_s);
}

// One that has heard of the new release may run it, whether or not it is ever seen again: it stays
// in the stage. One that has not, or has no such model, makes room for another.
Status replace(Database& database, Rollout& rollout, std::int64_t now_s) {
  if (rollout.state.phase != RolloutPhase::kRunning || rollout.stage().devices == 0) return {};
  // One whose disk is full, or that alone cannot fetch it, tries again for ever. It is there, and
  // has told since that it runs its old one: what is not heard of any more may have been ended.
  TRY_VALUE(
      const Rows stuck,
      ask(database,
          "UPDATE rollout_device SET failure = ? WHERE rollout = ? "
          "AND chosen = 1 AND wanted <> 0 AND old_version <> '' AND running = old_version AND "
          "told_s < ? AND EXISTS (SELECT 1 FROM device_model m LEFT JOIN device_link l ON l.device "
          "= m.device WHERE m.device = rollout_device.device AND m.model = "
          "rollout_device.active_model AND m.seen_s > rollout_device.told_s AND (m.seen_s >= ? OR "
          "l.seen_s >= ?)) RETURNING device",
          {kNotTaken, rollout.id, now_s - kPatienceS, now_s - kThereS, now_s - kThereS}));
  for (const Row& row : stuck)
    TRY(leave_stage(database, rollout, row[0].text(), why::kLeftLate, now_s));
  TRY_VALUE(
      const Rows rows,
      ask(database,
          fmt::format("SELECT o.device FROM rollout_device o JOIN device d ON d.id = o.device "
                      "JOIN device_model m ON m.device = o.device AND m.model = o.active_model "
                      "LEFT JOIN device_link l ON l.device = o.device WHERE o.rollout = ? AND "
                      "o.chosen = 1 AND o.running NOT IN (?, ?) AND (NOT {} OR (m.seen_s <= "
                      "o.told_s AND COALESCE(l.seen_s, 0) <= o.told_s AND (d.revoked_s IS NOT NULL "
                      "OR o.told_s < ?))) ORDER BY o.device",
                      kHasModel),
          {rollout.id, rollout.order.version,
           rollout.is_a_b() ? rollout.order.other_version : rollout.order.version,
           now_s - kThereS}));
  for (const Row& row : rows)
    TRY(leave_stage(database, rollout, row[0].text(), why::kLeftAway, now_s));
  return {};
}

namespace {

// Of those of `which`, with its `values`, that are there and run their old release well.
Status choose_of(Database& database, Rollout& rollout, std::string_view which, Values values,
                 std::int64_t now_s) {
  const std::size_t missing = missing_devices(rollout.plan(), rollout.state);
  if (missing == 0) return {};
  values.insert(values.begin(), rollout.id);
  for (const std::int64_t value :
       {now_s - kThereS, now_s - kThereS, static_cast<std::int64_t>(missing) + kMoreCandidates})
    values.emplace_back(value);
  TRY_VALUE(
      const Rows rows,
      ask(database,
          fmt::format(
              "SELECT o.device, o.number FROM rollout_device o JOIN device_model m ON "
              "m.device = o.device AND m.model = o.active_model JOIN device d ON d.id = o.device "
              "LEFT JOIN device_link l ON l.device = o.device "
              "WHERE o.rollout = ? AND {} AND o.chosen = 0 AND o.failure IS NULL {}"
              "AND {} AND {} "
              "AND m.is_well = 1 AND (m.seen_s >= ? OR l.seen_s >= ?) AND d.revoked_s IS NULL "
              "ORDER BY o.place LIMIT ?",
              which, rollout.has_old ? "AND o.old_version <> '' " : "", may_take(rollout, "o."),
              kHasModel),
          values));
  std::vector<Candidate> candidates;
  for (const Row& row : rows)
    candidates.push_back({row[0].text(), row[1].is_null() ? -1 : row[1].integer()});
  TRY_VALUE(const std::vector<Candidate> canaries,
            pick_canaries(database, rollout, candidates, missing));
  for (const Candidate& one : canaries) {
    // It is compared, wherever it stands in the order.
    Value number(one.number);
    if (one.number < 0) {
      TRY_VALUE(number, next_number(database, rollout));
    }
    TRY(tell(database,
             "UPDATE rollout_device SET chosen = 1, number = ? WHERE rollout = ? AND device = ?",
             {number, rollout.id, one.device}));
    rollout.state.chosen.insert(one.device);
  }
  return {};
}

}  // namespace

Status choose(Database& database, Rollout& rollout, std::int64_t now_s) {
  // One whose counts never come, as its clock is wrong or it reports nothing, would hold the stage
  // up for ever.
  TRY(choose_of(database, rollout,
                fmt::format("o.number IS NOT NULL AND +o.wanted = 0{}",
                            rollout.waits_for_counts() ? " AND o.counted = 1" : ""),
                {}, now_s));
  const std::int64_t parts = 1 + rollout.members / kAskedAbout;
  const std::int64_t part = now_s / rollout.order.look_s % parts;
  const auto share = [&](std::int64_t of) {
    return static_cast<double>(of) / static_cast<double>(parts);
  };
  return choose_of(database, rollout,
                   "o.number IS NULL AND o.wanted = 0 AND o.place >= ? AND o.place < ?",
                   {share(part), share(part + 1)}, now_s);
}

Status assign(Database& database, const Rollout& rollout, bool may_grow, std::int64_t now_s) {
  const RolloutState& state = rollout.state;
  const auto tell_to = [&](Wanted wanted, const std::string& condition, const Values& values = {}) {
    return want(database, rollout, wanted, condition, values, now_s);
  };
  if (state.phase == RolloutPhase::kAborted) return tell_to(Wanted::kOld, "wanted IN (1, 2)");
  if (state.phase == RolloutPhase::kDone) return tell_to(Wanted::kNew, "wanted IN (0, 1)");
  if (state.phase == RolloutPhase::kPaused || !may_grow) return {};
  const Stage stage = rollout.stage();
  const double share = stage.permille / 1000.0;
  // Each by an index of its own. Shadows come before the first stage that acts.
  if (stage.is_shadow) {
    TRY(tell_to(Wanted::kShadow, fmt::format("wanted = 0 AND place < ? AND {}", may_take(rollout)),
                {share}));
    return tell_to(Wanted::kShadow, "chosen = 1");
  }
  TRY(tell_to(Wanted::kNew, fmt::format("wanted = 0 AND place < ? AND {}", may_take(rollout)),
              {share}));
  TRY(tell_to(Wanted::kNew, "wanted = 1 AND place < ?", {share}));
  TRY(tell_to(Wanted::kNew, "chosen = 1"));
  // Shadows of more devices than now act.
  return tell_to(Wanted::kOld, "wanted = 1");
}

Status discharge(Database& database, const Rollout& rollout) {
  for (const char* table : {"rollout_counts", "rollout_limit", "rollout_evidence"})
    TRY(tell(database, fmt::format("DELETE FROM {} WHERE rollout = ?", table), {rollout.id}));
  return tell(database, "UPDATE rollout_device SET active_model = NULL WHERE rollout = ?",
              {rollout.id});
}

}  // namespace polder::hub
