// Floors: the lowest version of each model that a device still installs, as after a release that
// does harm. The target floors.json of a repository, signed by the top level's targets role alone.
//
//   TRY_VALUE(const Floors floors, Floors::parse(bytes, "floors.json"));
//   if (!floors.allows("people", version)) ...
//
//   {"format": 1, "floors": {"people": "1.2.0"}}
//
// Floors only rise: a device keeps the highest that it has seen.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "trust/json.h"
#include "trust/version.h"

namespace polder::trust {

inline constexpr std::int64_t kFloorsFormat = 1;
inline constexpr std::string_view kFloorsTarget = "floors.json";
inline constexpr std::size_t kMaxFloors = 1024;
inline constexpr std::size_t kMaxFloorsBytes = 512u << 10;

struct Floors {
  std::map<std::string, Version> floors;  // by model

  // Errors: kCorrupt, saying where what was expected; kIncompatible for another format;
  // kExhausted above a cap.
  static Result<Floors> parse(std::string_view bytes, std::string_view where);
  Json to_json() const;
  // The file's bytes: the same for equal floors.
  std::string bytes() const { return to_json().pretty(); }

  // Whether that version is not below the model's floor; what has none is allowed.
  bool allows(const std::string& model, const Version& version) const;
  // Sets a floor; the same again changes nothing. Errors: kInvalid for what is no model's name;
  // kDenied below the floor that there is; kExhausted above kMaxFloors.
  Status raise(const std::string& model, const Version& version);

  bool operator==(const Floors&) const = default;
};

}  // namespace polder::trust
