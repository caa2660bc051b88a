// What somebody asks of a rollout: a release, for which devices, in which stages, when.
//
//   {"model":"people","version":"1.3.0","query":"site=ams",
//    "stages":[{"devices":1,"shadow":true},{"devices":1,"least_minutes":60},{"percent":100}],
//    "window":{"days":["mon","tue"],"from":"22:00","to":"06:00","zone":"Europe/Amsterdam"},
//    "not_before":"2026-12-01T00:00:00Z"}
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hub/reason.h"
#include "hub/rollout.h"
#include "hub/rollouts/window.h"
#include "hub/tags.h"
#include "proto/report.h"
#include "trust/json.h"

namespace polder::hub {

// In a look each device has told once what it has counted.
inline constexpr std::int64_t kLookS = proto::kReportEveryS, kMaxLookS = 3600, kHistoryLooks = 96,
                              kMaxHistoryLooks = 10'000;
// With a hard failure, that a stage may allow for.
inline constexpr std::int64_t kMaxFailures = 1000;

struct RolloutOrder {
  std::string model, version;
  std::string other_version;          // of half of the devices, by a hash; empty: all get `version`
  Tags query;                         // empty: every device that has the model
  std::string strata;                 // a tag: devices are compared within each of its values
  std::vector<Stage> stages;          // a margin and failures of 0 are the usual ones
  std::vector<std::string> measures;  // of measures.h, those that the gate looks at
  std::int64_t look_s = kLookS;
  // Looks at the old release before a device acts by the new one: what a device is by itself is
  // known by them.
  std::int64_t history_looks = kHistoryLooks;
  std::optional<DayWindow> window;  // when devices may be told to change
  std::int64_t not_before_s = 0;
  // Devices take part too whose release of before the hub does not have: an end before its time
  // leaves them with what they run.
  bool is_one_way = false;
  // It may begin before its releases are published, and waits for that.
  bool may_be_unpublished = false;

  // Why no device may be told to change now; nothing: it may.
  std::optional<Reason> waits_for(std::int64_t now_s) const;
  // Why it may never, as things are with the hub, and what to do; empty: it may.
  std::string trouble() const;
};

// Strictly, but for a zone of its window, which the hub may have known when it took the order; what
// is not there is as usual. Errors: kInvalid and kCorrupt, naming the member.
Result<RolloutOrder> read_order(const trust::Json& json, const std::string& where);
// What read_order() reads.
trust::Json::Members json_of(const Stage& stage);
trust::Json::Members json_of(const RolloutOrder& order);

}  // namespace polder::hub
