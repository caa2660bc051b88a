// Time zones, by the rules of the system's tzdata.
//
//   const Zone zone("Europe/Amsterdam");
//   TRY(zone.check("body.window.zone"));
//   const std::int64_t local_s = now_s + zone.span_at(now_s).offset_s;
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <span>
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

  // Of tzdata as it was when the program first asked for a zone. What was stored where a zone was
  // known keeps its name where it is not.
  explicit Zone(std::string_view name);

  const std::string& name() const { return name_; }
  bool is_known() const;
  // Errors: those of unknown_zone(), naming `where`.
  Status check(std::string_view where) const;
  // Of one that is known. The rules of tzdata go until 2037; from then on it is winter.
  ZoneSpan span_at(std::int64_t unix_s) const;

 private:
  std::string name_ = "UTC";
  const date::time_zone* rules_ = nullptr;  // lives as long as the program; null: UTC, or unknown
};

// kInvalid, with the one of `known` that was meant; kUnsupported where there are none at all.
Error unknown_zone(std::string_view name, std::string_view where,
                   std::span<const std::string_view> known);

}  // namespace polder::hub
