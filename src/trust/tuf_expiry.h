// Roles of a repository that expire soon, and what renews them: who hears of it in time needs no
// night shift.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "trust/json.h"
#include "trust/tuf_repository.h"

namespace polder::trust::tuf {

// "snapshot" and "timestamp".
bool is_made_by_publishing(std::string_view role);

struct Expiring {
  std::string role;  // the one whose hash bins it may be, too
  std::int64_t expires_s = 0, left_s = 0;
  std::string renewal;  // the command
};

// Of roles with their expiry: root, targets and what they delegate to within 30 days, snapshot and
// timestamp when less than a third of their period is left, which the profile says; of shorter
// periods all within their last third. `folder`: for the commands.
std::vector<Expiring> expiring(const std::map<std::string, std::int64_t>& roles,
                               const Profile& profile, const std::string& folder,
                               std::int64_t now_s);
// Each role with the earliest expiry of it and its hash bins.
template <class Roles>
std::map<std::string, std::int64_t> expiry_of(const Roles& roles);

Json expiring_json(const std::vector<Expiring>& roles);

template <class Roles>
std::map<std::string, std::int64_t> expiry_of(const Roles& roles) {
  std::map<std::string, std::int64_t> result;
  for (const auto& role : roles) {
    const std::string family = role.role.substr(0, role.role.find(".bin-"));
    const auto [there, is_new] = result.try_emplace(family, role.expires_s);
    if (!is_new && role.expires_s < there->second) there->second = role.expires_s;
  }
  return result;
}

}  // namespace polder::trust::tuf
