// Command-line arguments: parsing, help, completion, and the choice of the command.
#include "cli/args.h"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <polder/model.h>
#include <nlohmann/json.hpp>

#include "base/fail.h"
#include "base/text.h"
#include "platform/memory.h"

namespace polder::cli {

namespace {

const Option* find_option(std::span<const Option> options, std::string_view name) {
  const auto found = std::ranges::find(options, name, &Option::name);
  return found == options.end() ? nullptr : &*found;
}

// What -o stands for: --output, --output-dir or --out, of which a command has at most one.
bool is_output(std::string_view name) { return name.starts_with("--out"); }
std::string_view output_option(std::span<const Option> options) {
  const auto found = std::ranges::find_if(options, is_output, &Option::name);
  return found == options.end() ? "-o" : found->name;
}

Error unknown_option(std::string_view name, std::span<const Option> options) {
  std::vector<std::string_view> names;
  for (const Option& option : options) names.push_back(option.name);
  const std::string_view near = nearest(name, names);
  return fail(Code::kInvalid, "unknown option '{}'{}", name,
              near.empty() ? std::string() : fmt::format("; did you mean '{}'?", near));
}

std::string general_help() {
  std::string text =
      "usage: polder COMMAND [ARGUMENTS]\n\nMakes AI models small, fast and measurable on "
      "devices.\n\n";
  for (const Command* command : commands())
    text += fmt::format("  {:<12}{}.\n", command->name,
                        command->summary.substr(0, command->summary.find('.')));
  text +=
      "\n'polder COMMAND --help' tells more, with an example. 'polder --version' prints the "
      "version.\n"
      "'polder completion bash' prints completion for your shell: source <(polder completion "
      "bash)\n";
  return text;
}

std::string bash_completion() {
  std::string names, cases;
  for (const Command* command : commands()) {
    names += fmt::format("{} ", command->name);
    std::string options = "--help";
    for (const Option& option : command->options) options += fmt::format(" {}", option.name);
    cases += fmt::format("    {}) words=\"{}\" ;;\n", command->name, options);
  }
  return fmt::format(
      "_polder() {{\n  local words word=${{COMP_WORDS[COMP_CWORD]}}\n  if [ \"$COMP_CWORD\" = 1 ]; "
      "then\n"
      "    COMPREPLY=($(compgen -W \"{}--help --version\" -- \"$word\")); return\n  fi\n"
      "  case ${{COMP_WORDS[1]}} in\n{}  esac\n"
      "  case $word in\n    -*) COMPREPLY=($(compgen -W \"$words\" -- \"$word\")) ;;\n"
      "    *) COMPREPLY=($(compgen -f -- \"$word\")) ;;\n  esac\n}}\ncomplete -o filenames -F "
      "_polder polder\n",
      names, cases);
}
void print_error(const Error& error, bool json) {
  if (json) {
    const nlohmann::ordered_json object = {
        {"error", {{"code", code_name(error.code)}, {"message", error.message}}}};
    std::printf("%s\n",
                object.dump(2, ' ', true, nlohmann::json::error_handler_t::replace).c_str());
  }
  std::fprintf(stderr, "polder: %s\n", one_line(error.message).c_str());
}

// What was printed is out, or the command has failed: stdout may be a file on a full disk.
int flushed(int status) {
  if (std::fflush(stdout) == 0 && !std::ferror(stdout)) return status;
  std::fprintf(stderr, "polder: cannot write the result to stdout: %s\n", std::strerror(errno));
  return 1;
}

int run_command(const Command& command, int argc, char** argv) {
  const std::span<char* const> rest(argv + 1, std::size_t(argc - 1));
  for (const char* word : rest) {
    if (std::strcmp(word, "--") == 0) break;
    if (std::strcmp(word, "--help") == 0 || std::strcmp(word, "-h") == 0) {
      std::fputs(help_of(command).c_str(), stdout);
      return flushed(0);
    }
  }
  auto args = Args::parse(rest, command.options, command.min_positional, command.max_positional);
  if (!args) {
    std::fprintf(stderr, "polder %.*s: %s\n'polder %.*s --help' shows how to use it\n",
                 int(command.name.size()), command.name.data(),
                 one_line(args.error().message).c_str(), int(command.name.size()),
                 command.name.data());
    return 2;
  }
  // Models and recordings take memory as they ask for.
  const std::string subject = args->positional().empty() ? "" : args->positional()[0];
  Result<int> status = within_memory(subject, [&] { return command.run(*args); });
  if (status) return flushed(*status);
  print_error(status.error(), args->has("--json"));
  return 1;
}

}  // namespace

Result<Args> Args::parse(std::span<char* const> argv, std::span<const Option> options,
                         int min_positional, int max_positional) {
  Args args;
  bool options_end = false;
  for (std::size_t i = 0; i < argv.size(); ++i) {
    const std::string_view word = argv[i];
    if (options_end || word.size() < 2 || word[0] != '-') {
      args.positional_.emplace_back(word);
      continue;
    }
    if (word == "--") {
      options_end = true;
      continue;
    }
    const std::size_t equals = word.find('=');
    const std::string_view given = word.substr(0, equals);
    const std::string_view name = given == "-o" ? output_option(options) : given;
    const Option* option = find_option(options, name);
    if (!option) return unknown_option(given, options);
    std::string value;
    if (option->value.empty()) {
      if (equals != word.npos) return fail(Code::kInvalid, "'{}' takes no value", name);
    } else if (equals != word.npos) {
      value = word.substr(equals + 1);
    } else if (i + 1 < argv.size()) {
      value = argv[++i];
    } else {
      return fail(Code::kInvalid, "'{}' needs a value: {} {}", name, name, option->value);
    }
    args.given_.emplace_back(name, std::move(value));
  }
  args.take_environment(options);
  const int count = int(args.positional_.size());
  if (count < min_positional)
    return fail(Code::kInvalid, "{} of {} arguments given", count, min_positional);
  if (count > max_positional) {
    return fail(Code::kInvalid, "unexpected argument '{}'",
                args.positional_[std::size_t(max_positional)]);
  }
  return args;
}

void Args::take_environment(std::span<const Option> options) {
  for (const Option& option : options) {
    if (option.value.empty() || option.repeats || has(option.name)) continue;
    std::string variable = "POLDER_";
    for (const char c : option.name.substr(2))
      variable += c == '-' ? '_' : char(std::toupper(static_cast<unsigned char>(c)));
    const char* value = std::getenv(variable.c_str());
    if (value && *value) given_.emplace_back(option.name, value);
  }
}

bool Args::has(std::string_view option) const {
  return std::ranges::any_of(given_, [&](const auto& entry) { return entry.first == option; });
}

std::string Args::text(std::string_view option, std::string_view fallback) const {
  std::string value(fallback);
  for (const auto& [name, given] : given_) {
    if (name == option) value = given;
  }
  return value;
}

std::vector<std::string> Args::all(std::string_view option) const {
  std::vector<std::string> values;
  for (const auto& [name, given] : given_) {
    if (name == option) values.push_back(given);
  }
  return values;
}

Result<std::int64_t> Args::integer(std::string_view option, std::int64_t fallback, std::int64_t min,
                                   std::int64_t max) const {
  if (!has(option)) return fallback;
  const std::string value = text(option);
  std::int64_t number = 0;
  const auto [end, code] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (code != std::errc() || end != value.data() + value.size() || number < min || number > max) {
    return fail(Code::kInvalid, "{}: a whole number from {} to {} expected, '{}' given", option,
                min, max, value);
  }
  return number;
}

Result<double> Args::real(std::string_view option, double fallback, double min, double max) const {
  if (!has(option)) return fallback;
  const std::string value = text(option);
  char* end = nullptr;
  const double number = std::strtod(value.c_str(), &end);
  if (value.empty() || *end || !(number >= min && number <= max)) {
    return fail(Code::kInvalid, "{}: a number from {} to {} expected, '{}' given", option, min, max,
                value);
  }
  return number;
}

std::string help_of(const Command& command) {
  std::string text = fmt::format("usage: polder {} {}{}\n\n{}\n", command.name, command.arguments,
                                 command.options.empty() ? "" : " [OPTIONS]", command.summary);
  if (!command.options.empty()) text += "\noptions:\n";
  for (const Option& option : command.options) {
    const std::string left =
        fmt::format("{}{}{}{}", is_output(option.name) ? "-o, " : "", option.name,
                    option.value.empty() ? "" : " ", option.value);
    text += left.size() <= 24 ? fmt::format("  {:<26}{}", left, option.help)
                              : fmt::format("  {}\n{:28}{}", left, "", option.help);
    text += option.repeats ? "; may be repeated\n" : "\n";
  }
  if (std::ranges::any_of(command.options, [](const Option& option) {
        return !option.value.empty() && !option.repeats;
      }))
    text +=
        "\nAn option that is not given is taken from the environment: --some-option from "
        "POLDER_SOME_OPTION.\n";
  return text + fmt::format("\nexample:\n{}\n", command.example);
}

std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates) {
  std::string_view best;
  std::size_t best_distance = std::max<std::size_t>(2, word.size() / 3) + 1;
  for (const std::string_view candidate : candidates) {
    std::vector<std::size_t> row(candidate.size() + 1);
    for (std::size_t j = 0; j <= candidate.size(); ++j) row[j] = j;
    for (std::size_t i = 1; i <= word.size(); ++i) {
      std::size_t diagonal = row[0];
      row[0] = i;
      for (std::size_t j = 1; j <= candidate.size(); ++j) {
        const std::size_t next =
            std::min({row[j] + 1, row[j - 1] + 1, diagonal + (word[i - 1] != candidate[j - 1])});
        diagonal = row[j];
        row[j] = next;
      }
    }
    if (row.back() < best_distance) {
      best_distance = row.back();
      best = candidate;
    }
  }
  return best;
}

int main_of(int argc, char** argv) {
  // A file that may not grow is an error of write(), like a full disk, not the end of the process.
  std::signal(SIGXFSZ, SIG_IGN);
  if (argc < 2) {
    std::fputs(general_help().c_str(), stderr);
    return 2;
  }
  const std::string_view name = argv[1];
  if (name == "help" && argc == 3) {  // as --help of the command
    char help[] = "--help";
    char* words[] = {argv[0], argv[2], help};
    return main_of(3, words);
  }
  if (name == "--help" || name == "-h" || name == "help") {
    std::fputs(general_help().c_str(), stdout);
    return flushed(0);
  }
  if (name == "--version") {
    std::printf("polder %s\n", version());
    return flushed(0);
  }
  if (name == "completion") {
    const std::string_view shell = argc == 3 ? argv[2] : "";
    if (shell == "bash") {
      std::fputs(bash_completion().c_str(), stdout);
      return flushed(0);
    }
    const bool asked = shell == "--help" || shell == "-h";
    std::fputs(
        "usage: polder completion bash\n\nPrints completion for bash (zsh: after "
        "'autoload bashcompinit && bashcompinit').\n\nexample:\n"
        "  source <(polder completion bash)\n",
        asked ? stdout : stderr);
    return asked ? flushed(0) : 2;
  }
  std::vector<std::string_view> names;
  for (const Command* command : commands()) {
    if (command->name == name) return run_command(*command, argc - 1, argv + 1);
    names.push_back(command->name);
  }
  const std::string_view near = nearest(name, names);
  std::fprintf(stderr, "polder: no command '%s'%s\n'polder --help' lists the commands\n", argv[1],
               near.empty() ? "" : fmt::format("; did you mean '{}'?", near).c_str());
  return 2;
}

}  // namespace polder::cli
