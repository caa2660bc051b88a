// Rollouts: what people ask for, and how it goes.
#include "hub/rollouts/engine.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/fail.h"
#include "base/text.h"
#include "hub/api/body.h"
#include "hub/api/handlers.h"
#include "hub/rollouts/preview.h"
#include "hub/rollouts/refusals.h"
#include "trust/tuf_metadata.h"

namespace polder::hub {
namespace {

constexpr int kMaxHistory = 1'000;
constexpr int kMaxSilent = 5;  // that are named

// As it is asked for, with what people want to know of it.
trust::Json::Members shown(const Stage& stage) {
  trust::Json::Members members = json_of(stage);
  members.emplace("text", stage.text());
  members.emplace("abort_at", stage.gate.abort_at);
  members.emplace("promote_at", stage.gate.promote_at);
  members.emplace(stage.devices > 0 ? "percent" : "devices", trust::Json());
  return members;
}

// Of one that runs, what stands first in a gate that holds; else null.
trust::Json waits_for(const Rollout& rollout, const trust::Json& gate) {
  const trust::Json *const verdict = gate.find("verdict"), *const reasons = gate.find("reasons");
  const bool is_held = verdict && verdict->string() && *verdict->string() == "hold";
  if (rollout.state.phase != RolloutPhase::kRunning || !is_held) return {};
  if (!reasons || !reasons->array() || reasons->array()->empty()) return {};
  return reasons->array()->front();
}

// The first of its gate, for the words of `reason` and `waits_for`.
trust::Json::Array why_of(const trust::Json& gate) {
  const trust::Json* const why = gate.find("why");
  if (!why || !why->array()) return {};
  const auto first = why->array()->begin();
  return {first, first + std::ptrdiff_t(std::min(why->array()->size(), kNamedReasons))};
}

// What a list shows of it.
trust::Json::Members summary_of(const Rollout& rollout, std::int64_t now_s) {
  const RolloutOrder& order = rollout.order;
  // Of a rollout that nobody has looked at yet there is none.
  const auto parsed = trust::Json::parse(rollout.gate, "gate");
  const trust::Json gate = parsed.ok() ? *parsed : trust::Json();
  trust::Json::Array stages;
  for (const Stage& stage : rollout.plan().stages) stages.emplace_back(shown(stage));
  trust::Json::Members members{
      {"id", rollout.id},
      {"model", order.model},
      {"version", order.version},
      {"other_version", order.other_version.empty() ? trust::Json() : order.other_version},
      {"query", query_text(order.query)},
      {"strata", order.strata.empty() ? trust::Json() : order.strata},
      {"phase", phase_text(rollout.state.phase)},
      {"reason", rollout.state.reason},
      {"trouble", rollout.trouble.empty() ? trust::Json() : rollout.trouble},
      {"waits_for", waits_for(rollout, gate)},
      {"why", why_of(gate)},
      {"stage", static_cast<std::int64_t>(rollout.state.stage)},
      {"stages", std::move(stages)},
      {"measures", trust::Json::Array(order.measures.begin(), order.measures.end())},
      {"look_s", order.look_s},
      {"history_looks", order.history_looks},
      {"one_way", order.is_one_way},
      {"window", order.window ? shown(*order.window, now_s) : trust::Json()},
      {"not_before", order.not_before_s > 0 ? trust::Json(trust::tuf::time_text(order.not_before_s))
                                            : trust::Json()},
      {"created", trust::tuf::time_text(rollout.created_s)},
      {"created_by", rollout.created_by},
      {"ended", time_or_null(rollout.ended_s ? Value(*rollout.ended_s) : Value())}};
  return members;
}

// Who only tries it does not run it.
constexpr std::string_view kRunning = "running IN (?, ?) AND is_settled = 1";
constexpr std::string_view kRunningNow =
    "EXISTS (SELECT 1 FROM rollout r JOIN device_model m ON m.model = r.model WHERE r.id = "
    "rollout_device.rollout AND m.device = rollout_device.device AND m.running IN (?, ?) AND "
    "(m.is_well = 1 OR m.committed = m.running))";

// By indices that hold no more of the fleet than is counted, while it is looked at again and again;
// of one that is over, what devices run now. Null where its devices are forgotten.
Result<trust::Json> devices_of(const Hub& hub, const Rollout& rollout, bool is_kept) {
  trust::Json::Members counts{{"matching", rollout.members}};
  const std::string_view version = rollout.order.version;
  const std::string_view other = rollout.is_a_b() ? rollout.order.other_version : version;
  struct Counted {
    std::string_view name, which;
    Values values;
  };
  const Counted all[] = {
      {"wanted", "wanted > 0", {rollout.id}},
      {"running", rollout.is_active() ? kRunning : kRunningNow, {rollout.id, version, other}},
      {"failed", "failure IS NOT NULL", {rollout.id}}};
  for (const auto& [name, which, values] : all) {
    trust::Json count;
    if (is_kept) {
      TRY_VALUE(
          const Rows rows,
          ask(hub,
              fmt::format("SELECT COUNT(*) FROM rollout_device WHERE rollout = ? AND {}", which),
              values));
      count = rows[0][0].integer();
    }
    counts.emplace(name, std::move(count));
  }
  return trust::Json(std::move(counts));
}

// Of a stage of a number: those that it waits for and that are silent, the first by their names;
// there are no more of them than that number, and a stage of a share waits for nobody by name. One
// that only an alarm has told of was seen by what it runs.
Result<trust::Json::Array> silent_of(const Hub& hub, const Rollout& rollout) {
  trust::Json::Array silent;
  const bool waits = rollout.state.phase == RolloutPhase::kRunning && rollout.trouble.empty();
  if (!waits || rollout.stage().devices == 0) return silent;
  TRY_VALUE(
      const Rows rows,
      ask(hub,
          "SELECT o.device, COALESCE(l.seen_s, m.seen_s) FROM rollout_device o JOIN device d ON "
          "d.id = o.device AND d.revoked_s IS NULL JOIN device_model m ON m.device = o.device AND "
          "m.model = o.active_model LEFT JOIN device_link l ON l.device = o.device WHERE "
          "o.rollout = ? AND o.chosen = 1 AND o.wanted <> 0 AND o.failure IS NULL AND NOT "
          "(o.running "
          "IN (?, ?) AND o.is_settled = 1) AND "
          "COALESCE(l.seen_s, m.seen_s) <= ? ORDER BY o.device LIMIT ?",
          {rollout.id, rollout.order.version,
           rollout.is_a_b() ? rollout.order.other_version : rollout.order.version,
           silent_since_s(hub), kMaxSilent}));
  for (const Row& row : rows)
    silent.push_back(
        trust::Json::Members{{"device", row[0].text()}, {"seen", time_or_null(row[1])}});
  return silent;
}

Result<trust::Json::Array> history_of(const Hub& hub, const Rollout& rollout) {
  TRY_VALUE(const Rows rows,
            ask(hub,
                "SELECT time_s, stage, what, actor, why FROM rollout_history WHERE "
                "rollout = ? ORDER BY place DESC LIMIT ?",
                {rollout.id, kMaxHistory}));
  trust::Json::Array history;
  for (auto row = rows.rbegin(); row != rows.rend(); ++row) {
    trust::Json::Members line{{"time", time_or_null((*row)[0])},
                              {"stage", (*row)[1].integer()},
                              {"what", (*row)[2].text()},
                              {"actor", (*row)[3].text()}};
    // Where it is not there, or damaged, the text stands alone.
    auto why = trust::Json::parse((*row)[4].text(), "rollout_history.why");
    if (why.ok() && why->members()) {
      why->members()->emplace("text", (*row)[2].text());
      line.emplace("why", std::move(*why));
    }
    history.emplace_back(std::move(line));
  }
  return history;
}

Result<Rollout> find(const Hub& hub, const std::string& id) {
  TRY_VALUE(const Rows rows,
            ask(hub, fmt::format("SELECT {} FROM rollout WHERE id = ?", kRolloutColumns), {id}));
  if (rows.empty())
    return fail(
        Code::kNotFound,
        "there is no rollout of this name: 'polder rollout list' (/v1/rollouts) lists them");
  return legible(rows[0]);
}

Result<Response> show(const Call& call, const std::string& id, int status = 200) {
  TRY_VALUE(const Rollout rollout, find(call.hub, id));
  trust::Json::Members members = summary_of(rollout, call.hub.wall.now_s());
  TRY_VALUE(trust::Json::Array history, history_of(call.hub, rollout));
  TRY_VALUE(trust::Json devices, devices_of(call.hub, rollout, !history.empty()));
  TRY_VALUE(trust::Json::Array silent, silent_of(call.hub, rollout));
  TRY_VALUE(trust::Json gate, trust::Json::parse(rollout.gate, id + ": gate"));
  members.emplace("next_look", time_or_null(rollout.due_s ? Value(*rollout.due_s) : Value()));
  const auto end_s = least_end_s(rollout, call.hub.wall.now_s());
  members.emplace("least_end", time_or_null(end_s ? Value(*end_s) : Value()));
  members.emplace("devices", std::move(devices));
  members.emplace("silent", std::move(silent));
  members.emplace("history", std::move(history));
  members.emplace("gate", std::move(gate));
  return document(std::move(members), call.request, status);
}

Result<Response> give_order(const Call& call, Order order, const std::string& reason) {
  TRY(call.target.only({}));
  const std::int64_t now_s = call.hub.wall.now_s();
  Status done = write(call.hub, [&](Database& database) {
    return order_rollout(database, call.parts[0], order, reason, call.actor, now_s);
  });
  TRY(std::move(done));
  return show(call, call.parts[0]);
}

Result<RolloutOrder> order_of(const Call& call) {
  TRY(call.target.only({}));
  TRY_VALUE(const trust::Json json, call.json());
  TRY_VALUE(RolloutOrder order, read_order(json, "body"));
  if (order.window) TRY(order.window->zone.check("body.window.zone"));
  const std::int64_t least_s = call.hub.poll_s;  // never more than a look may have
  if (!json.find("look_s")) order.look_s = std::max(order.look_s, least_s);
  if (order.look_s < least_s)
    return fail(
        Code::kInvalid,
        "body.look_s: {} s is less than devices take to check in here, {} s: most would tell "
        "nothing in a look. Give at least that, or serve the hub with a smaller '--poll-s'",
        order.look_s, least_s);
  if (call.hub.repository.may_assign()) return order;
  return fail(Code::kIncompatible,
              "no device would hear of it: this hub may not assign releases to devices. Let its "
              "key, with 'polder repo delegate REPO assignments --role-key hub-online.pub.pem "
              "--path assignments/*', sign that, and have it published ('polder hub push REPO')");
}

}  // namespace

Result<Response> create_rollout(const Call& call) {
  TRY_VALUE(const RolloutOrder order, order_of(call));
  const std::int64_t now_s = call.hub.wall.now_s();
  std::string id;
  Status done = write(call.hub, [&](Database& database) -> Status {
    TRY_VALUE(const Rollout made, create_rollout(database, order, call.actor, now_s));
    id = made.id;
    return {};
  });
  TRY(std::move(done));
  return show(call, id, 201);
}

Result<Response> preview_rollout(const Call& call) {
  TRY_VALUE(const RolloutOrder order, order_of(call));
  TRY_VALUE(const RolloutPreview preview, preview_rollout(call.hub, order, call.hub.wall.now_s()));
  trust::Json::Array stages;
  for (std::size_t i = 0; i < preview.stages.size(); ++i) {
    trust::Json::Members stage = shown(preview.stages[i]);
    stage.emplace("holds", preview.holds[i]);
    stages.emplace_back(std::move(stage));
  }
  const auto& quiet_s = preview.least_without_errors_s;
  return document(
      trust::Json::Members{
          {"devices", trust::Json::Members{{"matching", preview.matching},
                                           {"unable", preview.unable},
                                           {"brought", preview.brought},
                                           {"there", preview.there},
                                           {"running", preview.running}}},
          {"stages", std::move(stages)},
          {"least_minutes", static_cast<double>(preview.least_s) / 60},
          {"least_minutes_without_errors",
           quiet_s ? trust::Json(static_cast<double>(*quiet_s) / 60) : trust::Json()},
          {"notes", texts_of(preview.notes)},
          {"why", why_of(preview.notes)}},
      call.request);
}

Result<Response> list_rollouts(const Call& call) {
  TRY(call.target.only({"phase", "limit", "after"}));
  TRY_VALUE(const std::int64_t limit, call.target.integer("limit", 1, kMaxPage, kPage));
  const std::string phase = call.target.text("phase"), after = call.target.text("after");
  constexpr std::array<std::string_view, 4> kPhases = {"running", "paused", "aborted", "done"};
  if (!phase.empty() && std::ranges::find(kPhases, phase) == kPhases.end())
    return fail(Code::kInvalid, "the query: phase: running, paused, aborted or done expected");
  std::string sql = fmt::format("SELECT {} FROM rollout WHERE 1 = 1", kRolloutColumns);
  Values values;
  if (!phase.empty()) {
    sql += " AND phase = ?";
    values.emplace_back(phase);
  }
  if (!after.empty()) {
    TRY_VALUE(const Rows known, ask(call.hub, "SELECT place FROM rollout WHERE id = ?", {after}));
    if (known.empty())
      return fail(Code::kInvalid, "the query: after: there is no rollout '{}'", clipped(after));
    sql += " AND place < ?";
    values.push_back(known[0][0]);
  }
  values.emplace_back(limit + 1);
  TRY_VALUE(const Rows rows, ask(call.hub, sql + " ORDER BY place DESC LIMIT ?", values));
  trust::Json::Array list;
  std::string last;
  for (const Row& row : rows) {
    if (static_cast<std::int64_t>(list.size()) == limit) break;
    const Rollout rollout = legible(row);
    list.push_back(summary_of(rollout, call.hub.wall.now_s()));
    last = rollout.id;
  }
  trust::Json::Members page;
  if (rows.size() > list.size())
    page.emplace("next", fmt::format("/v1/rollouts?limit={}&after={}{}", limit, last,
                                     phase.empty() ? "" : "&phase=" + phase));
  page.emplace("rollouts", std::move(list));
  return document(std::move(page), call.request);
}

Result<Response> show_rollout(const Call& call) {
  TRY(call.target.only({}));
  return show(call, call.parts[0]);
}

Result<Response> list_rollout_looks(const Call& call) {
  TRY(call.target.only({"limit", "after"}));
  TRY_VALUE(const std::int64_t limit, call.target.integer("limit", 1, kMaxPage, kMaxPage));
  TRY_VALUE(const Rollout rollout, find(call.hub, call.parts[0]));
  const std::string after = call.target.text("after");
  std::int64_t after_s = -1;
  if (!after.empty()) {
    const auto read = trust::tuf::parse_time(after, "the query: after");
    if (!read.ok()) return Error{Code::kInvalid, read.error().message};
    after_s = *read;
  }
  TRY_VALUE(const Rows rows, ask(call.hub,
                                 "SELECT time_s, stage, measures FROM rollout_look WHERE rollout = "
                                 "? AND time_s > ? ORDER BY time_s LIMIT ?",
                                 {rollout.id, after_s, limit + 1}));
  trust::Json::Array looks;
  for (const Row& row : rows) {
    if (static_cast<std::int64_t>(looks.size()) == limit) break;
    TRY_VALUE(trust::Json measures, trust::Json::parse(row[2].text(), rollout.id + ": look"));
    looks.push_back(trust::Json::Members{{"time", time_or_null(row[0])},
                                         {"stage", row[1].integer()},
                                         {"measures", std::move(measures)}});
  }
  trust::Json::Members page;
  if (rows.size() > looks.size())
    page.emplace("next", fmt::format("/v1/rollouts/{}/looks?limit={}&after={}", rollout.id, limit,
                                     trust::tuf::time_text(rows[looks.size() - 1][0].integer())));
  page.emplace("looks", std::move(looks));
  return document(std::move(page), call.request);
}

Result<Response> list_rollout_devices(const Call& call) {
  TRY(call.target.only({"limit", "after"}));
  TRY_VALUE(const std::int64_t limit, call.target.integer("limit", 1, kMaxPage, kPage));
  TRY_VALUE(const Rollout rollout, find(call.hub, call.parts[0]));
  TRY_VALUE(
      const Rows rows,
      ask(call.hub,
          "SELECT o.device, o.wanted, m.running, o.failure, o.old_version, o.arm, o.trouble, "
          "o.is_settled, CASE WHEN m.is_well = 1 OR m.committed = m.running THEN 1 ELSE 0 END, "
          "o.ended_code, COALESCE(l.seen_s, m.seen_s) "
          "FROM rollout_device o LEFT JOIN device_model m ON m.device = o.device AND m.model = ? "
          "LEFT JOIN device_link l ON l.device = o.device WHERE o.rollout = ? AND o.device > ? "
          "ORDER BY o.device "
          "LIMIT ?",
          {rollout.order.model, rollout.id, call.target.text("after"), limit + 1}));
  constexpr std::array kWanted = {"old", "shadow", "new"};
  const auto text_or_null = [](const Value& value) {
    return value.text().empty() ? trust::Json() : trust::Json(value.text());
  };
  trust::Json::Array list;
  for (const Row& row : rows) {
    if (static_cast<std::int64_t>(list.size()) == limit) break;
    const bool is_other = row[5].integer() == 2;
    const std::string running = row[2].is_null() ? "" : row[2].text();
    // Of one that is over the device's own state counts: nobody follows its trials any more.
    const bool runs_it = row[rollout.is_active() ? 7 : 8].integer() != 0;
    const bool is_settled = rollout.arm_of(running) != 0 && runs_it;
    std::string trouble = is_settled ? "" : row[6].text();
    if (!is_settled && trouble.empty() && !row[9].is_null())
      trouble = ended_text(static_cast<Code>(row[9].integer()));
    list.push_back(trust::Json::Members{
        {"device", row[0].text()},
        {"wanted", kWanted.at(static_cast<std::size_t>(row[1].integer()))},
        {"running", text_or_null(Value(running))},
        {"seen", time_or_null(row[10])},
        {"silent", !row[10].is_null() && row[10].integer() <= silent_since_s(call.hub)},
        {"failure", text_or_null(row[3])},
        {"trouble", text_or_null(Value(trouble))},
        {"old_version", text_or_null(row[4])},
        {"new_version", is_other ? rollout.order.other_version : rollout.order.version}});
  }
  trust::Json::Members page;
  if (rows.size() > list.size())
    page.emplace("next", fmt::format("/v1/rollouts/{}/devices?limit={}&after={}", rollout.id, limit,
                                     rows[list.size() - 1][0].text()));
  page.emplace("devices", std::move(list));
  return document(std::move(page), call.request);
}

Result<Response> pause_rollout(const Call& call) {
  TRY_VALUE(const std::string reason, reason_of(call));
  return give_order(call, Order::kPause, reason);
}

Result<Response> resume_rollout(const Call& call) { return give_order(call, Order::kResume, ""); }

Result<Response> abort_rollout(const Call& call) {
  TRY_VALUE(const std::string reason, reason_of(call));
  return give_order(call, Order::kAbort, reason);
}

}  // namespace polder::hub
