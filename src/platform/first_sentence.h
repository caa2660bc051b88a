// What a list of commands says of each.
#pragma once

#include <string>
#include <string_view>

namespace polder::command_line {

// The first sentence of a command's summary, without its dot, on one line. A dot within a word, as
// of a file's name, ends none.
std::string first_sentence(std::string_view summary);

}  // namespace polder::command_line
