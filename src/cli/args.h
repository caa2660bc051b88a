// The commands of polder: their tables of options, and the help and completion that come from them.
#pragma once

#include <polder/error.h>

#include <span>
#include <string>
#include <string_view>

#include "platform/command_line.h"

namespace polder::cli {

using command_line::Args;
using command_line::Check;
using command_line::check_one_of;
using command_line::check_real;
using command_line::check_whole;
using command_line::is_output;
using command_line::json_of_environment;
using command_line::one_of;
using command_line::Option;
using command_line::options_help;
using command_line::real;
using command_line::whole;
using command_line::Words;
using command_line::words_of;

// A sub-command: polder VERB, or polder NOUN VERB.
struct Command {
  std::string_view name;       // "inspect", or "keys create" of the noun "keys"
  std::string_view summary;    // its first sentence is what the list of commands shows
  std::string_view arguments;  // "MODEL [PLAN]"
  std::string_view example;    // one or more lines
  std::span<const Option> options;
  int min_positional = 0, max_positional = 0;
  // Prints its result on stdout and returns the exit status; an error is printed by the caller,
  // which then returns 1. What is wrong before any file is read is usage: the options' checks.
  Result<int> (*run)(const Args& args) = nullptr;
  Words last = {};  // what its last argument is one of; empty: any text
};

// What several commands are about: those whose names begin with it and a space.
struct Noun {
  std::string_view name;     // "keys"
  std::string_view summary;  // one sentence
};

// All commands and nouns, in the order of the help.
std::span<const Command* const> commands();
std::span<const Noun> nouns();
std::string help_of(const Command& command);
// Its commands, one a line.
std::string help_of(const Noun& noun);
// Tells of wrong usage of a command; returns the exit status.
int wrong_usage(const Command& command, const Error& error, bool json);
// Runs `polder ARGV...`; returns the exit status: 0 done, 1 failed, 2 usage.
int main_of(int argc, char** argv);

}  // namespace polder::cli
