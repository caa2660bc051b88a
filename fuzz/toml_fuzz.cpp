// TOML text and option checks on any bytes: a result or an error, never a crash.
#include <cstddef>
#include <cstdint>

#include "base/toml.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static constexpr polder::Option kOptions[] = {
      {.name = "threshold",
       .type = polder::OptionType::kFloat,
       .fallback = "0.4",
       .min = 0,
       .max = 1},
      {.name = "labels", .type = polder::OptionType::kStrings},
      {.name = "polygon", .type = polder::OptionType::kPoints},
      {.name = "count", .type = polder::OptionType::kInteger, .min = 1, .max = 9},
      {.name = "policy", .type = polder::OptionType::kString, .choices = "block|latest"},
  };
  const auto parsed = polder::parse_toml({reinterpret_cast<const char*>(data), size}, "fuzz.toml");
  if (!parsed.ok()) return 0;
  const auto settings = polder::Settings::check(*parsed, kOptions, "fuzz.toml", "[fuzz]");
  if (settings.ok() && settings->has("polygon")) (void)settings->points("polygon");
  return 0;
}
