// What a publication is for, in a line, such as "withdraws people 2.0.0; raises the floor of people
// to 1.3.0": of what is published and what is proposed alone. Whoever approves it reads no words of
// who asked: names that are any text (roles, paths) stand in quotation marks, and are short.
#pragma once

#include <string>
#include <string_view>

#include "hub/repository/online_repository.h"

namespace polder::hub {

// `own_key_id`: of the hub's key. At most 1,000 bytes: what a device trusts comes first, and what
// there is no room for is counted.
std::string title_of(const Proposal& proposal, std::string_view own_key_id);

// The hub makes those anew, of hash bins too.
bool is_of_assignments(std::string_view role);

}  // namespace polder::hub
