// What a request is for: the path and the query of its target, read strictly.
//
//   TRY_VALUE(const Target target, Target::parse("/v1/devices?limit=10"));
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace polder::hub {

struct Target {
  std::vector<std::string> path;  // "v1", "devices"; decoded
  std::map<std::string, std::string, std::less<>> query;

  // Errors: kInvalid for what does not begin with '/', is above 2,048 bytes, has a wrong escape,
  // an empty part, a character that is not printable ASCII, or a name twice.
  static Result<Target> parse(std::string_view text);
  // Errors: kInvalid for a name of the query that is not among these, with the nearest.
  Status only(std::initializer_list<std::string_view> names) const;
  // Errors: kInvalid.
  Result<std::int64_t> integer(std::string_view name, std::int64_t min, std::int64_t max,
                               std::int64_t fallback) const;
  // A time such as 2026-11-28T18:41:40Z, in seconds since 1970. Errors: kInvalid.
  Result<std::int64_t> time(std::string_view name, std::int64_t fallback) const;
  std::string text(std::string_view name) const;  // empty: it is not there
};

}  // namespace polder::hub
