#include "hub/rollouts/order.h"

#include <algorithm>
#include <cmath>

#include "base/fail.h"
#include "base/text.h"
#include "hub/rollouts/measures.h"
#include "trust/manifest.h"
#include "trust/tuf_metadata.h"
#include "trust/version.h"

namespace polder::hub {
namespace {

constexpr std::int64_t kMinuteS = 60, kDayMin = 24 * 60;
constexpr double kMaxMinutes = 366.0 * kDayMin;

Result<double> read_number(const trust::Object& from, std::string_view name, double min, double max,
                           double fallback) {
  if (!from.has(name)) return fallback;
  TRY_VALUE(const double value, from.number(name));
  if (value >= min && value <= max) return value;
  return fail(Code::kInvalid, "{}: {:g} to {:g} expected, {:g} found", from.place(name), min, max,
              value);
}

Result<std::int64_t> read_integer(const trust::Object& from, std::string_view name,
                                  std::int64_t min, std::int64_t max, std::int64_t fallback) {
  if (!from.has(name)) return fallback;
  return from.integer(name, min, max);
}

Result<Stage> read_stage(const trust::Json& json, std::string where) {
  TRY_VALUE(const trust::Object from, trust::Object::of(json, std::move(where)));
  TRY(from.only({"shadow", "devices", "percent", "least_minutes", "least_observations", "margin",
                 "negligible", "errors_an_hour", "allowed", "failures"}));
  Stage stage;
  if (from.has("shadow")) {
    TRY_VALUE(stage.is_shadow, from.boolean("shadow"));
  }
  if (from.has("devices") == from.has("percent"))
    return fail(Code::kInvalid, "{}: either devices or percent expected", from.where());
  TRY_VALUE(const std::int64_t devices, read_integer(from, "devices", 1, kMaxStageDevices, 0));
  TRY_VALUE(const double percent, read_number(from, "percent", 0.1, 100, 0));
  stage.devices = static_cast<std::uint32_t>(devices);
  stage.permille = static_cast<std::uint32_t>(std::lround(percent * 10));
  GateRules& gate = stage.gate;
  gate = usual_rules(stage);
  TRY_VALUE(const double minutes, read_number(from, "least_minutes", 0, kMaxMinutes,
                                              static_cast<double>(gate.least_s) / kMinuteS));
  gate.least_s = std::lround(minutes * kMinuteS);
  TRY_VALUE(const std::int64_t trials, read_integer(from, "least_observations", 1, 1'000'000'000,
                                                    static_cast<std::int64_t>(gate.least_trials)));
  gate.least_trials = static_cast<std::uint64_t>(trials);
  TRY_VALUE(gate.margin, read_number(from, "margin", 1.1, 4, 0));
  TRY_VALUE(gate.negligible, read_number(from, "negligible", 1e-6, 0.5, gate.negligible));
  TRY_VALUE(gate.errors_an_hour,
            read_number(from, "errors_an_hour", 1e-3, 1e6, gate.errors_an_hour));
  if (from.has("allowed") && !stage.is_shadow)
    return fail(Code::kInvalid, "{}: of a stage of shadows only", from.place("allowed"));
  TRY_VALUE(gate.allowed, read_number(from, "allowed", 0.001, 0.9, gate.allowed));
  TRY_VALUE(const std::int64_t failures, read_integer(from, "failures", 1, kMaxFailures, 0));
  gate.failures = static_cast<std::uint32_t>(failures);
  return stage;
}

Status read_release(const trust::Object& from, RolloutOrder& order) {
  TRY_VALUE(order.model, from.text("model"));
  if (!trust::is_release_name(order.model))
    return fail(Code::kInvalid, "{}: '{}' is no name of a model", from.place("model"),
                clipped(order.model));
  for (std::string* const version : {&order.version, &order.other_version}) {
    const std::string_view name = version == &order.version ? "version" : "other_version";
    if (version == &order.other_version && !from.has(name)) continue;
    TRY_VALUE(const std::string text, from.text(name));
    TRY_VALUE(const trust::Version parsed, trust::Version::parse(text, from.place(name)));
    *version = parsed.text();
  }
  if (order.version != order.other_version) return {};
  return fail(Code::kInvalid, "{}: it is the version", from.place("other_version"));
}

Status read_times(const trust::Object& from, RolloutOrder& order) {
  TRY_VALUE(order.look_s, read_integer(from, "look_s", 1, kMaxLookS, kLookS));
  TRY_VALUE(order.history_looks,
            read_integer(from, "history_looks", 0, kMaxHistoryLooks, kHistoryLooks));
  if (from.has("window")) {
    TRY_VALUE(const trust::Object window, from.object("window"));
    TRY_VALUE(order.window, read_window(window));
  }
  if (from.has("one_way")) {
    TRY_VALUE(order.is_one_way, from.boolean("one_way"));
  }
  if (from.has("unpublished")) {
    TRY_VALUE(order.may_be_unpublished, from.boolean("unpublished"));
  }
  if (!from.has("not_before")) return {};
  TRY_VALUE(const std::string text, from.text("not_before"));
  TRY_VALUE(order.not_before_s, trust::tuf::parse_time(text, from.place("not_before")));
  return {};
}

Status read_measures(const trust::Object& from, RolloutOrder& order) {
  order.measures.assign(kAllMeasures.begin(), kAllMeasures.end());
  if (!from.has("measures")) return {};
  TRY_VALUE(order.measures, from.texts("measures", kAllMeasures.size()));
  for (const std::string& name : order.measures) {
    if (std::ranges::count(order.measures, name) > 1)
      return fail(Code::kInvalid, "{}: '{}' is there twice", from.place("measures"), clipped(name));
    if (std::ranges::find(kAllMeasures, name) == kAllMeasures.end())
      return fail(Code::kInvalid, "{}: '{}' is none of: {}", from.place("measures"), clipped(name),
                  fmt::join(kAllMeasures, ", "));
  }
  return {};
}

}  // namespace

std::optional<Reason> RolloutOrder::waits_for(std::int64_t now_s) const {
  if (now_s < not_before_s)
    return say(why::kNotBefore, {{"time", trust::tuf::time_text(not_before_s)}});
  if (!window || window->holds(now_s)) return {};
  const std::optional<std::int64_t> opens_s = window->opens_s(now_s);
  if (!opens_s) return say(why::kWindowUnknown, {{"window", window->text()}});
  return say(why::kWindow, {{"window", window->text()}, {"time", trust::tuf::time_text(*opens_s)}});
}

std::string RolloutOrder::trouble() const {
  if (!window || window->zone.is_known()) return "";
  return fmt::format(
      "its window is closed, as the tzdata of this hub has no time zone '{}': install the package "
      "tzdata there, or update it, and restart the hub; or abort this and begin it anew in another "
      "zone",
      clipped(window->zone.name()));
}

Result<RolloutOrder> read_order(const trust::Json& json, const std::string& where) {
  TRY_VALUE(const trust::Object from, trust::Object::of(json, where));
  TRY(from.only({"model", "version", "other_version", "query", "strata", "stages", "measures",
                 "look_s", "history_looks", "window", "not_before", "one_way", "unpublished"}));
  RolloutOrder order;
  TRY(read_release(from, order));
  if (from.has("query")) {
    TRY_VALUE(const std::string text, from.text("query"));
    TRY_VALUE(order.query, read_query(text));
  }
  if (from.has("strata")) {
    TRY_VALUE(order.strata, from.text("strata"));
    if (const Status tag = check_tag(order.strata, "x"); !tag.ok())
      return fail(Code::kInvalid, "{}: {}", from.place("strata"), tag.error().message);
  }
  TRY(read_measures(from, order));
  TRY(read_times(from, order));
  order.stages = usual_stages();
  for (Stage& stage : order.stages) stage.gate.margin = 0, stage.gate.failures = 0;
  if (from.has("stages")) {
    TRY_VALUE(const trust::Json::Array* const stages, from.array("stages", kMaxStages));
    order.stages.clear();
    for (std::size_t i = 0; i < stages->size(); ++i) {
      TRY_VALUE(Stage stage,
                read_stage((*stages)[i], fmt::format("{}[{}]", from.place("stages"), i)));
      order.stages.push_back(stage);
    }
  }
  TRY(check_plan({.id = "", .stages = order.stages}));
  return order;
}

trust::Json::Members json_of(const Stage& stage) {
  const GateRules& gate = stage.gate;
  trust::Json::Members members{{"shadow", stage.is_shadow},
                               {"least_minutes", static_cast<double>(gate.least_s) / kMinuteS},
                               {"least_observations", static_cast<std::int64_t>(gate.least_trials)},
                               {"negligible", gate.negligible},
                               {"errors_an_hour", gate.errors_an_hour}};
  if (gate.failures > 0) members.emplace("failures", static_cast<std::int64_t>(gate.failures));
  if (gate.margin > 0) members.emplace("margin", gate.margin);
  if (stage.is_shadow) members.emplace("allowed", gate.allowed);
  if (stage.devices > 0) members.emplace("devices", static_cast<std::int64_t>(stage.devices));
  else members.emplace("percent", stage.permille / 10.0);
  return members;
}

trust::Json::Members json_of(const RolloutOrder& order) {
  trust::Json::Array stages;
  for (const Stage& stage : order.stages) stages.emplace_back(json_of(stage));
  trust::Json::Members members{
      {"model", order.model},
      {"version", order.version},
      {"query", query_text(order.query)},
      {"stages", std::move(stages)},
      {"measures", trust::Json::Array(order.measures.begin(), order.measures.end())},
      {"look_s", order.look_s},
      {"history_looks", order.history_looks},
      {"one_way", order.is_one_way},
      {"unpublished", order.may_be_unpublished}};
  if (!order.other_version.empty()) members.emplace("other_version", order.other_version);
  if (!order.strata.empty()) members.emplace("strata", order.strata);
  if (order.not_before_s > 0)
    members.emplace("not_before", trust::tuf::time_text(order.not_before_s));
  if (order.window) members.emplace("window", json_of(*order.window));
  return members;
}

}  // namespace polder::hub
