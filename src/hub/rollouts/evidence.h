// What canaries and controls have counted, look by look, and what that says of a release.
//
// Looks are stretches of time of equal length, by the clock. Counts are added to the look in which
// they were made: devices of a site, which see the same at the same time, are compared with each
// other. A look is taken when the next is over, and all had time to tell: its counts are given to
// the comparisons (hub/canary.h), whose state is kept, and are deleted, in the transaction that
// judges the gate: a hub that is killed finds both or neither. What comes later counts in the next.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hub/rollouts/measures.h"
#include "hub/rollouts/row.h"
#include "hub/rollouts/silence.h"

namespace polder::hub {

// The look, of so many seconds, for what was counted then and is told now.
std::int64_t look_of(std::int64_t counted_s, std::int64_t look_s, std::int64_t now_s);

// The share of looks in which a device's worker may end.
double errors_limit(const GateRules& rules, std::int64_t look_s);

// All of these are parts of a Work. Errors: those of ask(); kCorrupt.

// `number`: of the device; `arm`: 0 for the old release.
Status add_counts(Database& database, std::string_view rollout, std::int64_t look,
                  std::int64_t number, int arm, std::span<const MeasureCounts> counts);

struct Evidence {
  std::vector<MeasureState> measures;  // of the stage: of shadows where there are any
  std::int64_t looks = 0;              // since the last time
  Heard heard;                         // in the last of these
};
// Takes in the looks for which all had time to tell.
Result<Evidence> take_looks(Database& database, const Rollout& rollout, std::int64_t now_s);

// By number, of devices with a history: how many times as often as others each failed by the old
// release, in the measure in which it failed least.
Result<std::map<std::int64_t, double>> own_ratios(Database& database, const Rollout& rollout);

trust::Json::Array json_of(std::span<const MeasureState> measures);

}  // namespace polder::hub
