// What canaries and controls have counted, look by look, and what that says of a release.
//
// Counts are added to the look in which they arrive. When a look is over they are given to the
// comparisons (hub/canary.h), whose state is kept, and are deleted, in the transaction that judges
// the gate: a hub that is killed finds both or neither.
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

namespace polder::hub {

// All of these are parts of a Work. Errors: those of ask(); kCorrupt.

// `number`: of the device; `arm`: 0 for the old release.
Status add_counts(Database& database, std::string_view rollout, std::int64_t look,
                  std::int64_t number, int arm, std::span<const MeasureCounts> counts);

struct Evidence {
  std::vector<MeasureState> measures;  // of the stage: of shadows where there are any
  std::int64_t looks = 0;              // since the last time
};
// Takes in the looks that are over.
Result<Evidence> take_looks(Database& database, const Rollout& rollout, std::int64_t now_s);

// By number, of devices with a history: how many times as often as others each failed by the old
// release, in the measure in which it failed least.
Result<std::map<std::int64_t, double>> own_ratios(Database& database, const Rollout& rollout);

trust::Json::Array json_of(std::span<const MeasureState> measures);

}  // namespace polder::hub
