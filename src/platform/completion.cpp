#include "platform/completion.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>

namespace polder::command_line {

namespace {

// For the shell: words, each on a line, as some are of several.
std::string lines_of(Words words) { return fmt::format("$'{}'", fmt::join(words, "\\n")); }

// One branch of the shell's case: the options of a command.
std::string options_case(const CommandWords& command) {
  std::string options = "--help";
  for (const Option& option : command.options) options += fmt::format(" {}", option.name);
  const std::string last =
      command.last.empty() ? "" : fmt::format(" last={}", lines_of(command.last));
  return fmt::format("    \"{}\") words=\"{}\"{} ;;\n", command.name, options, last);
}

// One for each of its options whose values are known.
std::string values_cases(const CommandWords& command) {
  std::string cases;
  for (const Option& option : command.options)
    if (option.check.words != nullptr)
      cases += fmt::format("    \"{} {}\") values={} ;;\n", command.name, option.name,
                           lines_of(option.check.words()));
  return cases;
}

}  // namespace

std::string bash_completion(std::string_view program, std::span<const CommandWords> commands) {
  std::string names, cases, values, verb_cases;
  std::map<std::string_view, std::string> verbs;  // of the word in front that they share
  for (const CommandWords& command : commands) {
    cases += options_case(command);
    values += values_cases(command);
    const std::size_t space = command.name.find(' ');
    const std::string_view first = command.name.substr(0, space);
    if (space == first.npos || !verbs.contains(first)) names += fmt::format("{} ", first);
    if (space != first.npos) verbs[first] += fmt::format("{} ", command.name.substr(space + 1));
  }
  for (const auto& [noun, own] : verbs)
    verb_cases += fmt::format("    {}) verbs=\"{}--help\" ;;\n", noun, own);
  return fmt::format(
      "_{0}() {{\n"
      "  local words verbs values last IFS=$' \\n' command=${{COMP_WORDS[1]}}\n"
      "  local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}}\n"
      "  if [ \"$COMP_CWORD\" = 1 ]; then\n"
      "    COMPREPLY=($(compgen -W \"{1}completion --help --version\" -- \"$word\")); return\n  "
      "fi\n"
      "  case $command in\n{2}    completion) verbs=\"bash --help\" ;;\n  esac\n"
      "  if [ -n \"$verbs\" ]; then\n"
      "    if [ \"$COMP_CWORD\" = 2 ]; then\n"
      "      COMPREPLY=($(compgen -W \"$verbs\" -- \"$word\")); return\n    fi\n"
      "    command=\"$command ${{COMP_WORDS[2]}}\"\n  fi\n"
      "  case $command in\n{3}  esac\n"
      // A shell takes "--name=value" for three words.
      "  if [ \"$word\" = = ]; then word=\n"
      "  elif [ \"$before\" = = ]; then before=${{COMP_WORDS[COMP_CWORD-2]}}\n  fi\n"
      "  case \"$command $before\" in\n{4}  esac\n"
      "  case $word in\n    -*) COMPREPLY=($(compgen -W \"$words\" -- \"$word\")); return ;;\n"
      "  esac\n"
      "  IFS=$'\\n'\n"
      "  if [ -n \"${{values:-$last}}\" ]; then\n"
      "    COMPREPLY=($(compgen -W \"${{values:-$last}}\" -- \"$word\"))\n"
      "  else\n    COMPREPLY=($(compgen -f -- \"$word\"))\n  fi\n}}\n"
      "complete -o filenames -F _{0} {0}\n",
      program, names, verb_cases, cases, values);
}

}  // namespace polder::command_line
