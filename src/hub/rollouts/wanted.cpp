#include "hub/rollouts/wanted.h"

#include "base/fail.h"
#include "hub/store/ask.h"

namespace polder::hub {

Status want(Database& database, const Rollout& rollout, Wanted wanted, std::string_view condition,
            const Values& values, std::int64_t now_s) {
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
  Values again = {now_s, what, rollout.id, what};
  again.insert(again.end(), values.begin(), values.end());
  return tell(database,
              fmt::format("UPDATE rollout_device SET told_s = CASE WHEN wanted = 0 THEN CAST(? AS "
                          "BIGINT) ELSE told_s END, wanted = ? WHERE rollout = ? AND wanted <> ? "
                          "AND ({})",
                          condition),
              again);
}

Status want_first(Database& database, std::string_view device, const Release& release) {
  return tell(database,
              "INSERT INTO wanted (device, model, version, shadow, retry, changed) SELECT "
              "CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT), 0, CAST(? AS BIGINT), "
              "COALESCE(MAX(changed), 0) + 1 FROM wanted WHERE 1 = 1 "
              "ON CONFLICT (device, model) DO UPDATE SET version = excluded.version, "
              "changed = excluded.changed WHERE wanted.version = ''",
              {device, release.model, release.version, release.retry});
}

}  // namespace polder::hub
