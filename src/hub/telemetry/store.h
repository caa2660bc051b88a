// What devices say of themselves, kept: the latest state of each unit, alarms, windows of metrics.
//
//   const Status done = write(hub, [&](Database& database) -> Status {
//     TRY_VALUE(taken, take_checkin(database, device, checkin, now_s));
//     return {};
//   });
//
// Each report counts once, by (device, boot, epoch, sequence), while that is among the last
// kMaxTaken of the device, as many as may wait there. Windows and alarms are kept for kKeptS of the
// device's own time, at most kMaxWindows and kMaxAlarms of each device. Each check-in sweeps one
// device that was not swept for an hour, and its own after kSweptAfter rows: so nothing is ever
// looked through as a whole, and no device has more than that beyond its caps.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <string_view>

#include "hub/store/database.h"
#include "proto/report.h"

namespace polder::hub {

inline constexpr std::int64_t kKeptS = 30 * 86'400;
inline constexpr std::int64_t kMaxWindows = 20'000, kMaxAlarms = 1'000;
inline constexpr std::int64_t kMaxTaken = 4'096;  // kMaxReports of agent/report_ring.h
inline constexpr std::int64_t kSweptAfter = 1'000;

// All of these as parts of a Work; the device is enrolled. Errors: those of tell().

// What the answer to a check-in goes by.
struct TakenCheckin {
  std::int64_t watched_s = 0;     // when somebody last watched the device
  bool is_machine_known = false;  // it need not say again what it is
};
// All that a check-in means; its reports are the device's.
Result<TakenCheckin> take_checkin(Database& database, std::string_view device,
                                  const proto::Checkin& checkin, std::int64_t now_s);

}  // namespace polder::hub
