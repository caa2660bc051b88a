// Versions of releases: Semantic Versioning 2.0.0, which gives them an order. Build metadata
// ("+...") have none and are refused.
//
//   TRY_VALUE(const Version version, Version::parse("1.4.0-rc.2", "manifest.json: version"));
//   if (version < floor) ...
#pragma once

#include <polder/error.h>

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

namespace polder::trust {

inline constexpr std::size_t kMaxVersionBytes = 64;

struct Version {
  std::uint32_t major = 0, minor = 0, patch = 0;  // at most nine digits each
  std::string pre_release;                        // "rc.2"; empty: a release proper

  // Errors: kCorrupt for what is no such version; `where` says whose it is.
  static Result<Version> parse(std::string_view text, std::string_view where);
  std::string text() const;
  // Precedence, section 11: 1.0.0-alpha < 1.0.0-alpha.1 < 1.0.0-rc.2 < 1.0.0-rc.10 < 1.0.0.
  std::strong_ordering operator<=>(const Version& other) const;
  bool operator==(const Version& other) const = default;
};

}  // namespace polder::trust
