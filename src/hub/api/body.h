// What the bodies of several routes have.
#pragma once

#include <string>

#include "hub/api/router.h"

namespace polder::hub {

// Its "reason", the only member, in one line. Errors: kInvalid, where there is none too.
Result<std::string> reason_of(const Call& call);

}  // namespace polder::hub
