#include "hub/rollouts/preview.h"

#include <algorithm>
#include <map>
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
  // By what they go back to: see member_of() in members.cpp.
  Values all = {order.version,   order.other_version, now_s - kThereS,
                now_s - kThereS, order.version,       order.other_version};
  all.insert(all.end(), values.begin(), values.end());
  TRY_VALUE(
      const Rows rows,
      ask(hub,
          "SELECT COALESCE(w.version, CASE WHEN m.committed IN (?, ?) THEN '' ELSE m.committed "
          "END), COUNT(*), COUNT(CASE WHEN m.is_well = 1 AND (m.seen_s >= ? OR l.seen_s >= ?) THEN "
          "1 END), COUNT(CASE WHEN m.running <> '' AND m.running IN (?, ?) THEN 1 END) FROM "
          "device_model m JOIN device d ON d.id = m.device AND d.revoked_s IS NULL LEFT JOIN "
          "device_link l ON l.device = m.device LEFT JOIN wanted w ON w.device = m.device AND "
          "w.model = m.model WHERE m.model = ?" +
              condition + " GROUP BY 1",
          all));
  RolloutPreview preview;
  std::map<std::string, std::int64_t> devices;
  for (const Row& row : rows) {
    devices[row[0].text()] = row[1].integer();
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
  TRY_VALUE(const Rows published, ask(hub, kPublished, {order.model}));
  TRY(take_stock(rollout, devices, published));
  preview.matching = rollout.members;
  preview.stages = rollout.plan().stages;
  preview.holds = sizes_of(preview.stages, preview.matching);
  for (const Stage& stage : preview.stages) preview.least_s += stage.gate.least_s;
  if (rollout.has_statistics()) preview.least_s += order.history_looks * order.look_s;
  if (preview.matching == 0)
    preview.notes.emplace_back("no device that has the model is of the query");
  for (const std::string& version : {order.version, order.other_version})
    if (!version.empty() && std::ranges::count(published, Row{version}) == 0)
      preview.notes.push_back(fmt::format("{} {} is not published here", order.model, version));
  if (preview.matching > 0 && !rollout.has_statistics())
    preview.notes.emplace_back(without_statistics(rollout));
  if (std::string waits = rollout.waits_for(now_s); !waits.empty())
    preview.notes.push_back(std::move(waits));
  return preview;
}

}  // namespace polder::hub
