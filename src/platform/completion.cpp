#include "platform/completion.h"

#include <fmt/format.h>

#include <map>

namespace polder::command_line {

namespace {

// One branch of the shell's case: the options of a command.
std::string options_case(const CommandWords& command) {
  std::string options = "--help";
  for (const Option& option : command.options) options += fmt::format(" {}", option.name);
  return fmt::format("    \"{}\") words=\"{}\" ;;\n", command.name, options);
}

}  // namespace

std::string bash_completion(std::string_view program, std::span<const CommandWords> commands) {
  std::string names, cases, verb_cases;
  std::map<std::string_view, std::string> verbs;  // of the word in front that they share
  for (const CommandWords& command : commands) {
    cases += options_case(command);
    const std::size_t space = command.name.find(' ');
    const std::string_view first = command.name.substr(0, space);
    if (space == first.npos || !verbs.contains(first)) names += fmt::format("{} ", first);
    if (space != first.npos) verbs[first] += fmt::format("{} ", command.name.substr(space + 1));
  }
  for (const auto& [noun, own] : verbs)
    verb_cases += fmt::format("    {}) verbs=\"{}--help\" ;;\n", noun, own);
  return fmt::format(
      "_{0}() {{\n"
      "  local words verbs command=${{COMP_WORDS[1]}} word=${{COMP_WORDS[COMP_CWORD]}}\n"
      "  if [ \"$COMP_CWORD\" = 1 ]; then\n"
      "    COMPREPLY=($(compgen -W \"{1}--help --version\" -- \"$word\")); return\n  fi\n"
      "  case $command in\n{2}  esac\n"
      "  if [ -n \"$verbs\" ]; then\n"
      "    if [ \"$COMP_CWORD\" = 2 ]; then\n"
      "      COMPREPLY=($(compgen -W \"$verbs\" -- \"$word\")); return\n    fi\n"
      "    command=\"$command ${{COMP_WORDS[2]}}\"\n  fi\n"
      "  case $command in\n{3}  esac\n"
      "  case $word in\n    -*) COMPREPLY=($(compgen -W \"$words\" -- \"$word\")) ;;\n"
      "    *) COMPREPLY=($(compgen -f -- \"$word\")) ;;\n  esac\n}}\ncomplete -o filenames -F "
      "_{0} {0}\n",
      program, names, verb_cases, cases);
}

}  // namespace polder::command_line
