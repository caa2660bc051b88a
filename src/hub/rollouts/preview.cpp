#include "hub/rollouts/preview.h"

#include <algorithm>
#include <span>

#include "base/fail.h"
#include "hub/rollouts/members.h"

namespace polder::hub {
namespace {

constexpr std::int64_t kAll = 1000;

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

Status note_unpublished(const Hub& hub, const RolloutOrder& order,
                        std::vector<std::string>& notes) {
  for (const std::string& version : {order.version, order.other_version}) {
    if (version.empty()) continue;
    TRY_VALUE(const Rows rows, ask(hub,
                                   "SELECT 1 FROM model_release WHERE model = ? AND version = ? "
                                   "AND state = 'published'",
                                   {order.model, version}));
    if (rows.empty())
      notes.push_back(fmt::format("{} {} is not published here", order.model, version));
  }
  return {};
}

}  // namespace

Result<RolloutPreview> preview_rollout(const Hub& hub, const RolloutOrder& order,
                                       std::int64_t now_s) {
  Values values = {order.model};
  const std::string condition = query_condition(order.query, "m.device", values);
  TRY_VALUE(const Rows others,
            ask(hub,
                "SELECT o.rollout, m.device FROM device_model m JOIN rollout_device o ON "
                "o.device = m.device AND o.active_model = m.model WHERE m.model = ?" +
                    condition + " LIMIT 1",
                values));
  if (!others.empty()) return part_of_another(others[0][1].text(), others[0][0].text());
  Values all = {now_s - kThereS, now_s - kThereS, order.version, order.other_version};
  all.insert(all.end(), values.begin(), values.end());
  TRY_VALUE(const Rows rows,
            ask(hub,
                "SELECT COUNT(*), COUNT(CASE WHEN m.is_well = 1 AND (m.seen_s >= ? OR l.seen_s >= "
                "?) THEN 1 END), COUNT(CASE WHEN m.running <> '' AND m.running IN (?, ?) THEN 1 "
                "END) FROM device_model m JOIN device d ON d.id = m.device AND d.revoked_s IS NULL "
                "LEFT JOIN device_link l ON l.device = m.device WHERE m.model = ?" +
                    condition,
                all));
  RolloutPreview preview{.matching = rows[0][0].integer(),
                         .there = rows[0][1].integer(),
                         .running = rows[0][2].integer(),
                         .stages = {},
                         .holds = {},
                         .notes = {}};
  TRY(check_shadows({.id = "", .stages = order.stages}, preview.matching));
  Rollout rollout{.id = "",
                  .order = order,
                  .state = {},
                  .created_by = "",
                  .ended_s = {},
                  .old_version = "",
                  .members = preview.matching,
                  .gate = ""};
  preview.stages = rollout.plan().stages;
  preview.holds = sizes_of(preview.stages, preview.matching);
  if (preview.matching == 0)
    preview.notes.emplace_back("no device that has the model is of the query");
  TRY(note_unpublished(hub, order, preview.notes));
  if (std::string waits = order.waits_for(now_s); !waits.empty())
    preview.notes.push_back(std::move(waits));
  return preview;
}

}  // namespace polder::hub
