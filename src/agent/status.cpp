#include "agent/status.h"

#include <algorithm>

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
constexpr std::uint64_t kLowDiskBytes = 64u << 20;
// Before it no program of ours was built: a clock that says so is not set.
constexpr std::int64_t kFirstTimeS = 1'700'000'000;

Json release_json(const std::optional<ReleaseId>& release) {
  if (!release) return {};
  return Json::Members{{"version", release->version.text()},
                       {"manifest", trust::hex(release->manifest)}};
}

std::optional<ReleaseId> running(const Unit& unit) {
  const ReleaseId* release = unit.running();
  return release ? std::optional(*release) : std::nullopt;
}

// What was committed and does not run, other than for an update: its slot was damaged.
std::optional<ReleaseId> lost(const AgentState& state, const std::string& name) {
  const Unit& unit = state.units.at(name);
  const bool is_updated = state.update && state.update->unit == name;
  return is_updated || unit.committed == running(unit) ? std::nullopt : unit.committed;
}

std::string health_of(const std::string& unit, const std::optional<Live>& live) {
  if (!live) return "unknown";
  const auto found = live->health.find(unit);
  return found == live->health.end() ? "unknown" : found->second;
}

Json update_json(const AgentState& state) {
  if (!state.update) return {};
  return Json::Members{{"unit", state.update->unit},
                       {"version", state.update->release.version.text()},
                       {"reason", state.update->reason}};
}

std::string output_line(const Config& config, const std::string& unit, const KeptCounts& counts) {
  return fmt::format("    output: {} in {}/{}; {} dropped for its cap, {} lost\n",
                     bytes_text(counts.kept_bytes), config.output_folder(), unit,
                     bytes_text(counts.dropped_bytes), bytes_text(counts.lost_bytes));
}

// Since it failed this device's settings have changed.
bool is_tried_again(const Config& config, const BadRelease& bad) {
  return bad.settings != config.settings_digest(bad.release.model);
}
constexpr char kTriedAgain[] = " (with other settings than now: it is tried again)";

std::string failed_text(const Attempts& item) {
  return fmt::format("{}: could not be installed, {} times by now: {}", item.release.text(),
                     item.failures, item.reason);
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
  for (const ShadowModelResult& item : result.models)
    models.push_back(Json::Members{{"model", item.model},
                                   {"inferences", count_json(item.inferences)},
                                   {"agreement", item.agreement},
                                   {"difference_p99", item.difference_p99},
                                   {"old_p50_ms", item.old_p50_ms},
                                   {"old_p99_ms", item.old_p99_ms},
                                   {"new_p50_ms", item.new_p50_ms},
                                   {"new_p99_ms", item.new_p99_ms}});
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

}  // namespace

Json Live::to_json() const {
  Json::Array refused;
  for (const std::string& text : refusals) {
    if (refused.size() < kMaxLiveRefusals) refused.push_back(clip_text(text));
  }
  Json::Members units;
  for (const auto& [name, text] : health) units.emplace(name, clip_text(text));
  Json::Members kept;
  for (const auto& [name, counts] : output) {
    kept.emplace(name, Json::Members{{"kept_bytes", std::int64_t(counts.kept_bytes)},
                                     {"dropped_bytes", std::int64_t(counts.dropped_bytes)},
                                     {"lost_bytes", std::int64_t(counts.lost_bytes)}});
  }
  Json::Members shadows;
  for (const auto& [name, result] : shadow) shadows.emplace(name, shadow_json(result));
  return Json::Members{{"checked_s", checked_s},
                       {"check_error", clip_text(check_error)},
                       {"refusals", std::move(refused)},
                       {"health", std::move(units)},
                       {"output", std::move(kept)},
                       {"shadow", std::move(shadows)},
                       {"reports", reports_json(reports)},
                       {"audit", Json::Members{{"trouble", clip_text(audit.what)},
                                               {"advice", clip_text(audit.advice)}}}};
}

Result<Live> Live::parse(std::string_view bytes, std::string_view where) {
  TRY_VALUE(const Json document, Json::parse(bytes, where));
  TRY_VALUE(const Object object, Object::of(document, std::string(where)));
  Live live;
  TRY_VALUE(live.checked_s, object.integer("checked_s", 0, kMaxTimeS));
  TRY_VALUE(live.check_error, object.text("check_error", kMaxLiveTextBytes));
  TRY_VALUE(live.refusals, object.texts("refusals", kMaxLiveRefusals, kMaxLiveTextBytes));
  TRY_VALUE(const Object health, object.object("health"));
  for (const auto& [name, value] : health.members()) {
    TRY_VALUE(std::string text, health.text(name, kMaxLiveTextBytes));
    live.health.emplace(name, std::move(text));
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
  return live;
}

Json status_json(const Config& config, const AgentState& state, const std::optional<Live>& live,
                 bool is_running) {
  Json::Members units;
  for (const auto& [name, unit] : state.units) {
    const auto floor = state.floors.find(name);
    units.emplace(
        name,
        Json::Members{{"kind", unit.runtime ? "runtime" : "model"},
                      {"slot", slot_name(unit.active)},
                      {"running", release_json(running(unit))},
                      {"committed", release_json(unit.committed)},
                      {"previous", release_json(unit.previous)},
                      {"lost", release_json(lost(state, name))},
                      {"floor", floor == state.floors.end() ? Json() : Json(floor->second.text())},
                      {"health", is_running ? health_of(name, live) : Json()}});
  }
  Json::Array bad;
  for (const BadRelease& item : state.bad) {
    bad.push_back(Json::Members{{"release", item.release.text()},
                                {"manifest", trust::hex(item.release.manifest)},
                                {"tried_again", is_tried_again(config, item)},
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
  return Json::Members{{"device", config.device},
                       {"running", is_running},
                       {"boot", state.boot},
                       {"phase", phase_name(state.phase)},
                       {"update", update_json(state)},
                       {"units", std::move(units)},
                       {"bad", std::move(bad)},
                       {"failed", std::move(failed)},
                       {"live", live ? live->to_json() : Json()}};
}

std::string status_text(const Config& config, const AgentState& state,
                        const std::optional<Live>& live, bool is_running) {
  std::string text = fmt::format("{}: {}", config.device, phase_name(state.phase));
  if (state.update) text += fmt::format(" of {}", state.update->release.text());
  text += is_running ? "\n" : " (polderd is not running)\n";
  for (const auto& [name, unit] : state.units) {
    const ReleaseId* release = unit.running();
    text += fmt::format("  {:<24} {:<12} slot {:<5}", name,
                        release ? release->version.text() : std::string("none"),
                        slot_name(unit.active));
    if (unit.previous) text += fmt::format(" back to {}", unit.previous->version.text());
    if (live && live->health.contains(name))
      text += (is_running ? ", " : ", was: ") + live->health.at(name);
    text += "\n";
    if (const auto gone = lost(state, name))
      text += fmt::format("    lost: {}: its slot was damaged; it is installed again\n",
                          gone->version.text());
    if (live && live->output.contains(name))
      text += output_line(config, name, live->output.at(name));
    if (live && live->reports.units.contains(name)) text += seen_text(live->reports.units.at(name));
    if (live && live->shadow.contains(name))
      text += fmt::format("    shadow: {}\n", live->shadow.at(name).text());
  }
  for (const BadRelease& item : state.bad)
    text += fmt::format("  bad: {}: {}{}\n", item.release.text(), item.reason,
                        is_tried_again(config, item) ? kTriedAgain : "");
  for (const Attempts& item : state.attempts)
    text += fmt::format("  failed: {}\n", failed_text(item));
  if (!live) return text;
  if (!live->check_error.empty()) text += fmt::format("  last check: {}\n", live->check_error);
  if (!live->audit.what.empty())
    text += fmt::format("  {}\n    {}\n", live->audit.what, live->audit.advice);
  text += reports_text(live->reports);
  for (const std::string& refusal : live->refusals) text += fmt::format("  refused: {}\n", refusal);
  return text;
}

// --- What is wrong and what to do ----------------------------------------------------------------

namespace {

void judge_status(std::vector<Finding>& out, const char* what, const Status& status,
                  const char* good, const char* advice) {
  if (status.ok()) out.push_back({Level::kGood, fmt::format("{}: {}", what, good), ""});
  else out.push_back({Level::kWrong, fmt::format("{}: {}", what, status.error().message), advice});
}

// What is there now comes before what the agent said when it ran.
void judge_audit(std::vector<Finding>& out, const Facts& facts) {
  RecordTrouble trouble = facts.live ? facts.live->audit : RecordTrouble();
  if (!facts.identity.ok() && facts.identity.error().code != Code::kNotFound)
    trouble = not_signed(facts.config, facts.identity.error());
  if (!facts.audit.ok() && facts.audit.error().code != Code::kNotFound)
    trouble = not_recorded(facts.config, facts.audit.error());
  if (trouble.what.empty()) out.push_back({Level::kGood, "audit log: kept and signed", ""});
  else out.push_back({Level::kWrong, trouble.what, trouble.advice});
}

bool is_away(const Status& repository) {
  return !repository.ok() &&
         (repository.error().code == Code::kUnavailable ||
          repository.error().code == Code::kNotFound || repository.error().code == Code::kIo);
}

void judge_clock(std::vector<Finding>& out, const Facts& facts, const AgentState& state) {
  if (facts.now_s < kFirstTimeS) {
    out.push_back({Level::kWarning, "clock: not set",
                   "set it, or run a time service; until then the last time that was proven is "
                   "taken"});
  } else if (facts.now_s < state.time_seen_s) {
    out.push_back({Level::kWarning, "clock: before the time that signed metadata have proven",
                   "set it, or run a time service"});
  } else {
    out.push_back({Level::kGood, "clock: plausible", ""});
  }
}

void judge_units(std::vector<Finding>& out, const Facts& facts, const AgentState& state) {
  for (const std::string& name : facts.config.models) {
    const auto unit = state.units.find(name);
    const ReleaseId* release = unit == state.units.end() ? nullptr : unit->second.running();
    if (!release) {
      out.push_back({Level::kWarning, fmt::format("{}: no release is installed", name),
                     "'polderd check' says what the repository has for this device"});
      continue;
    }
    const std::string health = health_of(name, facts.live);
    const bool fine = health == "well" || health == "starting" || health == "unknown";
    out.push_back(
        {fine ? Level::kGood : Level::kWrong,
         fmt::format("{}: {}{}", name, release->version.text(), fine ? "" : ": " + health),
         fine ? "" : "the log of polderd says more; a newer release replaces it"});
  }
  for (const auto& [name, unit] : state.units) {
    const auto gone = lost(state, name);
    if (!gone) continue;
    const std::string instead = unit.running() ? unit.running()->version.text() + " runs"
                                : unit.runtime ? "the installed polderd runs"
                                               : "nothing runs";
    out.push_back({Level::kWrong,
                   fmt::format("{}: its slot was damaged; {} until it is installed again",
                               gone->text(), instead),
                   "a worn-out disk or card does that: see what the kernel says (dmesg)"});
  }
  for (const BadRelease& bad : state.bad) {
    out.push_back({Level::kWarning,
                   fmt::format("{}: failed here: {}{}", bad.release.text(), bad.reason,
                               is_tried_again(facts.config, bad) ? kTriedAgain : ""),
                   "where a setting of this device is wrong, mend it in polderd.toml; else publish "
                   "a newer version; 'polderd check --install --retry' tries it again as it is"});
  }
  for (const Attempts& item : state.attempts) {
    out.push_back({Level::kWarning, failed_text(item),
                   "it is tried again by itself, or by 'polderd check --install' at once"});
  }
}

}  // namespace

std::vector<Finding> diagnose(const Facts& facts) {
  std::vector<Finding> out;
  out.push_back({facts.is_running ? Level::kGood : Level::kWarning,
                 facts.is_running ? "polderd: running" : "polderd: not running",
                 facts.is_running ? "" : "systemctl start polderd"});
  judge_status(out, "identity", facts.identity, "the key is there and signs",
               "until the key can be used the audit log is not signed");
  judge_audit(out, facts);
  if (facts.config.repository.empty()) {
    out.push_back({Level::kWarning, "repository: none", "set 'repository' in polderd.toml"});
  } else {
    judge_status(out, "root", facts.root, "trusted",
                 "set 'root' in polderd.toml to the root.json that came with the device");
  }
  // Without a root it is not asked.
  if (!facts.config.repository.empty() && facts.root.ok()) {
    judge_status(out, "repository", facts.repository, "there, and to be trusted",
                 is_away(facts.repository)
                     ? "see that the address is right, the network is up, the stick is plugged in"
                     : "what is installed goes on; the releaser renews what has expired ('polder "
                       "repo publish')");
  }
  if (facts.live && !facts.live->check_error.empty()) {
    out.push_back({Level::kWarning, "last check: " + facts.live->check_error,
                   "what is installed goes on; the releaser renews what has expired ('polder repo "
                   "publish')"});
  }
  if (!facts.confines_files) {
    out.push_back({Level::kWarning,
                   "confinement: this kernel does not keep a pipeline's process from the files of "
                   "polderd's user (Landlock)",
                   "Linux 5.13 or newer, with 'landlock' in its lsm= list"});
  }
  // Where there is no folder yet it will be made.
  const bool has_folder = facts.free_bytes.ok() || facts.free_bytes.error().code != Code::kNotFound;
  if (has_folder && !facts.free_bytes.ok()) {
    out.push_back({Level::kWrong, "disk: " + facts.free_bytes.error().message,
                   "what is installed runs, nothing can be updated or kept; a worn-out card "
                   "becomes read-only: see what the kernel says (dmesg)"});
  } else if (has_folder && *facts.free_bytes < kLowDiskBytes) {
    out.push_back({Level::kWrong, "disk: " + bytes_text(*facts.free_bytes) + " free",
                   "free some: below that nothing can be installed"});
  }
  if (!facts.state.ok()) {
    out.push_back({Level::kWrong, facts.state.error().message,
                   "keep a copy of the folder, remove state.json and state.backup.json and nothing "
                   "else: releases are then installed anew"});
    return out;
  }
  judge_clock(out, facts, *facts.state);
  for (const std::string& text : facts.bad_settings) {
    out.push_back({Level::kWrong, "settings: " + text,
                   "mend polderd.toml, then 'systemctl restart polderd'"});
  }
  for (const std::string& unit : facts.unproven_settings) {
    out.push_back({Level::kWarning,
                   fmt::format("settings: [pipeline.{}] cannot be verified: no pipeline of it is "
                               "installed",
                               unit),
                   "they are held to the release when one is installed"});
  }
  for (const std::string& text : facts.damaged_slots) {
    out.push_back({Level::kWrong, "damaged: " + text,
                   "'systemctl restart polderd' runs what is whole, and installs this again; a "
                   "worn-out disk or card does that: see what the kernel says (dmesg)"});
  }
  judge_units(out, facts, *facts.state);
  return out;
}

}  // namespace polder::agent
