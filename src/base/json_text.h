// Text as a JSON string.
#pragma once

#include <string>
#include <string_view>

namespace polder {

// `text` in quotes, escaped. '<' is escaped as well, so that the result may stand in an HTML
// script, and so are all control characters, so that a terminal may show it; bytes that are not
// UTF-8 become U+FFFD.
std::string json_quote(std::string_view text);

}  // namespace polder
