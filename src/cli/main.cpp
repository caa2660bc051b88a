// The polder command: help, completion, and the choice of the sub-command.
#include <polder/model.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>
#include <vector>

#include "base/fail.h"
#include "base/text.h"
#include "cli/args.h"
#include "platform/completion.h"
#include "platform/first_sentence.h"
#include "platform/memory.h"

namespace polder::cli {

namespace {

// "create" of "keys create" when `noun` is "keys"; empty when it is none of the noun's.
std::string_view verb_of(const Command& command, std::string_view noun) {
  const std::string_view name = command.name;
  const bool own = name.size() > noun.size() && name.starts_with(noun) && name[noun.size()] == ' ';
  return own ? name.substr(noun.size() + 1) : std::string_view();
}

bool is_flat(const Command& command) { return command.name.find(' ') == command.name.npos; }

bool is_help(std::string_view word) { return word == "--help" || word == "-h"; }

// A line for each name, the summaries below each other.
std::string list_of(const std::vector<std::pair<std::string_view, std::string_view>>& commands) {
  std::size_t width = 0;
  for (const auto& [name, summary] : commands) width = std::max(width, name.size());
  std::string text;
  for (const auto& [name, summary] : commands)
    text += fmt::format("  {:<{}}  {}.\n", name, width, command_line::first_sentence(summary));
  return text;
}

std::string general_help() {
  std::string text =
      "usage: polder COMMAND [ARGUMENTS]\n\nMakes AI models small, fast and measurable on "
      "devices.\n\n";
  std::vector<std::pair<std::string_view, std::string_view>> all;
  for (const Command* command : commands())
    if (is_flat(*command)) all.emplace_back(command->name, command->summary);
  for (const Noun& noun : nouns()) all.emplace_back(noun.name, noun.summary);
  text += list_of(all);
  text +=
      "\n'polder COMMAND --help' tells more, with an example. 'polder --version' prints the "
      "version.\n"
      "'polder completion bash' prints completion for your shell: source <(polder completion "
      "bash)\n";
  return text;
}

std::string completion_script() {
  std::vector<command_line::CommandWords> words;
  for (const Command* command : commands())
    words.push_back({command->name, command->options, command->last});
  return command_line::bash_completion("polder", words);
}

void print_json(const Error& error) {
  const nlohmann::ordered_json object = {
      {"error", {{"code", code_name(error.code)}, {"message", error.message}}}};
  std::printf("%s\n", object.dump(2, ' ', true, nlohmann::json::error_handler_t::replace).c_str());
}

// Whether JSON is asked for, by words that may be wrong otherwise.
bool asks_for_json(std::span<char* const> words) {
  for (const char* word : words) {
    if (std::strcmp(word, "--") == 0) break;
    if (std::strcmp(word, "--json") == 0) return true;
  }
  const auto set = json_of_environment();
  return set && *set;
}

void print_error(const Error& error, bool json) {
  if (json) print_json(error);
  std::fprintf(stderr, "polder: %s\n", one_line(error.message).c_str());
}

int not_written(int number) {
  std::fprintf(stderr, "polder: cannot write the result to stdout: %s\n", std::strerror(number));
  return 1;
}

// What was printed is out, or the command has failed: stdout may be a file on a full disk.
int flushed(int status) {
  return std::fflush(stdout) == 0 && !std::ferror(stdout) ? status : not_written(errno);
}

// What was asked for goes to stdout; usage that was not, to stderr. Returns the exit status.
int print_text(const std::string& text, bool asked) {
  std::fputs(text.c_str(), asked ? stdout : stderr);
  return asked ? flushed(0) : 2;
}

// `rest`: what follows the command's name.
int run_command(const Command& command, std::span<char* const> rest) {
  for (const char* word : rest) {
    if (std::strcmp(word, "--") == 0) break;
    if (is_help(word)) return print_text(help_of(command), true);
  }
  auto args = Args::parse(rest, command.options, command.min_positional, command.max_positional);
  if (!args) return wrong_usage(command, args.error(), asks_for_json(rest));
  if (const auto given = args->positional(); !command.last.empty() && !given.empty()) {
    const std::string_view name = command.arguments.substr(command.arguments.rfind(' ') + 1);
    if (const Status known = command_line::check_one_of(name, given.back(), command.last);
        !known.ok())
      return wrong_usage(command, known.error(), args->has("--json"));
  }
  // Models and recordings take memory as they ask for.
  const std::string subject = args->positional().empty() ? "" : args->positional()[0];
  try {
    Result<int> status = within_memory(subject, [&] { return command.run(*args); });
    if (status) return flushed(*status);
    print_error(status.error(), args->has("--json"));
    return 1;
  } catch (const std::system_error& error) {
    return not_written(error.code().value());  // fmt::print(): stdout takes no more
  }
}

int run_completion(std::span<char* const> rest) {
  const std::string_view shell = rest.size() == 1 ? rest[0] : "";
  if (shell == "bash") return print_text(completion_script(), true);
  return print_text(
      "usage: polder completion bash\n\nPrints completion for bash (zsh: after "
      "'autoload bashcompinit && bashcompinit').\n\nexample:\n"
      "  source <(polder completion bash)\n",
      is_help(shell));
}

// Says that there is no such command and which is near; returns the exit status.
int unknown(std::string_view prefix, std::span<char* const> words,
            std::span<const std::string_view> names) {
  const std::string_view near = nearest_name(words[0], names);
  const Error error = fail(Code::kInvalid, "no command '{}{}'{}", prefix, words[0],
                           near.empty() ? "" : fmt::format("; did you mean '{}{}'?", prefix, near));
  print_error(error, asks_for_json(words));
  fmt::print(stderr, "'polder {}--help' lists the commands\n", prefix);
  return 2;
}

// `rest`: what follows the noun.
int run_noun(const Noun& noun, std::span<char* const> rest) {
  const std::string_view word = rest.empty() ? "" : rest[0];
  if (rest.empty() || is_help(word)) return print_text(help_of(noun), !rest.empty());
  std::vector<std::string_view> verbs;
  for (const Command* command : commands()) {
    const std::string_view verb = verb_of(*command, noun.name);
    if (verb.empty()) continue;
    if (verb == word) return run_command(*command, rest.subspan(1));
    verbs.push_back(verb);
  }
  return unknown(fmt::format("{} ", noun.name), rest, verbs);
}

int run_words(std::span<char* const> words) {
  const std::string_view name = words[0];
  const std::span<char* const> rest = words.subspan(1);
  std::vector<std::string_view> names;
  for (const Command* command : commands()) {
    if (!is_flat(*command)) continue;
    if (command->name == name) return run_command(*command, rest);
    names.push_back(command->name);
  }
  for (const Noun& noun : nouns()) {
    if (noun.name == name) return run_noun(noun, rest);
    names.push_back(noun.name);
  }
  if (name == "completion") return run_completion(rest);
  return unknown("", words, names);
}

}  // namespace

int wrong_usage(const Command& command, const Error& error, bool json) {
  if (json) print_json(error);
  fmt::print(stderr, "polder {0}: {1}\n'polder {0} --help' shows how to use it\n", command.name,
             one_line(error.message));
  return 2;
}

std::string help_of(const Noun& noun) {
  std::vector<std::pair<std::string_view, std::string_view>> verbs;
  for (const Command* command : commands())
    if (const auto verb = verb_of(*command, noun.name); !verb.empty())
      verbs.emplace_back(verb, command->summary);
  return fmt::format(
      "usage: polder {0} COMMAND [ARGUMENTS]\n\n{1}\n\n{2}\n'polder {0} COMMAND --help' tells "
      "more, with an example.\n",
      noun.name, noun.summary, list_of(verbs));
}

std::string help_of(const Command& command) {
  std::string text = fmt::format("usage: polder {}{}{}{}\n\n{}\n", command.name,
                                 command.arguments.empty() ? "" : " ", command.arguments,
                                 command.options.empty() ? "" : " [OPTIONS]", command.summary);
  if (!command.options.empty()) text += "\noptions:\n" + options_help(command.options);
  const auto is_taken = [](const Option& option) {
    return !option.repeats && !option.typed_only &&
           (!option.value.empty() || option.name == command_line::kJsonOption);
  };
  const auto taken = std::ranges::find_if(command.options, is_taken);
  if (taken != command.options.end())
    text +=
        "\nOptions with a value that do not repeat, and --json, are taken from the environment "
        "where "
        "they are\nnot given: --some-option N from POLDER_SOME_OPTION=N, --json from "
        "POLDER_JSON=1. Those that decide\nwhat is trusted are not, and neither are other "
        "switches.\n";
  return text + fmt::format("\nexample:\n{}\n", command.example);
}

int main_of(int argc, char** argv) {
  // A file that may not grow is an error of write(), like a full disk, not the end of the process.
  std::signal(SIGXFSZ, SIG_IGN);
  if (argc < 2) return print_text(general_help(), false);
  std::vector<char*> words(argv + 1, argv + argc);
  char help[] = "--help";
  if (std::strcmp(words[0], "help") == 0) {  // as --help of the command
    words.erase(words.begin());
    words.push_back(help);
  }
  const std::string_view name = words[0];
  if (is_help(name)) return print_text(general_help(), true);
  if (name == "--version") return print_text(fmt::format("polder {}\n", version()), true);
  return run_words(words);
}

}  // namespace polder::cli
