// For tests of what is said of a device: one that runs people 1.2.0, where 1.3.0 has failed.
#pragma once

#include <cstdint>
#include <string>

#include "agent/config.h"
#include "agent/state.h"

namespace polder::agent {

inline constexpr std::int64_t kNowS = 1'800'000'000;

inline Config config_with(const std::string& more = "") {
  return parse_config("device = \"camera-17\"\nmodels = [\"people\"]\n" + more, "test").value();
}

inline ReleaseId release(const std::string& version) {
  return {"people", trust::Version::parse(version, "test").value(), trust::sha256(version)};
}

inline BadRelease bad_release() {
  return {.release = release("1.3.0"),
          .time_s = 1,
          .reason = "crash loop",
          .settings = config_with().settings_digest("people")};
}

// With nothing that failed.
inline AgentState good_state() {
  AgentState state;
  Unit unit{.active = Slot::kA};
  unit.slots[0] = unit.committed = release("1.2.0");
  unit.highest = unit.committed->version;
  state.units["people"] = unit;
  return state;
}

}  // namespace polder::agent
