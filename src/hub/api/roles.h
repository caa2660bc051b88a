// What people may do at a hub: each may do what those before it may.
#pragma once

#include <array>
#include <string_view>

namespace polder::hub {

inline constexpr std::array<std::string_view, 4> kRoles = {"viewer", "operator", "releaser",
                                                           "admin"};

}  // namespace polder::hub
