// Completion of a program's command line in a shell, from the tables of its commands.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "platform/command_line.h"

namespace polder::command_line {

struct CommandWords {
  std::string_view name;  // "inspect", or "keys create" with a word in front that others share
  std::span<const Option> options;
  Words last;  // what its last argument may be; none: a file, as far as a shell knows
};

// A script for bash (and zsh's bashcompinit): commands, options, their values, else files.
std::string bash_completion(std::string_view program, std::span<const CommandWords> commands);

}  // namespace polder::command_line
