#include "hub/rollouts/preview.h"

#include <algorithm>
#include <map>
#include <span>

#include "base/fail.h"
#include "base/text.h"
#include "hub/rollouts/evidence.h"
#include "hub/rollouts/measures.h"
#include "hub/rollouts/members.h"
#include "hub/share.h"

namespace polder::hub {
namespace {

constexpr std::int64_t kAll = 1000;
constexpr std::size_t kMaxUnable = 8;  // reasons that are told

// Devices that cannot run the release, for one reason.
struct Unable {
  std::int64_t devices = 0;
  std::string example;
};

std::vector<std::int64_t> sizes_of(std::span<const Stage> stages, std::int64_t devices) {
  std::vector<std::int64_t> sizes;
  std::int64_t last = 0;
  bool is_shadow = false;
  for (const Stage& stage : stages) {
    // Who acts first is not who ran in shadow.
    if (is_shadow && !stage.is_shadow) last = 0;
    is_shadow = stage.is_shadow;
    const std::int64_t size = stage.devices > 0 ? std::min<std::int64_t>(stage.devices, devices)
                                                : (devices * stage.permille + kAll / 2) / kAll;
    sizes.push_back(last = std::max(last, size));
  }
  return sizes;
}

// The looks that what a stage does is to be proven with, at best, from the first device on. What
// fails often enough is compared in one; of what never fails only time tells.
std::int64_t looks_of(const RolloutOrder& order, const Stage& stage, bool without_errors) {
  const GateRules& gate = stage.gate;
  const auto is_asked_for = [&](std::string_view name) {
    return std::ranges::count(order.measures, name) > 0;
  };
  if (!without_errors || !is_asked_for(kErrors)) return 1;
  const std::int64_t looks =
      ShareEvidence::looks_to_prove(errors_limit(gate, order.look_s), gate.promote_at);
  if (!stage.is_shadow || !std::ranges::any_of(kShadowMeasures, is_asked_for)) return looks;
  // A shadow passes by what it saw, or by what its device does once it acts.
  return std::min(looks, ShareEvidence::looks_to_prove(gate.allowed, gate.promote_at));
}

// The end of the first look from that time on at which devices may be told, and stages pass.
std::int64_t opened(const RolloutOrder& order, std::int64_t time_s) {
  constexpr int kMaxTries = 400;  // of a window that is shorter than a look
  for (int i = 0; order.window && i < kMaxTries && !order.window->holds(time_s); ++i) {
    const std::optional<std::int64_t> opens_s = order.window->opens_s(time_s);
    if (!opens_s) break;
    time_s = (*opens_s + order.look_s - 1) / order.look_s * order.look_s;
  }
  return time_s;
}

// What is still to be proven: nothing of what is under way, as that may have been seen by now.
enum class Proof : std::uint8_t { kNone, kQuick, kWithoutErrors };

// The time at which its last stage has passed, at best; the first one has begun at `since_s`. A
// stage is judged when a look is over, by the looks for which all had time to tell: those before.
std::int64_t end_of(const Rollout& rollout, std::span<const Stage> stages, std::int64_t now_s,
                    std::int64_t since_s, Proof proof) {
  const std::int64_t look_s = rollout.order.look_s;
  const bool has_begun = rollout.state.stage > 0 || !rollout.has_statistics();
  const std::int64_t history =
      has_begun ? 0 : std::max<std::int64_t>(rollout.order.history_looks - rollout.looks, 0);
  // The look before the one of now still counts.
  std::int64_t told_s = opened(rollout.order, std::max(now_s, (now_s / look_s + history) * look_s));
  // The time of the first stage begins when it was last held; where time is all that counts, once
  // devices were told.
  const bool is_told =
      proof == Proof::kNone &&
      (rollout.state.stage > 0 || stages.front().devices == 0 || !rollout.state.chosen.empty());
  if (history > 0 || (!is_told && told_s > now_s))
    since_s = std::max(since_s, rollout.has_statistics() ? told_s - look_s : told_s);
  const std::int64_t first_look = told_s / look_s;
  for (const Stage& stage : stages) {
    // How rare errors are is proven in each stage anew, by its first devices from the look before
    // it on; how often others fail goes on to be compared.
    const bool is_anew = proof == Proof::kWithoutErrors && &stage != &stages.front();
    const std::int64_t from = is_anew ? told_s / look_s - 1 : first_look;
    std::int64_t look =
        std::max(told_s / look_s + 1, (since_s + stage.gate.least_s + look_s - 1) / look_s);
    if (proof != Proof::kNone && rollout.has_statistics() && stage.gate.promote_at > 0)
      look =
          std::max(look, from + looks_of(rollout.order, stage, proof == Proof::kWithoutErrors) + 1);
    since_s = told_s = opened(rollout.order, look * look_s);
  }
  return told_s;
}

// The first tag of a query that no device has: by its name, or by its value.
Result<std::optional<Reason>> missing_tag(const Hub& hub, const Tags& query) {
  constexpr int kMaxKnown = 1'000;
  const auto nearest_of = [](const std::string& name, const Rows& rows) {
    std::vector<std::string_view> names;
    for (const Row& row : rows) names.push_back(row[0].text());
    return std::string(nearest_name(name, names));
  };
  for (const auto& [name, value] : query) {
    TRY_VALUE(const Rows same,
              ask(hub, "SELECT device FROM device_tag WHERE name = ? AND value = ? LIMIT 1",
                  {name, value}));
    if (!same.empty()) continue;
    TRY_VALUE(const Rows values,
              ask(hub, "SELECT DISTINCT value FROM device_tag WHERE name = ? ORDER BY 1 LIMIT ?",
                  {name, kMaxKnown}));
    std::string tag = name, near;
    if (values.empty()) {
      TRY_VALUE(const Rows names,
                ask(hub, "SELECT DISTINCT name FROM device_tag ORDER BY 1 LIMIT ?", {kMaxKnown}));
      near = nearest_of(name, names);
    } else {
      tag += "=" + value;
      if (const std::string like = nearest_of(value, values); !like.empty())
        near = fmt::format("{}={}", name, like);
    }
    return std::optional(near.empty() ? say(why::kNoSuchTag, {{"tag", tag}})
                                      : say(why::kNoSuchTagNear, {{"tag", tag}, {"near", near}}));
  }
  return std::optional<Reason>();
}

}  // namespace

Result<RolloutPreview> preview_rollout(const Hub& hub, const RolloutOrder& order,
                                       std::int64_t now_s) {
  Values values = {order.model};
  const std::string condition = query_condition(order.query, "m.device", values);
  TRY_VALUE(const Rows published, ask(hub, kPublished, {order.model}));
  TRY_VALUE(const Rows models, ask(hub, kPublishedModels, {}));
  TRY(check_published(order, published, models));
  TRY_VALUE(const Rows releases,
            ask(hub, kArtifacts, {order.model, order.version, order.other_version}));
  Needs needs(order.model, releases);
  TRY_VALUE(const Rows others, ask(hub, others_of(condition), values));
  // By what they go back to: see member_of() and has_it() in members.cpp.
  Values all = {order.version, order.other_version, now_s - kThereS, now_s - kThereS,
                order.version, order.other_version, order.version,   order.other_version};
  all.insert(all.end(), values.begin(), values.end());
  TRY_VALUE(
      const Rows rows,
      ask(hub,
          "SELECT COALESCE(w.version, CASE WHEN m.committed IN (?, ?) THEN '' ELSE m.committed "
          "END), COUNT(*), COUNT(CASE WHEN m.is_well = 1 AND (m.seen_s >= ? OR l.seen_s >= ?) THEN "
          "1 END), COUNT(CASE WHEN m.running <> '' AND m.running IN (?, ?) THEN 1 END), "
          "c.abilities, MIN(m.device), CASE WHEN w.version <> '' AND w.version IN (?, ?) THEN 1 "
          "ELSE 0 END FROM device_model m JOIN device d ON d.id = m.device AND "
          "d.revoked_s IS NULL LEFT JOIN device_link l ON l.device = m.device LEFT JOIN "
          "device_machine c ON c.device = m.device LEFT JOIN wanted w ON w.device = m.device AND "
          "w.model = m.model WHERE m.model = ?" +
              condition + " GROUP BY 1, c.abilities, 7",
          all));
  RolloutPreview preview;
  if (const Row* const taken = taken_of(others, needs))
    preview.notes.push_back(
        say(why::kTaken, {{"rollout", (*taken)[0].text()}, {"device", (*taken)[1].text()}}));
  std::map<std::string, std::int64_t> devices;
  std::map<std::string, Unable> unable;
  for (const Row& row : rows) {
    if (row[6].integer() != 0) {
      preview.brought += row[1].integer();
      preview.running += row[3].integer();
      continue;
    }
    if (const std::string& why = needs.why_not(row[4]); !why.empty()) {
      preview.unable += row[1].integer();
      Unable& such = unable[why];
      such.devices += row[1].integer();
      such.example = such.example.empty() ? row[5].text() : std::min(such.example, row[5].text());
      continue;
    }
    devices[row[0].text()] += row[1].integer();
    preview.there += row[2].integer();
    preview.running += row[3].integer();
  }
  Rollout rollout{.id = "",
                  .order = order,
                  .state = {},
                  .created_by = "",
                  .ended_s = {},
                  .old_version = "",
                  .gate = ""};
  TRY(take_stock(rollout, devices, published));
  preview.matching = rollout.members;
  TRY(check_any(order, preview.matching, preview.brought));
  preview.stages = rollout.plan().stages;
  preview.holds = sizes_of(preview.stages, preview.matching);
  preview.least_s = end_of(rollout, preview.stages, now_s, now_s, Proof::kQuick) - now_s;
  if (rollout.has_statistics())
    preview.least_without_errors_s =
        end_of(rollout, preview.stages, now_s, now_s, Proof::kWithoutErrors) - now_s;
  if (preview.brought > 0)
    preview.notes.push_back(say(preview.brought == 1 ? why::kOneBrought : why::kBrought,
                                {{"devices", preview.brought}}));
  for (const auto& [trouble, such] : unable) {
    if (preview.notes.size() == kMaxUnable) break;
    preview.notes.push_back(
        say(such.devices == 1 ? why::kOneUnable : why::kUnable,
            {{"devices", such.devices}, {"device", such.example}, {"trouble", trouble}}));
  }
  if (preview.matching == 0 && preview.unable == 0) {
    preview.notes.push_back(say(why::kNobodyMatches));
    TRY_VALUE(std::optional<Reason> missing, missing_tag(hub, order.query));
    if (missing) preview.notes.push_back(*std::move(missing));
  }
  for (const std::string& version : {order.version, order.other_version})
    if (!version.empty() && std::ranges::count(published, Row{version}) == 0)
      preview.notes.push_back(
          say(why::kNotPublished, {{"model", order.model}, {"version", version}}));
  if (preview.matching > 0 && !rollout.has_statistics())
    preview.notes.push_back(without_statistics(rollout));
  // By what is counted a wrong model that is as fast, and finds as much, is as good.
  const bool has_shadow = std::ranges::any_of(order.stages, &Stage::is_shadow);
  if (preview.matching > 0 && rollout.has_old && !has_shadow)
    preview.notes.push_back(say(why::kNoShadow));
  if (std::optional<Reason> waits = rollout.waits_for(now_s))
    preview.notes.push_back(*std::move(waits));
  return preview;
}

std::optional<std::int64_t> least_end_s(const Rollout& rollout, std::int64_t now_s) {
  const bool is_on = rollout.state.phase == RolloutPhase::kRunning && rollout.trouble.empty();
  if (!is_on || rollout.members == 0) return std::nullopt;
  const std::vector<Stage> stages = rollout.plan().stages;
  // A stage begins soon after a look is over, and passes as soon after another one.
  const std::int64_t since_s =
      rollout.state.stage_since_s / rollout.order.look_s * rollout.order.look_s;
  return end_of(rollout, std::span(stages).subspan(rollout.state.stage),
                std::max(now_s, rollout.order.not_before_s), since_s, Proof::kNone);
}

}  // namespace polder::hub
