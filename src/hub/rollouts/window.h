// When devices may be told to change: hours of days of the week, by the clocks of a time zone.
//
//   {"days":["mon","tue","wed","thu","fri"],"from":"01:00","to":"05:00","zone":"Europe/Amsterdam"}
//
// Without `days` it is each day, without `zone` UTC.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <optional>
#include <string>

#include "hub/zones.h"
#include "trust/json.h"

namespace polder::hub {

inline constexpr unsigned kEachDay = 0x7f;

// It is open when a clock on a wall there says so: an hour that is skipped in spring is never
// shown, and one that is shown twice in autumn counts both times. Over midnight where `to` is not
// after `from`: then the day is the one on which it begins.
struct DayWindow {
  unsigned days = kEachDay;         // a bit for each, the lowest for Monday
  int from_min = 0, to_min = 1440;  // of the day
  Zone zone;

  // Never, by the clocks of a zone that the hub does not know.
  bool holds(std::int64_t now_s) const;
  // The first second from `now_s` on in which it holds.
  std::optional<std::int64_t> opens_s(std::int64_t now_s) const;
  std::string text() const;  // as `--window` takes it: "Mon-Fri 01:00-05:00 Europe/Amsterdam"
};

// Strictly, but for its zone, which Zone::check() asks about. Errors: kInvalid and kCorrupt, naming
// the member.
Result<DayWindow> read_window(const trust::Object& from);
// What read_window() reads, as short as it can be said.
trust::Json json_of(const DayWindow& window);
// All of its members, with its text, whether it is open, and in `opens` when it opens next: null
// while it is open, and where that will not be.
trust::Json shown(const DayWindow& window, std::int64_t now_s);

}  // namespace polder::hub
