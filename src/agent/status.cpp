#include "agent/status.h"

#include <algorithm>
#include <utility>

#include "agent/enrolment.h"
#include "agent/status_words.h"
#include "base/fail.h"
#include "base/text.h"
#include "proto/worker.h"
#include "trust/digest.h"
#include "trust/tuf_metadata.h"

namespace polder::agent {

namespace {

using trust::Json;
using trust::Object;

constexpr std::size_t kMaxLiveTextBytes = 1024;

Json release_json(const std::optional<ReleaseId>& release) {
  if (!release) return {};
  return Json::Members{{"version", release->version.text()},
                       {"manifest", trust::hex(release->manifest)}};
}

std::optional<ReleaseId> running(const Unit& unit) {
  const ReleaseId* release = unit.running();
  return release ? std::optional(*release) : std::nullopt;
}

Json update_json(const AgentState& state) {
  if (!state.update) return {};
  return Json::Members{{"unit", state.update->unit},
                       {"version", state.update->release.version.text()},
                       {"reason", state.update->reason}};
}

// `folder`: of all units' output; empty: not known.
std::string output_line(const std::string& folder, const std::string& unit,
                        const KeptCounts& counts) {
  return fmt::format("    output: {}{}; {} dropped for its cap, {} lost\n",
                     bytes_text(counts.kept_bytes),
                     folder.empty() ? "" : fmt::format(" in {}/{}", folder, unit),
                     bytes_text(counts.dropped_bytes), bytes_text(counts.lost_bytes));
}

std::string clip_text(const std::string& text) { return fit_reason(text, kMaxLiveTextBytes); }

// Numbers of JSON here end at 2^53.
Json count_json(std::uint64_t count) {
  return std::int64_t(std::min(count, std::uint64_t(kMaxCount)));
}

Json seen_json(const std::map<std::string, UnitStanding>& units) {
  Json::Members out;
  for (const auto& [unit, standing] : units) {
    Json::Members classes, signals;
    for (const auto& [name, count] : standing.classes) classes.emplace(name, count_json(count));
    for (const auto& [name, signal] : standing.signals) {
      Json::Members one{{"alarms", count_json(signal.alarms)}};
      if (signal.psi) one.emplace("psi", *signal.psi);
      signals.emplace(name, std::move(one));
    }
    out.emplace(unit,
                Json::Members{{"classes", std::move(classes)}, {"signals", std::move(signals)}});
  }
  return out;
}

Status read_unit(const Object& unit, UnitStanding& out) {
  TRY_VALUE(const Object classes, unit.object("classes"));
  for (const auto& [name, value] : classes.members()) {
    TRY_VALUE(const std::int64_t count, classes.integer(name, 0, kMaxCount));
    out.classes.emplace(name, std::uint64_t(count));
  }
  TRY_VALUE(const Object signals, unit.object("signals"));
  for (const auto& [name, value] : signals.members()) {
    TRY_VALUE(const Object signal, signals.object(name));
    TRY_VALUE(const std::int64_t alarms, signal.integer("alarms", 0, kMaxCount));
    UnitStanding::Signal& to = out.signals[name];
    to.alarms = std::uint64_t(alarms);
    if (signal.has("psi")) {
      TRY_VALUE(to.psi, signal.number("psi"));
    }
  }
  return {};
}

Json reports_json(const ReporterStanding& reports) {
  return Json::Members{{"waiting", count_json(reports.waiting_reports)},
                       {"waiting_bytes", count_json(reports.waiting_bytes)},
                       {"max_bytes", count_json(reports.max_bytes)},
                       {"dropped_alarms", count_json(reports.drops.alarms)},
                       {"dropped_lifecycle", count_json(reports.drops.lifecycle)},
                       {"dropped_metrics", count_json(reports.drops.metrics)},
                       {"lost", count_json(reports.lost)},
                       {"seen_bytes", count_json(reports.seen_bytes)},
                       {"decoded_bytes", count_json(reports.decoded_bytes)},
                       {"sent_bytes", count_json(reports.sent_bytes)},
                       {"scraped_bytes", count_json(reports.scraped_bytes)},
                       {"delivered_s", reports.delivered_s},
                       {"delivered_boot", count_json(reports.delivered.boot)},
                       {"delivered_sequence", count_json(reports.delivered.sequence)},
                       {"error", clip_text(reports.error)},
                       {"units", seen_json(reports.units)}};
}

Result<ReporterStanding> read_reports(const Object& live) {
  TRY_VALUE(const Object object, live.object("reports"));
  ReporterStanding out;
  const std::pair<const char*, std::uint64_t*> counts[] = {
      {"waiting", &out.waiting_reports},
      {"waiting_bytes", &out.waiting_bytes},
      {"max_bytes", &out.max_bytes},
      {"dropped_alarms", &out.drops.alarms},
      {"dropped_lifecycle", &out.drops.lifecycle},
      {"dropped_metrics", &out.drops.metrics},
      {"lost", &out.lost},
      {"seen_bytes", &out.seen_bytes},
      {"decoded_bytes", &out.decoded_bytes},
      {"sent_bytes", &out.sent_bytes},
      {"scraped_bytes", &out.scraped_bytes},
      {"delivered_boot", &out.delivered.boot},
      {"delivered_sequence", &out.delivered.sequence}};
  for (const auto& [name, to] : counts) {
    TRY_VALUE(const std::int64_t count, object.integer(name, 0, kMaxCount));
    *to = std::uint64_t(count);
  }
  TRY_VALUE(out.delivered_s, object.integer("delivered_s", 0, kMaxTimeS));
  TRY_VALUE(out.error, object.text("error", kMaxLiveTextBytes));
  TRY_VALUE(const Object units, object.object("units"));
  for (const auto& [name, value] : units.members()) {
    TRY_VALUE(const Object unit, units.object(name));
    TRY(read_unit(unit, out.units[name]));
  }
  return out;
}

// Shares that have moved are told by their customary bounds (telemetry/histogram.h).
std::string_view psi_word(double psi) {
  return psi < 0.1 ? "stable" : psi < 0.25 ? "moved" : "changed";
}

std::string seen_text(const UnitStanding& unit) {
  std::string text;
  for (const auto& [name, count] : unit.classes)
    text += fmt::format("{}{} {}", text.empty() ? "    classes: " : ", ", name, count);
  if (!text.empty()) text += '\n';
  for (const auto& [name, signal] : unit.signals) {
    text += fmt::format("    {}: {} alarm(s) of drift", name, signal.alarms);
    if (signal.psi) text += fmt::format(", PSI {:.3f}: {}", *signal.psi, psi_word(*signal.psi));
    text += '\n';
  }
  return text;
}

Json shadow_json(const ShadowResult& result) {
  Json::Array models;
  for (const ShadowModelResult& item : result.models) {
    Json::Members one{{"model", item.model},           {"inferences", count_json(item.inferences)},
                      {"agreement", item.agreement},   {"difference_p99", item.difference_p99},
                      {"old_p50_ms", item.old_p50_ms}, {"old_p99_ms", item.old_p99_ms},
                      {"new_p50_ms", item.new_p50_ms}, {"new_p99_ms", item.new_p99_ms}};
    if (item.old_score) one.emplace("old_score", *item.old_score);
    if (item.new_score) one.emplace("new_score", *item.new_score);
    models.push_back(std::move(one));
  }
  return Json::Members{
      {"release", result.release},           {"beside", result.beside},
      {"models", std::move(models)},         {"slowed_stage", result.slowed_stage},
      {"alone_p99_ms", result.alone_p99_ms}, {"beside_p99_ms", result.beside_p99_ms},
      {"failure", clip_text(result.failure)}};
}

Result<ShadowModelResult> read_shadow_model(const Object& object) {
  ShadowModelResult item;
  TRY_VALUE(item.model, object.text("model", proto::kMaxNameBytes));
  TRY_VALUE(const std::int64_t inferences, object.integer("inferences", 0, kMaxCount));
  item.inferences = std::uint64_t(inferences);
  TRY_VALUE(item.agreement, object.number("agreement"));
  TRY_VALUE(item.difference_p99, object.number("difference_p99"));
  TRY_VALUE(item.old_p50_ms, object.number("old_p50_ms"));
  TRY_VALUE(item.old_p99_ms, object.number("old_p99_ms"));
  TRY_VALUE(item.new_p50_ms, object.number("new_p50_ms"));
  TRY_VALUE(item.new_p99_ms, object.number("new_p99_ms"));
  for (const auto& [name, to] :
       {std::pair("old_score", &item.old_score), std::pair("new_score", &item.new_score)}) {
    if (!object.has(name)) continue;
    TRY_VALUE(*to, object.number(name));
  }
  return item;
}

Result<ShadowResult> read_shadow(const Object& object) {
  ShadowResult result;
  TRY_VALUE(result.release, object.text("release", kMaxLiveTextBytes));
  TRY_VALUE(result.beside, object.text("beside", kMaxLiveTextBytes));
  TRY_VALUE(const Json::Array* models, object.array("models", proto::kMaxModels));
  for (const Json& model : *models) {
    TRY_VALUE(const Object member, Object::of(model, object.place("models")));
    TRY_VALUE(ShadowModelResult item, read_shadow_model(member));
    result.models.push_back(std::move(item));
  }
  TRY_VALUE(result.slowed_stage, object.text("slowed_stage", proto::kMaxNameBytes));
  TRY_VALUE(result.alone_p99_ms, object.number("alone_p99_ms"));
  TRY_VALUE(result.beside_p99_ms, object.number("beside_p99_ms"));
  TRY_VALUE(result.failure, object.text("failure", kMaxLiveTextBytes));
  return result;
}

// An older polderd had none.
Status read_past(const Object& live, PastRefusals& out) {
  if (!live.has("past_refusals")) return {};
  TRY_VALUE(const Object units, live.object("past_refusals"));
  for (const auto& [unit, value] : units.members()) {
    TRY_VALUE(const Object one, units.object(unit));
    PastRefusal& past = out[unit];
    TRY_VALUE(past.line, one.text("line", kMaxLiveTextBytes));
    TRY_VALUE(past.time_s, one.integer("time_s", 0, kMaxTimeS));
    TRY_VALUE(past.committed, one.text("committed", kMaxLiveTextBytes));
  }
  return {};
}

Json hub_json(const HubStanding& hub) {
  return Json::Members{{"state", hub_state_name(hub.state)},
                       {"certificate_until_s", hub.certificate_until_s},
                       {"checked_in_s", hub.checked_in_s},
                       {"trouble", clip_text(hub.trouble)},
                       {"advice", clip_text(hub.advice)}};
}

Result<HubStanding> read_hub(const Object& object) {
  HubStanding hub;
  TRY_VALUE(const std::string name, object.text("state", 32));
  const auto state = hub_state_from_name(name);
  if (!state) return fail(Code::kCorrupt, "{}: no state of a hub", object.place("state"));
  hub.state = *state;
  TRY_VALUE(hub.certificate_until_s, object.integer("certificate_until_s", 0, kMaxTimeS));
  TRY_VALUE(hub.checked_in_s, object.integer("checked_in_s", 0, kMaxTimeS));
  TRY_VALUE(hub.trouble, object.text("trouble", kMaxLiveTextBytes));
  TRY_VALUE(hub.advice, object.text("advice", kMaxLiveTextBytes));
  return hub;
}

std::string hub_text(const std::string& url, const HubStanding& hub) {
  std::string text =
      fmt::format("  hub: {}: {}", url,
                  hub.state == HubState::kNone ? "not asked yet" : hub_state_name(hub.state));
  if (hub.certificate_until_s > 0)
    text += ", certificate until " + trust::tuf::time_text(hub.certificate_until_s);
  if (hub.checked_in_s > 0) text += ", checked in " + trust::tuf::time_text(hub.checked_in_s);
  text += "\n";
  if (!hub.trouble.empty()) text += fmt::format("  {}\n    {}\n", hub.trouble, hub.advice);
  return text;
}

std::string reports_text(const ReporterStanding& reports) {
  std::string text = fmt::format(
      "  reports: {} waiting, {} of {}; dropped: {} alarms, {} notices, {} metrics",
      reports.waiting_reports, bytes_text(reports.waiting_bytes), bytes_text(reports.max_bytes),
      reports.drops.alarms, reports.drops.lifecycle, reports.drops.metrics);
  if (reports.lost > 0) text += fmt::format(", {} not written", reports.lost);
  if (reports.delivered_s > 0)
    text += fmt::format("; last delivered {}", trust::tuf::time_text(reports.delivered_s));
  text += fmt::format("\n  data: {} seen ({} decoded), {} sent\n", bytes_text(reports.seen_bytes),
                      bytes_text(reports.decoded_bytes), bytes_text(reports.sent_bytes));
  if (!reports.error.empty()) text += fmt::format("  reports: {}\n", reports.error);
  return text;
}

// What only the running agent knows.
std::string live_text(const std::string& output_folder, const AgentState& state, const Live& live) {
  std::string text;
  for (const auto& [name, unit] : state.units) {
    std::string of_unit;
    if (live.output.contains(name))
      of_unit += output_line(output_folder, name, live.output.at(name));
    if (live.reports.units.contains(name)) of_unit += seen_text(live.reports.units.at(name));
    if (live.shadow.contains(name))
      of_unit += fmt::format("    shadow: {}\n", live.shadow.at(name).text());
    if (!of_unit.empty()) text += fmt::format("  {}:\n{}", name, of_unit);
  }
  if (!live.check_error.empty()) text += fmt::format("  last check: {}\n", live.check_error);
  if (!live.note.empty()) text += fmt::format("  {}\n", live.note);
  if (!live.audit.what.empty())
    text += fmt::format("  {}\n    {}\n", live.audit.what, live.audit.advice);
  if (!live.metrics_error.empty()) text += fmt::format("  {}\n", live.metrics_error);
  text += reports_text(live.reports);
  for (const std::string& refusal : live.refusals) text += fmt::format("  {}\n", refusal);
  for (const auto& [unit, line] : past_refusal_lines(live)) text += fmt::format("  {}\n", line);
  return text;
}

}  // namespace

std::string health_of(const std::string& unit, const std::optional<Live>& live) {
  if (!live) return "unknown";
  const auto found = live->health.find(unit);
  return found == live->health.end() ? "unknown" : found->second;
}

bool is_tried_again(const Config& config, const BadRelease& bad) {
  return bad.settings != config.settings_digest(bad.release.model);
}

std::string failed_text(const Attempts& item) {
  return fmt::format("{}: could not be installed, {} times by now: {}", item.release.text(),
                     item.failures, item.reason);
}

std::map<std::string, std::string> past_refusal_lines(const Live& live) {
  std::map<std::string, std::string> lines;
  for (const auto& [unit, past] : live.past_refusals)
    if (std::ranges::count(live.refusals, past.line) == 0)
      lines[unit] = fmt::format("{} ({}; it is not offered any more)", past.line,
                                trust::tuf::time_text(past.time_s));
  return lines;
}

bool Live::has_read_another(const Config& now) const {
  return !config.empty() && config != trust::hex(now.file);
}

Json Live::to_json() const {
  Json::Array refused;
  for (const std::string& text : refusals) {
    if (refused.size() < kMaxLiveRefusals) refused.push_back(clip_text(text));
  }
  Json::Members past;
  for (const auto& [unit, one] : past_refusals)
    past.emplace(unit, Json::Members{{"line", clip_text(one.line)},
                                     {"time_s", one.time_s},
                                     {"committed", one.committed}});
  Json::Members units;
  for (const auto& [name, text] : health) units.emplace(name, clip_text(text));
  Json::Members next;
  for (const auto& [name, time_s] : next_start_s) next.emplace(name, time_s);
  Json::Members kept;
  for (const auto& [name, counts] : output) {
    kept.emplace(name, Json::Members{{"kept_bytes", std::int64_t(counts.kept_bytes)},
                                     {"dropped_bytes", std::int64_t(counts.dropped_bytes)},
                                     {"lost_bytes", std::int64_t(counts.lost_bytes)}});
  }
  Json::Members shadows;
  for (const auto& [name, result] : shadow) shadows.emplace(name, shadow_json(result));
  return Json::Members{{"said_s", said_s},
                       {"checked_s", checked_s},
                       {"check_error", clip_text(check_error)},
                       {"note", clip_text(note)},
                       {"refusals", std::move(refused)},
                       {"past_refusals", std::move(past)},
                       {"health", std::move(units)},
                       {"next_start_s", std::move(next)},
                       {"output", std::move(kept)},
                       {"shadow", std::move(shadows)},
                       {"reports", reports_json(reports)},
                       {"audit", Json::Members{{"trouble", clip_text(audit.what)},
                                               {"advice", clip_text(audit.advice)}}},
                       {"metrics_error", clip_text(metrics_error)},
                       {"hub", hub_json(hub)},
                       {"config", config},
                       {"lockable_bytes", lockable_bytes ? Json(*lockable_bytes) : Json()}};
}

Result<Live> Live::parse(std::string_view bytes, std::string_view where) {
  TRY_VALUE(const Json document, Json::parse(bytes, where));
  TRY_VALUE(const Object object, Object::of(document, std::string(where)));
  Live live;
  TRY_VALUE(live.said_s, object.integer("said_s", 0, kMaxTimeS));
  TRY_VALUE(live.checked_s, object.integer("checked_s", 0, kMaxTimeS));
  TRY_VALUE(live.check_error, object.text("check_error", kMaxLiveTextBytes));
  TRY_VALUE(live.note, object.text("note", kMaxLiveTextBytes));
  TRY_VALUE(live.refusals, object.texts("refusals", kMaxLiveRefusals, kMaxLiveTextBytes));
  TRY(read_past(object, live.past_refusals));
  TRY_VALUE(const Object health, object.object("health"));
  for (const auto& [name, value] : health.members()) {
    TRY_VALUE(std::string text, health.text(name, kMaxLiveTextBytes));
    live.health.emplace(name, std::move(text));
  }
  TRY_VALUE(const Object next, object.object("next_start_s"));
  for (const auto& [name, value] : next.members()) {
    TRY_VALUE(live.next_start_s[name], next.integer(name, 0, kMaxTimeS));
  }
  TRY_VALUE(const Object output, object.object("output"));
  for (const auto& [name, value] : output.members()) {
    TRY_VALUE(const Object counts, output.object(name));
    const auto read = [&](const char* key, std::uint64_t& to) -> Status {
      TRY_VALUE(const std::int64_t number, counts.integer(key, 0, std::int64_t(proto::kMaxTotal)));
      to = std::uint64_t(number);
      return {};
    };
    KeptCounts& kept = live.output[name];
    TRY(read("kept_bytes", kept.kept_bytes));
    TRY(read("dropped_bytes", kept.dropped_bytes));
    TRY(read("lost_bytes", kept.lost_bytes));
  }
  TRY_VALUE(const Object shadow, object.object("shadow"));
  for (const auto& [name, value] : shadow.members()) {
    TRY_VALUE(const Object one, shadow.object(name));
    TRY_VALUE(ShadowResult result, read_shadow(one));
    live.shadow.emplace(name, std::move(result));
  }
  TRY_VALUE(live.reports, read_reports(object));
  TRY_VALUE(const Object audit, object.object("audit"));
  TRY_VALUE(live.audit.what, audit.text("trouble", kMaxLiveTextBytes));
  TRY_VALUE(live.audit.advice, audit.text("advice", kMaxLiveTextBytes));
  TRY_VALUE(live.metrics_error, object.text("metrics_error", kMaxLiveTextBytes));
  if (object.has("hub")) {  // an older polderd had none
    TRY_VALUE(const Object hub, object.object("hub"));
    TRY_VALUE(live.hub, read_hub(hub));
  }
  TRY_VALUE(live.config, object.text("config", 64));
  if (const Json* limit = document.find("lockable_bytes"); limit && !limit->is_null()) {
    TRY_VALUE(live.lockable_bytes, object.integer("lockable_bytes", 0, kMaxCount));
  }
  return live;
}

HubStanding hub_standing(const Config& config, Storage& storage, const std::optional<Live>& live,
                         bool is_live) {
  if (config.hub.url.empty()) return {};
  if (is_live && live) return live->hub;
  const auto kept = stored_certificate(storage);
  const bool is_there = kept.ok() && kept->device == config.device;
  return {.state = is_there ? HubState::kEnrolled : HubState::kNotEnrolled,
          .certificate_until_s = is_there ? kept->until_s : 0};
}

Json status_json(const Config& config, const Standing& standing) {
  const auto& [state, live, is_running, now_s, expiries, config_error, hub] = standing;
  const bool is_known = config_error.empty();
  Json::Members units;
  for (const auto& [name, unit] : state.units) {
    const auto floor = state.floors.find(name);
    units.emplace(
        name,
        Json::Members{{"kind", unit.runtime ? "runtime" : "model"},
                      {"slot", slot_name(unit.active)},
                      {"running", release_json(running(unit))},
                      {"committed", release_json(unit.committed)},
                      {"previous", release_json(way_back(state, name))},
                      {"lost", release_json(lost(state, name))},
                      {"floor", floor == state.floors.end() ? Json() : Json(floor->second.text())},
                      {"health", standing.is_live() ? health_of(name, live) : Json()}});
  }
  Json::Array bad;
  for (const BadRelease& item : state.bad) {
    bad.push_back(Json::Members{{"release", item.release.text()},
                                {"manifest", trust::hex(item.release.manifest)},
                                {"tried_again", is_known && is_tried_again(config, item)},
                                {"reason", item.reason}});
  }
  Json::Array failed;
  for (const Attempts& item : state.attempts) {
    failed.push_back(Json::Members{{"release", item.release.text()},
                                   {"manifest", trust::hex(item.release.manifest)},
                                   {"failures", item.failures},
                                   {"not_before_s", item.not_before_s},
                                   {"reason", item.reason}});
  }
  Json::Members expires;
  for (const Expiry& item : expiries)
    expires.emplace(item.role, trust::tuf::time_text(item.expires_s));
  return Json::Members{
      {"device", config.device},
      {"running", is_running},
      {"boot", state.boot},
      {"phase", phase_name(state.phase)},
      {"update", update_json(state)},
      {"units", std::move(units)},
      {"bad", std::move(bad)},
      {"failed", std::move(failed)},
      {"expires", std::move(expires)},
      {"hub", is_known && !config.hub.url.empty() ? hub_json(hub) : Json()},
      {"configuration_changed", standing.is_live() && live->has_read_another(config)},
      {"configuration_error", is_known ? Json() : Json(config_error)},
      {"live", live ? live->to_json() : Json()},
      {"live_is_current", standing.is_live()}};
}

namespace {

// "3 s ago", "2 minutes ago"; the time itself where it is long ago, or the clock was set since.
std::string ago(std::int64_t then_s, std::int64_t now_s) {
  const std::int64_t s = now_s - then_s;
  if (s >= 0 && s < 120) return fmt::format("{} s ago", s);
  if (s >= 0 && s < 7200) return fmt::format("{} minutes ago", s / 60);
  return trust::tuf::time_text(then_s);
}

std::string live_line(const Standing& standing) {
  const auto& [state, live, is_running, now_s, expiries, config_error, hub] = standing;
  if (!live) return is_running ? "  numbers: none yet\n" : "";
  const char* why = standing.is_live() ? ""
                    : is_running       ? "; polderd has written none since: they are not of now"
                                       : "; they are not of now";
  return fmt::format("  numbers: of {}{}\n", ago(live->said_s, now_s), why);
}

}  // namespace

std::string status_text(const Config& config, const Standing& standing) {
  const auto& [state, live, is_running, now_s, expiries, config_error, hub] = standing;
  const bool is_known = config_error.empty();
  std::string text = is_known ? "" : config_error + "\n";
  text += fmt::format("{}: {}", config.device, phase_name(state.phase));
  if (state.update) text += fmt::format(" of {}", state.update->release.text());
  text += is_running ? "\n" : " (polderd is not running)\n";
  for (const auto& [name, unit] : state.units) {
    const ReleaseId* release = unit.running();
    text += fmt::format("  {:<24} {:<12} slot {}", name,
                        release ? release->version.text() : std::string("none"),
                        slot_name(unit.active));
    if (const auto back = way_back(state, name))
      text += fmt::format(", way back: {}", back->version.text());
    if (live && live->health.contains(name))
      text += (standing.is_live() ? ", " : ", was: ") + live->health.at(name);
    if (standing.is_live() && live->next_start_s.contains(name))
      text +=
          fmt::format("; started again at {}", trust::tuf::time_text(live->next_start_s.at(name)));
    text += "\n";
    if (const auto gone = lost(state, name))
      text += fmt::format("    lost: {}: its slot was damaged; {}\n", gone->version.text(),
                          kLostAdvice);
  }
  for (const BadRelease& item : state.bad)
    text += fmt::format("  bad: {}: {}{}\n", item.release.text(), item.reason,
                        is_known && is_tried_again(config, item) ? kTriedAgain : "");
  for (const Attempts& item : state.attempts)
    text += fmt::format("  failed: {}\n", failed_text(item));
  if (is_known && !config.hub.url.empty()) text += hub_text(config.hub.url, hub);
  for (const Expiry& item : soon(expiries, now_s))
    text += fmt::format("  expires: {}\n    {}\n", expiry_text(item, now_s), renewal(item));
  if (is_known && standing.is_live() && live->has_read_another(config))
    text += fmt::format("  {}: {}\n", kConfigChanged, kReload);
  const std::string output_folder = is_known ? config.output_folder() : "";
  return text + live_line(standing) + (live ? live_text(output_folder, state, *live) : "");
}

}  // namespace polder::agent
