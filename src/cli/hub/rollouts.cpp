// polder rollout create, list, show, devices, pause, resume and abort: releases that a hub brings
// to devices.
#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdio>
#include <string>

#include "base/duration.h"
#include "base/fail.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/hub/client.h"
#include "cli/hub/print.h"
#include "hub/judgement.h"
#include "trust/tuf_metadata.h"
#include "trust/tuf_updater.h"

namespace polder::cli {

namespace {

using trust::Json;
using trust::Object;

constexpr std::size_t kMaxListed = 1'000, kMaxTextBytes = 64 << 10;
constexpr std::int64_t kWatchEveryS = 2;

std::string rollout_path(const std::string& id) {
  return "/v1/rollouts/" + trust::tuf::percent_encoded(id);
}

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

std::vector<std::string> parts_of(std::string_view list) {
  std::vector<std::string> parts;
  while (true) {
    const std::size_t comma = list.find(',');
    parts.emplace_back(trimmed(list.substr(0, comma)));
    if (comma == list.npos) return parts;
    list.remove_prefix(comma + 1);
  }
}

// The hub's, for the rules of all of them.
constexpr char kUsualStages[] = "shadow 1, 1, 3, 10%, 50%, 100%";
constexpr std::string_view kStageRules[] = {"least_minutes", "least_observations", "margin",
                                            "negligible",    "errors_an_hour",     "allowed",
                                            "failures"};

// The hub names members of the body: what was typed is an option or an argument.
Error as_typed(Error error) {
  constexpr std::string_view kBody = "the hub says: body.";
  const std::size_t at = kBody.size() - std::string_view("body.").size();
  const std::size_t end = error.message.find(": ", kBody.size());
  if (!error.message.starts_with(kBody) || end == error.message.npos) return error;
  std::string name = error.message.substr(kBody.size(), end - kBody.size());
  std::string typed = name == "model" ? "MODEL" : name == "version" ? "VERSION" : "";
  if (typed.empty()) {
    typed = "--" + name.substr(0, name.find_first_of(".["));
    std::ranges::replace(typed, '_', '-');
    // Stages are counted from 1 by people.
    int stage = 0;
    if (std::sscanf(name.c_str(), "stages[%d]", &stage) == 1)
      typed += fmt::format(": stage {}", stage + 1);
    const std::size_t dot = name.find('.');
    if (dot != name.npos) typed += ": " + name.substr(dot + 1);
  }
  error.message.replace(at, end - at, typed);
  return error;
}

// A stage as the hub takes it, of "shadow 1", "3", "10% margin=1.5 least_minutes=60".
Result<Json::Members> read_stage(std::string_view text) {
  constexpr std::string_view kShadow = "shadow ";
  Json::Members stage{{"shadow", text.starts_with(kShadow)}};
  std::string_view rest = text.starts_with(kShadow) ? trimmed(text.substr(kShadow.size())) : text;
  std::string size(rest.substr(0, rest.find(' ')));
  rest = trimmed(rest.substr(size.size()));
  if (rest.starts_with('%')) size += '%', rest.remove_prefix(1);  // "10 %"
  const bool is_share = size.ends_with('%');
  if (is_share) size.pop_back();
  const Status fits =
      is_share ? check_real("--stages", size, 0, 100) : check_whole("--stages", size, 1, 1000);
  if (!fits.ok())
    return fail(Code::kInvalid,
                "--stages: '{}': a number of devices or a share expected, with 'shadow' before it "
                "or not, such as 'shadow 1, 3, 10%, 100%'",
                clipped(text));
  if (is_share) stage.emplace("percent", std::stod(size));
  else stage.emplace("devices", std::int64_t(std::stoll(size)));
  for (rest = trimmed(rest); !rest.empty(); rest = trimmed(rest)) {
    const std::string_view rule = rest.substr(0, rest.find(' '));
    rest.remove_prefix(rule.size());
    const std::size_t equals = std::min(rule.find('='), rule.size());
    const std::string name(rule.substr(0, equals));
    const std::string value(rule.substr(std::min(equals + 1, rule.size())));
    TRY(check_one_of("--stages", name, kStageRules));
    TRY(check_real("--stages: " + name, value, 0, 1e9));
    stage.emplace(name, std::stod(value));
  }
  return stage;
}

Status check_stages(std::string_view, const std::string& value) {
  for (const std::string& part : parts_of(value)) TRY(read_stage(part));
  return {};
}

constexpr std::string_view kMeasures[] = {
    "errors", "slow frames", "empty frames", "frames that differ", "slower frames", "none"};

Status check_measures(std::string_view option, const std::string& value) {
  if (value == "none") return {};
  const Words each = Words(kMeasures).first(std::size(kMeasures) - 1);
  for (const std::string& part : parts_of(value)) TRY(check_one_of(option, part, each));
  return {};
}

constexpr std::string_view kPhases[] = {"running", "paused", "aborted", "done"};

constexpr std::string_view kWeekDays[] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};

// Of "mon-wed,sat", "fri-mon".
Result<Json::Array> read_days(std::string_view option, std::string_view list) {
  bool is_in[std::size(kWeekDays)] = {};
  for (std::string part : parts_of(list)) {
    std::ranges::transform(part, part.begin(), [](unsigned char c) { return std::tolower(c); });
    const std::size_t dash = std::min(part.find('-'), part.size());
    const std::string first(trimmed(std::string_view(part).substr(0, dash)));
    const std::string last(trimmed(std::string_view(part).substr(std::min(dash + 1, part.size()))));
    const std::string& end = dash == part.size() ? first : last;
    TRY(check_one_of(option, first, kWeekDays));
    TRY(check_one_of(option, end, kWeekDays));
    for (const auto* day = std::ranges::find(kWeekDays, first);; ++day) {
      if (day == std::end(kWeekDays)) day = std::begin(kWeekDays);
      is_in[day - std::begin(kWeekDays)] = true;
      if (*day == end) break;
    }
  }
  Json::Array days;
  for (std::size_t day = 0; day < std::size(kWeekDays); ++day)
    if (is_in[day]) days.emplace_back(kWeekDays[day]);
  return days;
}

// As the hub takes it, of "22:00-05:00", "mon-fri 01:00-05:00 Europe/Amsterdam"; it looks at the
// times and the zone itself.
Result<Json::Members> read_window(std::string_view option, std::string_view text) {
  const std::size_t begin = std::min(text.find_first_of("0123456789"), text.size());
  const std::string_view days = trimmed(text.substr(0, begin)), rest = text.substr(begin);
  const std::string hours(rest.substr(0, rest.find(' ')));
  if (hours.size() != 11 || hours[2] != ':' || hours[5] != '-' || hours[8] != ':')
    return fail(Code::kInvalid,
                "{}: '[DAYS] FROM-TO [ZONE]' expected, such as 22:00-05:00 or 'mon-fri 01:00-05:00 "
                "Europe/Amsterdam'; '{}' given",
                option, clipped(text));
  Json::Members window{{"from", hours.substr(0, 5)}, {"to", hours.substr(6)}};
  if (!days.empty()) {
    TRY_VALUE(Json::Array list, read_days(option, days));
    window.emplace("days", std::move(list));
  }
  if (const std::string_view zone = trimmed(rest.substr(hours.size())); !zone.empty())
    window.emplace("zone", std::string(zone));
  return window;
}

Status check_window(std::string_view option, const std::string& value) {
  TRY(read_window(option, value));
  return {};
}

constexpr Option kJson = {"--json", "", "prints the hub's answer as JSON"};
constexpr Option kCreateOptions[] = {
    POLDER_HUB_OPTIONS,
    {"--query", "TAG=VALUE,...", "devices with all of these tags (default: all with the model)",
     false, check_query},
    {"--group", "NAME", "devices of this group, as its query is now (polder fleet groups)"},
    {"--stages", "LIST",
     "such as 'shadow 1, 1, 3, 10%, 100%' (default: shadow 1, 1, 3, 10%, 50%, 100%); a shadow acts "
     "once the 'shadow_s' of its device is over, so there are no more of them than devices in the "
     "stage after it",
     false, check_stages},
    {"--strata", "TAG", "such as site: devices are compared with those of the same one"},
    {"--least-minutes", "N",
     "of each stage that does not say it itself, as '3 least_minutes=60 margin=2' in --stages "
     "(default: a day of numbers, four hours of shares)",
     false, real<0, 527040>},
    {"--measures",
     "LIST",
     "what is compared, of: errors, slow frames, empty frames and, in shadow, frames that differ, "
     "slower frames; none: nothing (default: all)",
     false,
     {check_measures, words_of<kMeasures>}},
    {"--look-s", "N", "seconds after which the gate is judged (default: 300, as devices report)",
     false, whole<1, 3600>},
    {"--history-looks", "N", "looks at the old release first (default: 96)", false,
     whole<0, 10'000>},
    {"--window",
     "[DAYS] FROM-TO [ZONE]",
     "when devices may be told to change, such as 'mon-fri 01:00-05:00 Europe/Amsterdam' (default: "
     "always; of each day, in UTC)",
     false,
     {check_window, words_of<kWeekDays>}},
    {"--not-before", "TIME", "such as 2027-01-11T00:00:00Z", false, check_time},
    {"--other-version", "VERSION", "A/B: what half of the devices get"},
    {"--one-way", "",
     "also for devices whose release of before the hub does not have: an abort leaves them with "
     "what they run"},
    {"--unpublished", "",
     "begins it also before the hub has the release: no device changes before that is published"},
    {"--dry-run", "", "begins nothing: tells how many devices each stage would hold"},
    kJson};
constexpr Option kListOptions[] = {
    POLDER_HUB_OPTIONS,
    {"--phase", "PHASE", "running, paused, aborted or done", false, one_of<kPhases>},
    kJson};
constexpr Option kShowOptions[] = {
    POLDER_HUB_OPTIONS,
    {"--watch", "",
     "goes on to tell what is new until it is over; then status 1 if it was aborted"},
    kJson};
constexpr Option kReasonOptions[] = {
    POLDER_HUB_OPTIONS,
    {"--reason", "TEXT", "why, for the others (required)", false, check_reason},
    kJson};
constexpr Option kDevicesOptions[] = {POLDER_HUB_OPTIONS, kJson};
constexpr Option kResumeOptions[] = {POLDER_HUB_OPTIONS, kJson};

Result<Json> order_of(const Args& args, const std::string& query) {
  Json::Members order{{"model", args.positional()[0]}, {"version", args.positional()[1]}};
  if (args.has("--stages") || args.has("--least-minutes")) {
    Json::Array stages;
    for (const std::string& part : parts_of(args.text("--stages", kUsualStages))) {
      TRY_VALUE(Json::Members stage, read_stage(part));
      if (args.has("--least-minutes"))
        stage.emplace("least_minutes", args.real("--least-minutes", 0));
      stages.emplace_back(std::move(stage));
    }
    order.emplace("stages", std::move(stages));
  }
  if (!query.empty()) order.emplace("query", query);
  if (args.has("--other-version")) order.emplace("other_version", args.text("--other-version"));
  if (args.has("--not-before")) order.emplace("not_before", args.text("--not-before"));
  if (args.has("--strata")) order.emplace("strata", args.text("--strata"));
  if (args.has("--look-s")) order.emplace("look_s", args.integer("--look-s", 0));
  if (args.has("--history-looks"))
    order.emplace("history_looks", args.integer("--history-looks", 0));
  if (args.has("--one-way")) order.emplace("one_way", true);
  if (args.has("--unpublished")) order.emplace("unpublished", true);
  if (args.has("--measures")) {
    Json::Array measures;
    if (args.text("--measures") != "none")
      for (std::string& one : parts_of(args.text("--measures"))) measures.emplace_back(one);
    order.emplace("measures", std::move(measures));
  }
  if (args.has("--window")) {
    TRY_VALUE(Json::Members window, read_window("--window", args.text("--window")));
    order.emplace("window", std::move(window));
  }
  return Json(std::move(order));
}

// --- What it looks like --------------------------------------------------------------------------

Result<std::string> stage_text(const Object& rollout) {
  TRY_VALUE(const Json::Array* const stages, rollout.array("stages", kMaxListed));
  TRY_VALUE(const std::int64_t stage, rollout.integer("stage", 0, kMaxListed));
  return fmt::format("{} of {}", stage + 1, stages->size());
}

// Why it is where it is; empty: as it goes.
Result<std::string> reason_text(const Object& rollout) {
  TRY_VALUE(const std::string reason, rollout.text("reason", kMaxTextBytes));
  std::string text = one_line(reason);
  if (!rollout.has("trouble") || rollout.members().at("trouble").is_null()) return text;
  TRY_VALUE(const std::string trouble, rollout.text("trouble", kMaxTextBytes));
  return text + (text.empty() ? "" : "; ") + "it cannot go on: " + one_line(trouble);
}

Result<std::string> line_of(const Object& rollout) {
  std::string text;
  for (const char* name : {"id", "model", "version", "phase"}) {
    TRY_VALUE(const std::string value, rollout.text(name));
    text += (text.empty() ? "" : "  ") + one_line(value);
  }
  TRY_VALUE(const std::string stage, stage_text(rollout));
  TRY_VALUE(const std::string query, rollout.text("query"));
  TRY_VALUE(const std::string reason, reason_text(rollout));
  text += "  stage " + stage;
  if (!query.empty()) text += "  of " + one_line(query);
  if (!reason.empty()) text += ": " + reason;
  return text;
}

Result<std::string> devices_text(const Object& rollout) {
  TRY_VALUE(const Object devices, rollout.object("devices"));
  TRY_VALUE(const std::string phase, rollout.text("phase"));
  const bool is_over = phase == "aborted" || phase == "done";
  std::string text;
  for (const std::string_view name : {"matching", "wanted", "running", "failed"}) {
    TRY_VALUE(const std::int64_t count, devices.integer(std::string(name), 0, INT64_MAX));
    text += fmt::format("{}{} {}{}", text.empty() ? "devices  " : ", ", count, name,
                        is_over && name == "running" ? " now" : "");
  }
  return text;
}

// Who is to run it and is silent; empty where nobody is, and of a hub of before.
Result<std::string> silent_text(const Object& rollout) {
  if (!rollout.has("silent")) return std::string();
  TRY_VALUE(const Json::Array* const silent, rollout.array("silent", kMaxListed));
  std::string text;
  for (const Json& each : *silent) {
    TRY_VALUE(const Object one, Object::of(each, "answer.silent"));
    TRY_VALUE(const std::string device, one.text("device"));
    TRY_VALUE(const std::string seen, one.text("seen"));
    text += fmt::format("waits for {}, last seen {}\n", one_line(device), one_line(seen));
  }
  return text;
}

// Empty where it has none.
Result<std::string> window_text(const Object& rollout) {
  if (!rollout.has("window") || rollout.members().at("window").is_null()) return std::string();
  TRY_VALUE(const Object window, rollout.object("window"));
  if (!window.has("text")) return std::string();  // a hub of before
  TRY_VALUE(const std::string text, window.text("text"));
  std::string when = "open now";
  if (window.has("open")) {  // a hub of before does not say it
    TRY_VALUE(const bool is_open, window.boolean("open"));
    if (!is_open) when = "closed";
  }
  if (window.has("opens") && !window.members().at("opens").is_null()) {
    TRY_VALUE(const std::string opens, window.text("opens"));
    when = "opens at " + one_line(opens);
  }
  return fmt::format("window   {}; {}\n", one_line(text), when);
}

// When it is done at the earliest; empty of one that goes on by itself no more, and of a hub of
// before.
Result<std::string> end_text(const Object& rollout) {
  if (!rollout.has("least_end") || rollout.members().at("least_end").is_null())
    return std::string();
  TRY_VALUE(const std::string end, rollout.text("least_end"));
  return fmt::format("done     {} at the earliest\n", one_line(end));
}

// When its words are of, as devices are those of now; empty where a hub of before does not say.
Result<std::string> times_text(const Object& rollout, const Object& gate) {
  const auto time = [](const Object& of, const char* name) -> Result<std::string> {
    if (!of.has(name) || of.members().at(name).is_null()) return std::string();
    return of.text(name);
  };
  TRY_VALUE(const std::string looked, time(gate, "time"));
  TRY_VALUE(const std::string next, time(rollout, "next_look"));
  if (looked.empty()) return std::string();
  return fmt::format(" as of {}{}", one_line(looked),
                     next.empty() ? "" : fmt::format(" (next look {})", one_line(next)));
}

Result<std::string> gate_text(const Object& rollout) {
  TRY_VALUE(const Object gate, rollout.object("gate"));
  TRY_VALUE(const std::string verdict, gate.text("verdict"));
  TRY_VALUE(const std::vector<std::string> reasons,
            gate.texts("reasons", kMaxListed, kMaxTextBytes));
  TRY_VALUE(const std::string times, times_text(rollout, gate));
  std::string text = "gate     " + one_line(verdict) + times;
  for (const std::string& reason : reasons) text += "; " + one_line(reason);
  return text;
}

Result<std::string> measures_text(const Object& rollout) {
  TRY_VALUE(const Object gate, rollout.object("gate"));
  TRY_VALUE(const Json::Array* const measures, gate.array("measures", kMaxListed));
  std::string text;
  for (const Json& each : *measures) {
    TRY_VALUE(const Object measure, Object::of(each, "answer.gate.measures"));
    TRY_VALUE(const std::string name, measure.text("name"));
    double numbers[5] = {};
    int i = 0;
    for (const char* of : {"ratio", "low", "high", "worse", "acceptable"}) {
      TRY_VALUE(numbers[i++], measure.number(of));
    }
    TRY_VALUE(const std::int64_t canaries, measure.integer("canary_trials", 0, INT64_MAX));
    TRY_VALUE(const std::int64_t controls, measure.integer("control_trials", 0, INT64_MAX));
    const bool is_known = canaries > 0 && controls > 0 &&
                          hub::Judgement{.low = numbers[1], .high = numbers[2]}.is_known();
    const std::string ratio = !is_known ? "not known yet"
                                        : fmt::format("{:.2f} times ({:.2f} to {:.2f})", numbers[0],
                                                      numbers[1], numbers[2]);
    text += fmt::format(
        "  {:<20} {}; evidence: worse {:.3g}, acceptable {:.3g}; {} and {} observations\n",
        one_line(name), ratio, numbers[3], numbers[4], canaries, controls);
  }
  return text;
}

// Its history from `shown` on, which is then all of it.
Result<std::string> history_text(const Object& rollout, std::size_t& shown) {
  TRY_VALUE(const Json::Array* const history, rollout.array("history", kMaxListed));
  std::string text;
  for (std::size_t i = shown; i < history->size(); ++i) {
    TRY_VALUE(const Object one, Object::of((*history)[i], "answer.history"));
    TRY_VALUE(const std::string time, one.text("time"));
    TRY_VALUE(const std::string what, one.text("what", kMaxTextBytes));
    TRY_VALUE(const std::string actor, one.text("actor"));
    text += fmt::format("  {}  {}  ({})\n", one_line(time), one_line(what), one_line(actor));
  }
  shown = history->size();
  return text;
}

Result<int> print(const Args& args, const Json& answer) {
  if (args.has("--json")) {
    fmt::print("{}", answer.pretty());
    return 0;
  }
  TRY_VALUE(const Object rollout, Object::of(answer, "answer"));
  TRY_VALUE(const std::string line, line_of(rollout));
  TRY_VALUE(const std::string devices, devices_text(rollout));
  TRY_VALUE(const std::string window, window_text(rollout));
  TRY_VALUE(const std::string end, end_text(rollout));
  TRY_VALUE(const std::string silent, silent_text(rollout));
  TRY_VALUE(const std::string gate, gate_text(rollout));
  TRY_VALUE(const std::string measures, measures_text(rollout));
  std::size_t shown = 0;
  TRY_VALUE(const std::string history, history_text(rollout, shown));
  fmt::print("{}\n{}\n{}{}{}{}\n{}{}", line, devices, silent, window, end, gate, measures, history);
  return 0;
}

// Of a gate: its verdict and its reasons, each by itself.
Result<std::vector<std::string>> gate_lines(const Object& rollout) {
  TRY_VALUE(const Object gate, rollout.object("gate"));
  TRY_VALUE(const std::string verdict, gate.text("verdict"));
  TRY_VALUE(std::vector<std::string> lines, gate.texts("reasons", kMaxListed, kMaxTextBytes));
  for (std::string& line : lines) line = fmt::format("{}: {}", one_line(verdict), one_line(line));
  if (lines.empty()) lines.push_back(one_line(verdict));
  return lines;
}

// Those of `now` that were not told last, with the time.
void print_changes(std::vector<std::string>& told, std::vector<std::string> now) {
  for (const std::string& line : now)
    if (std::ranges::count(told, line) == 0)
      fmt::print("  {}  {}\n", trust::tuf::time_text(SystemWallClock().now_s()), line);
  told = std::move(now);
}

// What is new, as it comes. Returns the exit status.
Result<int> watch(HubClient& hub, const Args& args) {
  SystemClock clock;
  std::size_t shown = 0;
  std::string told;
  std::vector<std::string> told_lines;
  while (true) {
    TRY_VALUE(const Json answer, hub.get(rollout_path(args.positional()[0])));
    TRY_VALUE(const Object rollout, Object::of(answer, "answer"));
    TRY_VALUE(const std::string phase, rollout.text("phase"));
    const bool is_over = phase == "aborted" || phase == "done";
    if (args.has("--json")) {
      // A document on each line.
      if (std::string line = answer.compact(); line != told) fmt::print("{}\n", told = line);
    } else {
      TRY_VALUE(const std::string history, history_text(rollout, shown));
      TRY_VALUE(std::string devices, devices_text(rollout));
      TRY_VALUE(std::vector<std::string> lines, gate_lines(rollout));
      fmt::print("{}", history);
      lines.insert(lines.begin(), std::move(devices));
      print_changes(told_lines, std::move(lines));
    }
    if (std::fflush(stdout) != 0) return fail(Code::kIo, "cannot write to standard output");
    if (is_over) return phase == "done" ? 0 : 1;
    clock.sleep_until_us(clock.now_us() + kWatchEveryS * 1'000'000);
  }
}

// How many devices it would be for.
Result<int> print_preview(const Args& args, const Json& answer) {
  if (args.has("--json")) {
    fmt::print("{}", answer.pretty());
    return 0;
  }
  TRY_VALUE(const Object preview, Object::of(answer, "answer"));
  TRY_VALUE(const Object devices, preview.object("devices"));
  std::string text;
  for (const char* name : {"matching", "there", "running"}) {
    TRY_VALUE(const std::int64_t count, devices.integer(name, 0, INT64_MAX));
    text += fmt::format("{}{} {}", text.empty() ? "devices  " : ", ", count, name);
  }
  // A hub of before does not say.
  if (const Json* const unable = devices.has("unable") ? *devices.get("unable") : nullptr;
      unable && unable->integer() && *unable->integer() > 0)
    text += fmt::format("; {} cannot run it", *unable->integer());
  text += '\n';
  TRY_VALUE(const Json::Array* const stages, preview.array("stages", kMaxListed));
  for (const Json& each : *stages) {
    TRY_VALUE(const Object stage, Object::of(each, "answer.stages"));
    TRY_VALUE(const std::string name, stage.text("text"));
    TRY_VALUE(const std::int64_t holds, stage.integer("holds", 0, INT64_MAX));
    text += fmt::format("  {:<22} {} device{}\n", one_line(name), holds, holds == 1 ? "" : "s");
  }
  if (preview.has("least_minutes")) {
    TRY_VALUE(const double minutes, preview.number("least_minutes"));
    const auto said = [](double of) {
      return duration_text(static_cast<std::int64_t>(std::ceil(of)) * 60);
    };
    text += "  in all at least " + said(minutes);
    constexpr const char* kQuiet = "least_minutes_without_errors";
    // Null where nothing is compared; a hub of before does not say.
    if (preview.has(kQuiet) && !preview.members().at(kQuiet).is_null()) {
      TRY_VALUE(const double quiet, preview.number(kQuiet));
      if (quiet > minutes) text += fmt::format(" ({} where no worker ends)", said(quiet));
      text += ", and until what is compared is proven";
    }
    text += '\n';
  }
  TRY_VALUE(const std::vector<std::string> notes, preview.texts("notes", kMaxListed));
  for (const std::string& note : notes) text += one_line(note) + '\n';
  fmt::print("{}", text);
  return 0;
}

// --- Commands ------------------------------------------------------------------------------------

Result<int> create(const Args& args) {
  TRY_VALUE(HubClient hub, HubClient::open(args));
  TRY_VALUE(const std::string query, query_of(args, hub));
  TRY_VALUE(const Json order, order_of(args, query));
  const auto held = hub.post("/v1/rollout-previews", order);
  if (!held.ok()) return as_typed(held.error());
  const Json& preview = *held;
  if (args.has("--dry-run")) return print_preview(args, preview);
  TRY_VALUE(const Json answer, hub.post("/v1/rollouts", order));
  // What it will wait for is said now: a version that is not published yet, devices that are left
  // out.
  TRY_VALUE(const Object told, Object::of(preview, "answer"));
  TRY_VALUE(const std::vector<std::string> notes, told.texts("notes", kMaxListed));
  for (const std::string& note : notes) fmt::print(stderr, "note: {}\n", one_line(note));
  return print(args, answer);
}

Result<int> list(const Args& args) {
  TRY_VALUE(HubClient hub, HubClient::open(args));
  std::string path = fmt::format("/v1/rollouts?limit={}", kMaxListed);
  if (args.has("--phase")) path += "&phase=" + trust::tuf::percent_encoded(args.text("--phase"));
  TRY_VALUE(Json::Array rollouts, hub.get_all(std::move(path), "rollouts"));
  if (args.has("--json")) {
    fmt::print("{}", Json(Json::Members{{"rollouts", std::move(rollouts)}}).pretty());
    return 0;
  }
  Table table{{"ROLLOUT", "MODEL", "VERSION", "PHASE", "STAGE", "QUERY", "REASON"}};
  for (const Json& each : rollouts) {
    TRY_VALUE(const Object rollout, Object::of(each, "answer.rollouts"));
    std::vector<std::string>& row = table.emplace_back();
    for (const char* name : {"id", "model", "version", "phase"}) {
      TRY_VALUE(const std::string value, rollout.text(name));
      row.push_back(one_line(value));
    }
    TRY_VALUE(std::string stage, stage_text(rollout));
    TRY_VALUE(const std::string query, rollout.text("query"));
    TRY_VALUE(std::string reason, reason_text(rollout));
    if (reason.empty() && rollout.has("waits_for") &&
        !rollout.members().at("waits_for").is_null()) {
      TRY_VALUE(const std::string waits, rollout.text("waits_for", kMaxTextBytes));
      reason = one_line(waits);
    }
    row.insert(row.end(), {std::move(stage), one_line(query), std::move(reason)});
  }
  fmt::print("{}", rollouts.empty() ? "no rollouts\n" : table_text(table));
  return 0;
}

Result<int> show(const Args& args) {
  TRY_VALUE(HubClient hub, HubClient::open(args));
  if (args.has("--watch")) return watch(hub, args);
  TRY_VALUE(const Json answer, hub.get(rollout_path(args.positional()[0])));
  return print(args, answer);
}

Result<int> order(const Args& args, std::string_view what) {
  const std::string path = fmt::format("{}/{}", rollout_path(args.positional()[0]), what);
  Json body;
  if (what != "resume") {
    if (args.text("--reason").empty())
      return fail(Code::kInvalid, "--reason TEXT says why, for the others");
    body = Json::Members{{"reason", args.text("--reason")}};
  }
  TRY_VALUE(HubClient hub, HubClient::open(args));
  TRY_VALUE(const Json answer, body.is_null() ? hub.post(path) : hub.post(path, body));
  return print(args, answer);
}

Result<int> devices(const Args& args) {
  TRY_VALUE(HubClient hub, HubClient::open(args));
  TRY_VALUE(Json::Array all,
            hub.get_all(rollout_path(args.positional()[0]) + "/devices?limit=1000", "devices"));
  if (!args.has("--json")) std::ranges::for_each(all, mark_silent);
  return print_list(args, std::move(all),
                    {.member = "devices",
                     .columns = {"device", "wanted", "running", "seen", "old_version",
                                 "new_version", "failure", "trouble"},
                     .none = "no devices"});
}

Result<int> pause(const Args& args) { return order(args, "pause"); }
Result<int> resume(const Args& args) { return order(args, "resume"); }
Result<int> abort(const Args& args) { return order(args, "abort"); }

}  // namespace

const Command kRolloutCreate = {
    .name = "rollout create",
    .summary = "Has a hub bring a release to devices, stage by stage, as long as it proves good.",
    .arguments = "MODEL VERSION",
    .example =
        "  polder rollout create people 1.3.0 --query site=ams --hub "
        "https://hub.example.org:8443\n  polder rollout create people 1.3.0 --stages 'shadow "
        "1, 3, 25% margin=1.5, 100%' --least-minutes 30 --dry-run\n  polder rollout create people "
        "1.3.0 --window 'mon-fri 01:00-05:00 Europe/Amsterdam'",
    .options = kCreateOptions,
    .min_positional = 2,
    .max_positional = 2,
    .run = create};

const Command kRolloutList = {.name = "rollout list",
                              .summary = "Lists the rollouts of a hub, the newest first.",
                              .arguments = "",
                              .example = "  polder rollout list --phase running",
                              .options = kListOptions,
                              .min_positional = 0,
                              .max_positional = 0,
                              .run = list};

const Command kRolloutShow = {
    .name = "rollout show",
    .summary = "Shows a rollout: its stage, its devices, what its gate says, its history.",
    .arguments = "ROLLOUT",
    .example = "  polder rollout show r1 --watch",
    .options = kShowOptions,
    .min_positional = 1,
    .max_positional = 1,
    .run = show};

const Command kRolloutPause = {
    .name = "rollout pause",
    .summary =
        "Tells no device anything new until it is resumed. It still ends when it gets worse.",
    .arguments = "ROLLOUT",
    .example = "  polder rollout pause r1 --reason 'a fair is on'",
    .options = kReasonOptions,
    .min_positional = 1,
    .max_positional = 1,
    .run = pause};

const Command kRolloutResume = {.name = "rollout resume",
                                .summary = "Lets a rollout that was paused go on.",
                                .arguments = "ROLLOUT",
                                .example = "  polder rollout resume r1",
                                .options = kResumeOptions,
                                .min_positional = 1,
                                .max_positional = 1,
                                .run = resume};

const Command kRolloutAbort = {
    .name = "rollout abort",
    .summary = "Ends a rollout. All its devices are to run what they had before.",
    .arguments = "ROLLOUT",
    .example = "  polder rollout abort r1 --reason 'wrong labels'",
    .options = kReasonOptions,
    .min_positional = 1,
    .max_positional = 1,
    .run = abort};

const Command kRolloutDevices = {
    .name = "rollout devices",
    .summary = "Lists the devices of a rollout: what each is to run, and what it runs.",
    .arguments = "ROLLOUT",
    .example = "  polder rollout devices r1",
    .options = kDevicesOptions,
    .min_positional = 1,
    .max_positional = 1,
    .run = devices};

}  // namespace polder::cli
