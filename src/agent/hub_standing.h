// How a device stands with its hub, for people.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace polder::agent {

enum class HubState : std::uint8_t {
  kNone,  // there is no hub, or it was not asked yet
  kNotEnrolled,
  kEnrolled,
  kRefused,  // it was enrolled, and the hub does not take its certificate
  kAway,     // the hub does not answer, or not as a hub
};
std::string_view hub_state_name(HubState state);  // "not enrolled"
std::optional<HubState> hub_state_from_name(std::string_view name);

struct HubStanding {
  HubState state = HubState::kNone;
  std::int64_t certificate_until_s = 0;  // 0: there is none
  std::int64_t checked_in_s = 0;         // when the hub last took what it was told; 0: not yet
  std::string trouble, advice;           // empty: all is well
  bool operator==(const HubStanding&) const = default;
};

}  // namespace polder::agent
