#include "base/duration.h"

#include <fmt/format.h>

#include <utility>

namespace polder {

std::string duration_text(std::int64_t seconds) {
  constexpr std::int64_t kMinute = 60, kHour = 60 * kMinute, kDay = 24 * kHour;
  const std::int64_t left = seconds >= kHour ? 0 : seconds % kMinute;
  std::string text;
  for (const auto& [count, unit] :
       {std::pair(seconds / kDay, "d"), std::pair(seconds % kDay / kHour, "h"),
        std::pair(seconds % kHour / kMinute, "min"), std::pair(left, "s")})
    if (count > 0) text += fmt::format("{}{} {}", text.empty() ? "" : " ", count, unit);
  return text.empty() ? "0 s" : text;
}

}  // namespace polder
