#include "base/json_text.h"

#include <fmt/format.h>

#include "base/text.h"

namespace polder {

std::string json_quote(std::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    const std::string_view sequence = text.substr(0, length);
    const char c = text[0];
    if (length == 0) out += "\\ufffd";
    else if (c == '"' || c == '\\') (out += '\\') += c;
    else if (c == '\n') out += "\\n";
    else if (c == '<' || is_control(code_point(sequence)))
      out += fmt::format("\\u{:04x}", code_point(sequence));
    else out += sequence;
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return out + '"';
}

}  // namespace polder
