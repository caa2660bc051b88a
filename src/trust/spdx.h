// Licences as SPDX expressions ("Apache-2.0", "MIT OR (GPL-3.0-only WITH
// Classpath-exception-2.0)").
#pragma once

#include <polder/error.h>

#include <string_view>

namespace polder::trust {

inline constexpr std::size_t kMaxLicenceBytes = 512;

// Whether `text` is an expression by SPDX 2.3's grammar (annex D). Which identifiers are on SPDX's
// list is not looked at: the list grows. Errors: kCorrupt, saying what was expected where.
Status check_spdx(std::string_view text, std::string_view where);

// Whether it is one identifier alone.
bool is_spdx_id(std::string_view text);

}  // namespace polder::trust
