#include "hub/rollouts/window.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include "base/fail.h"
#include "base/text.h"
#include "trust/tuf_metadata.h"

namespace polder::hub {
namespace {

constexpr std::int64_t kMinuteS = 60, kDayS = 86'400, kWeekDays = 7;
constexpr int kDayMin = 1440;
constexpr std::int64_t kThursday = 3;  // of 1970-01-01
constexpr std::array<std::string_view, kWeekDays> kDays = {"mon", "tue", "wed", "thu",
                                                           "fri", "sat", "sun"};
constexpr std::array<std::string_view, kWeekDays> kShown = {"Mon", "Tue", "Wed", "Thu",
                                                            "Fri", "Sat", "Sun"};

// Of local days since 1970.
bool is_of(const DayWindow& window, std::int64_t day) {
  const std::int64_t weekday = ((day + kThursday) % kWeekDays + kWeekDays) % kWeekDays;
  return (window.days >> weekday & 1U) != 0;
}

std::int64_t day_of(std::int64_t local_s) {
  return local_s / kDayS - (local_s % kDayS < 0 ? 1 : 0);
}

std::string time_text(int minutes) {
  return fmt::format("{:02}:{:02}", minutes / 60, minutes % 60);
}

// "Mon-Fri", "Sat, Sun" as "Sat,Sun", "Fri-Mon": days in a row, also over the end of the week.
std::string days_text(unsigned days) {
  const auto is_in = [&](std::size_t day) { return (days >> day % kWeekDays & 1U) != 0; };
  std::size_t first = 0;
  while (is_in(first + kWeekDays - 1) && first < kWeekDays) ++first;
  std::string text;
  for (std::size_t day = first; day < first + kWeekDays; ++day) {
    if (!is_in(day)) continue;
    std::size_t last = day;
    while (last + 1 < first + kWeekDays && is_in(last + 1)) ++last;
    text += text.empty() ? "" : ",";
    text += kShown[day % kWeekDays];
    if (last > day) text += (last > day + 1 ? "-" : ",") + std::string(kShown[last % kWeekDays]);
    day = last;
  }
  return text;
}

Result<int> read_time(const trust::Object& from, std::string_view name, bool may_be_midnight) {
  TRY_VALUE(const std::string text, from.text(name));
  const auto digit = [&](std::size_t at) { return text[at] >= '0' && text[at] <= '9'; };
  if (text.size() == 5 && digit(0) && digit(1) && text[2] == ':' && digit(3) && digit(4)) {
    const int hours = (text[0] - '0') * 10 + text[1] - '0';
    const int minutes = (text[3] - '0') * 10 + text[4] - '0';
    if (hours < 24 && minutes < 60) return hours * 60 + minutes;
    if (may_be_midnight && hours == 24 && minutes == 0) return kDayMin;
  }
  return fail(Code::kInvalid, "{}: a time of the day expected, such as 22:00; '{}' found",
              from.place(name), clipped(text));
}

Result<unsigned> read_days(const trust::Object& from) {
  if (!from.has("days")) return kEachDay;
  TRY_VALUE(const std::vector<std::string> names, from.texts("days", kDays.size()));
  unsigned days = 0;
  for (const std::string& name : names) {
    const auto day = std::ranges::find(kDays, name);
    if (day == kDays.end())
      return fail(Code::kInvalid, "{}: '{}' is none of: {}", from.place("days"), clipped(name),
                  fmt::join(kDays, ", "));
    const unsigned bit = 1U << (day - kDays.begin());
    if ((days & bit) != 0)
      return fail(Code::kInvalid, "{}: '{}' is there twice", from.place("days"), name);
    days |= bit;
  }
  if (days != 0) return days;
  return fail(Code::kInvalid, "{}: it is empty: leave it out for each day", from.place("days"));
}

trust::Json::Array names_of(unsigned days) {
  trust::Json::Array names;
  for (std::size_t day = 0; day < kDays.size(); ++day)
    if ((days >> day & 1U) != 0) names.emplace_back(kDays[day]);
  return names;
}

}  // namespace

bool DayWindow::holds(std::int64_t now_s) const {
  if (!zone.is_known()) return false;
  const std::int64_t local_s = now_s + zone.span_at(now_s).offset_s;
  const std::int64_t day = day_of(local_s);
  const std::int64_t minute = (local_s - day * kDayS) / kMinuteS;
  if (from_min < to_min) return is_of(*this, day) && minute >= from_min && minute < to_min;
  return (is_of(*this, day) && minute >= from_min) || (is_of(*this, day - 1) && minute < to_min);
}

std::optional<std::int64_t> DayWindow::opens_s(std::int64_t now_s) const {
  if (!zone.is_known()) return {};
  // From one beginning to the next; where clocks are put forward or back before that, only to
  // there, as they may show then what is in the midst of it.
  while (!holds(now_s)) {
    const ZoneSpan span = zone.span_at(now_s);
    const std::int64_t local_s = now_s + span.offset_s;
    std::int64_t day = day_of(local_s);
    while (!is_of(*this, day) || day * kDayS + from_min * kMinuteS <= local_s) ++day;
    now_s = std::min(day * kDayS + from_min * kMinuteS - span.offset_s, span.until_s);
  }
  return now_s;
}

std::string DayWindow::text() const {
  return fmt::format("{}{}{}-{} {}", days == kEachDay ? "" : days_text(days),
                     days == kEachDay ? "" : " ", time_text(from_min), time_text(to_min),
                     zone.name());
}

Result<DayWindow> read_window(const trust::Object& from) {
  TRY(from.only({"days", "from", "to", "zone"}));
  DayWindow window;
  TRY_VALUE(window.days, read_days(from));
  TRY_VALUE(window.from_min, read_time(from, "from", false));
  TRY_VALUE(window.to_min, read_time(from, "to", true));
  if (window.from_min == window.to_min)
    return fail(Code::kInvalid,
                "{}: it is empty: leave it out for all day, or say 00:00 to 24:00 of some days",
                from.where());
  if (from.has("zone")) {
    TRY_VALUE(const std::string zone, from.text("zone"));
    window.zone = Zone(zone);
  }
  return window;
}

trust::Json json_of(const DayWindow& window) {
  trust::Json::Members members{{"from", time_text(window.from_min)},
                               {"to", time_text(window.to_min)}};
  if (window.days != kEachDay) members.emplace("days", names_of(window.days));
  if (window.zone.name() != Zone().name()) members.emplace("zone", window.zone.name());
  return members;
}

trust::Json shown(const DayWindow& window, std::int64_t now_s) {
  const bool is_open = window.holds(now_s);
  const std::optional<std::int64_t> opens_s = window.opens_s(now_s);
  return trust::Json::Members{
      {"days", names_of(window.days)},
      {"from", time_text(window.from_min)},
      {"to", time_text(window.to_min)},
      {"zone", window.zone.name()},
      {"text", window.text()},
      {"open", is_open},
      {"opens", is_open || !opens_s ? trust::Json() : trust::tuf::time_text(*opens_s)}};
}

}  // namespace polder::hub
