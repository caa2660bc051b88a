// Licences of a release that SPDX does not know: mostly typing errors, which nobody finds later.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace polder::cli {

// A warning for each identifier of an SPDX expression that is not on SPDX's list 3.25, with the
// nearest that is. The list grows, so that is no error; LicenseRef-... is anybody's own.
std::vector<std::string> unknown_licences(std::string_view expression);

}  // namespace polder::cli
