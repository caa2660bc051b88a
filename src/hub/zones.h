// Time zones, by the rules of the system's tzdata.
//
//   TRY_VALUE(const Zone zone, Zone::named("Europe/Amsterdam", "body.window.zone"));
//   const std::int64_t local_s = now_s + zone.span_at(now_s).offset_s;
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace date {
class time_zone;
}

namespace polder::hub {

// A time in which clocks are put neither forward nor back.
struct ZoneSpan {
  std::int64_t until_s = 0;   // of Unix time, the first second after it
  std::int64_t offset_s = 0;  // what clocks show, less UTC
};

class Zone {
 public:
  Zone() = default;  // UTC, for which no tzdata is needed

  // Of tzdata as it was when the program first asked for a zone. Errors name `where`: kInvalid for
  // an unknown name, with the one that was meant; kUnsupported where tzdata is not installed.
  static Result<Zone> named(std::string_view name, std::string_view where);

  std::string name() const;
  // Those of tzdata go until 2037; from then on it is winter.
  ZoneSpan span_at(std::int64_t unix_s) const;

 private:
  const date::time_zone* rules_ = nullptr;  // lives as long as the program; null: UTC
};

}  // namespace polder::hub
