// The adapter of Howard Hinnant's date library, which throws.
#include "hub/zones.h"

#include <date/tz.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <limits>
#include <vector>

#include "base/fail.h"
#include "base/text.h"

namespace polder::hub {
namespace {

constexpr std::string_view kUtc = "UTC";
// What /etc/localtime is here, and something else on another hub.
constexpr std::string_view kMachines = "localtime";

std::string lowered(std::string_view text) {
  std::string lower(text);
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  std::ranges::replace(lower, ' ', '_');
  return lower;
}

std::string_view city_of(std::string_view zone) { return zone.substr(zone.rfind('/') + 1); }

std::vector<std::string_view> known_names() {
  std::vector<std::string_view> names;
  for (const date::time_zone& zone : date::get_tzdb().zones)
    if (zone.name() != kMachines) names.emplace_back(zone.name());
  return names;
}

// "Europe/Amsterdam" for "europe/amsterdam", "Amsterdam", "Europe/Amsterdm" and "Amsterdm".
std::string nearest_zone(std::string_view name, std::span<const std::string_view> names) {
  const std::string meant = lowered(name);
  for (const std::string_view known : names)
    if (lowered(known) == meant) return std::string(known);
  for (const std::string_view known : names)
    if (lowered(city_of(known)) == meant) return std::string(known);
  const std::string_view near = nearest_name(name, names);
  if (!near.empty()) return std::string(near);
  std::vector<std::string_view> cities;
  for (const std::string_view known : names) cities.push_back(city_of(known));
  const std::string_view city = nearest_name(city_of(name), cities);
  const auto found = std::ranges::find(cities, city);
  return found == cities.end() ? "" : std::string(names[std::size_t(found - cities.begin())]);
}

// Null where there is no such zone. Throws what the library throws of files that it cannot read.
const date::time_zone* rules_of(std::string_view name) {
  const auto& known = date::get_tzdb().zones;
  const auto found = std::ranges::find(known, name, &date::time_zone::name);
  if (found == known.end() || name == kMachines) return nullptr;
  // Its file is read now: nothing of it throws later.
  static_cast<void>(found->get_info(date::sys_seconds{}));
  return &*found;
}

Error unreadable(std::string_view where, std::string_view why) {
  return fail(Code::kUnsupported,
              "{}: this hub has no time zones ({}): install the package tzdata there and restart "
              "the hub; UTC needs none",
              where, one_line(why));
}

}  // namespace

Error unknown_zone(std::string_view name, std::string_view where,
                   std::span<const std::string_view> known) {
  if (known.empty()) return unreadable(where, "its tzdata is empty");
  const std::string near = nearest_zone(name, known);
  return fail(Code::kInvalid, "{}: there is no time zone '{}'{}", where, clipped(name),
              near.empty() ? std::string(": a name such as Europe/Amsterdam or UTC expected")
                           : fmt::format("; did you mean '{}'?", near));
}

Zone::Zone(std::string_view name) : name_(name) {
  if (name == kUtc) return;
  try {
    rules_ = rules_of(name);
  } catch (const std::exception&) {  // check() says what of it
    rules_ = nullptr;
  }
}

bool Zone::is_known() const { return rules_ != nullptr || name_ == kUtc; }

Status Zone::check(std::string_view where) const {
  if (is_known()) return {};
  try {
    static_cast<void>(rules_of(name_));
    return unknown_zone(name_, where, known_names());
  } catch (const std::exception& error) {
    return unreadable(where, error.what());
  }
}

ZoneSpan Zone::span_at(std::int64_t unix_s) const {
  if (rules_ == nullptr) return {.until_s = std::numeric_limits<std::int64_t>::max()};
  const date::sys_info info = rules_->get_info(date::sys_seconds(std::chrono::seconds(unix_s)));
  return {.until_s = info.end.time_since_epoch().count(), .offset_s = info.offset.count()};
}

}  // namespace polder::hub
