// polderd: the agent of a device. Its commands, their options and help; what they do is in
// apps/polderd_commands.cpp and the room `agent`.
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <string>
#include <vector>

#include "agent/worker.h"
#include "apps/polderd_commands.h"
#include "base/fail.h"
#include "base/text.h"
#include "platform/command_line.h"
#include "platform/completion.h"
#include "platform/first_sentence.h"
#include "platform/process.h"
#include "trust/json.h"

namespace polder::agent {
namespace {

using command_line::Args;
using command_line::Option;
using command_line::options_help;

#define POLDERD_OPTIONS                                                                    \
  {"--config", "FILE", "the configuration (default: /etc/polderd/polderd.toml)"},          \
      {"--folder", "DIR", "where everything is kept, in place of the configuration's"}, {  \
    "--repository", "URL|DIR", "where releases come from, in place of the configuration's" \
  }
#define POLDERD_KEY_OPTIONS                                                                      \
  {                                                                                              \
    "--passphrase-fd", "N", "reads the PIN of a token or TPM key from file descriptor N", false, \
        command_line::whole<0, 65535>                                                            \
  }
#define POLDERD_JSON_OPTION \
  { "--json", "", "prints the result as JSON" }

constexpr Option kRunOptions[] = {POLDERD_OPTIONS};
constexpr Option kCheckOptions[] = {
    POLDERD_OPTIONS,
    {"--install", "", "installs what there is, watches it for its time, and commits or rolls back"},
    {"--retry", "", "forgets what failed here, so that it is tried again"},
    POLDERD_JSON_OPTION};
constexpr Option kShowOptions[] = {POLDERD_OPTIONS, POLDERD_JSON_OPTION};
constexpr Option kEnrolOptions[] = {
    POLDERD_OPTIONS,
    {"--token-file", "FILE", "the one-time token, in place of the configuration's"},
    POLDERD_KEY_OPTIONS,
    POLDERD_JSON_OPTION};
constexpr Option kKeyOptions[] = {POLDERD_OPTIONS, POLDERD_KEY_OPTIONS, POLDERD_JSON_OPTION};

struct Command {
  std::string_view name, summary, example;
  std::span<const Option> options;
  Result<int> (*run)(const Args& args);
};

constexpr Command kCommands[] = {
    {"run", "Runs the releases of this device and keeps them up to date. What systemd starts.",
     "  polderd run\n  polderd run --config ./polderd.toml --repository /media/stick/repo",
     kRunOptions, run_command},
    {"check",
     "Asks once what this device should run: all that it would install, and what it refuses. That "
     "is a\nquestion: it changes nothing, whether or not polderd runs. Exit status 0 when there is "
     "nothing to do\nor something to install, 1 when the repository cannot be asked or trusted or "
     "what it wants cannot\nbe installed, with the reason; with --install also when an update "
     "failed. --install is for the user\nwhom the folder belongs to, while polderd does not run.",
     "  polderd check\n  sudo -u polderd polderd check --install --repository /media/stick/repo",
     kCheckOptions, check_command},
    {"status", "Says what runs, what is under way and what failed.", "  polderd status --json",
     kShowOptions, status_command},
    {"doctor",
     "Says what is wrong and what to do. Exit status 1 when something is. It is for the user whom "
     "the folder\nbelongs to, as the other ones who ask cannot judge its keys.",
     "  sudo -u polderd polderd doctor", kShowOptions, doctor_command},
    {"enrol",
     "Enrols this device with the hub of polderd.toml once, and says whether the hub takes it. "
     "'polderd run' does\nthat by itself; this is for who wants to see it done. While polderd does "
     "not run, as the user whom the\nfolder belongs to.",
     "  sudo -u polderd polderd enrol --token-file ./token", kEnrolOptions, enrol_command},
    {"identity create",
     "Makes the device's key where the configuration says: in a file, on a PKCS#11 token or in the "
     "TPM.\nIt never leaves it.",
     "  polderd identity create", kKeyOptions, identity_create_command},
    {"identity show", "Prints the device's name and public key.", "  polderd identity show",
     kKeyOptions, identity_show_command},
    {"identity csr",
     "Prints a certificate request (PKCS#10, PEM) with the device's name, signed by its key.",
     "  polderd identity csr > camera-17.csr", kKeyOptions, identity_csr_command},
    {"reference",
     "Prints the keys of polderd.toml as Markdown.",
     "  polderd reference",
     {},
     reference_command},
};
constexpr char kCompletionHelp[] =
    "usage: polderd completion bash\n\nPrints completion for bash (zsh: after 'autoload "
    "bashcompinit && bashcompinit').\n\nexample:\n  source <(polderd completion bash)\n";

std::string general_help() {
  std::string text =
      "usage: polderd COMMAND [OPTIONS]\n\nRuns signed releases of AI models on a device and keeps "
      "them up to date.\n\n";
  for (const Command& command : kCommands)
    text +=
        fmt::format("  {:<18}{}.\n", command.name, command_line::first_sentence(command.summary));
  return text +
         "\nWithout a command it is 'run': polderd --repository /media/stick/repo.\n"
         "'polderd COMMAND --help' tells more, with an example. 'polderd --version' prints the "
         "version.\n'polderd completion bash' prints completion for your shell: source <(polderd "
         "completion bash)\n";
}

std::string help_of(const Command& command) {
  std::string text = fmt::format("usage: polderd {}{}\n\n{}\n", command.name,
                                 command.options.empty() ? "" : " [OPTIONS]", command.summary);
  if (!command.options.empty()) {
    text += "\noptions:\n" + options_help(command.options) +
            "\nAn option with a value that is not given is taken from the environment: --config "
            "FILE from\nPOLDER_CONFIG=FILE; of switches only --json, from POLDER_JSON=1.\n";
  }
  return text + fmt::format("\nexample:\n{}\n", command.example);
}

// Of commands of two words with the same first one.
std::string help_of_noun(std::string_view noun) {
  std::string text = fmt::format("usage: polderd {} COMMAND [OPTIONS]\n", noun);
  for (const Command& command : kCommands) {
    if (!command.name.starts_with(std::string(noun) + " ")) continue;
    text += fmt::format("\npolderd {}\n{}\nexample:\n{}\n", command.name, command.summary,
                        command.example);
  }
  return text + fmt::format("\n'polderd {} COMMAND --help' shows the options.\n", noun);
}

std::string completion_script() {
  std::vector<command_line::CommandWords> words;
  for (const Command& command : kCommands) words.push_back({command.name, command.options});
  return command_line::bash_completion("polderd", words);
}

int print(const std::string& text, std::FILE* file, int status) {
  const bool written = std::fputs(text.c_str(), file) >= 0 && std::fflush(file) == 0;
  return written ? status : 1;
}

int report(const Error& error, bool json) {
  if (json) {
    const trust::Json document = trust::Json::Members{
        {"error", trust::Json::Members{{"code", std::string(code_name(error.code))},
                                       {"message", one_line(error.message)}}}};
    print(document.pretty() + "\n", stdout, 1);
  }
  return print(fmt::format("polderd: {}\n", one_line(error.message)), stderr, 1);
}

bool is_help(std::string_view word) { return word == "--help" || word == "-h"; }

int run(const Command& command, std::span<char* const> words) {
  for (const char* word : words) {
    if (is_help(word)) return print(help_of(command), stdout, 0);
  }
  const Result<Args> args = Args::parse(words, command.options, 0, 0);
  if (!args.ok()) {
    return print(fmt::format("polderd {}: {}\n'polderd {} --help' shows the options\n",
                             command.name, one_line(args.error().message), command.name),
                 stderr, 2);
  }
  Result<int> status = command.run(*args);
  if (!status.ok()) return report(status.error(), args->has("--json"));
  return std::fflush(stdout) == 0 ? *status : 1;
}

int unknown(std::string_view word) {
  std::vector<std::string_view> names;
  for (const Command& command : kCommands) names.push_back(command.name);
  const std::string_view near = nearest_name(word, names);
  return print(
      fmt::format("polderd: no command '{}'{}\n'polderd --help' lists the commands\n",
                  one_line(word),
                  near.empty() ? std::string() : fmt::format("; did you mean '{}'?", near)),
      stderr, 2);
}

int main_of(int argc, char** argv) {
  name_this_process("polderd");
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  if (argc < 2) return print(general_help(), stderr, 2);
  if (is_help(argv[1])) return print(general_help(), stdout, 0);
  const std::span<char* const> words(argv + 1, std::size_t(argc - 1));
  if (std::string_view(words[0]) == "--version")
    return print(fmt::format("polderd {}\n", POLDER_VERSION), stdout, 0);
  if (std::string_view(words[0]) == "completion") {
    const std::string_view shell = words.size() == 2 ? words[1] : "";
    if (shell == "bash") return print(completion_script(), stdout, 0);
    return is_help(shell) ? print(kCompletionHelp, stdout, 0) : print(kCompletionHelp, stderr, 2);
  }
  // What supervisors start; not for people.
  if (std::string_view(words[0]) == "worker") return run_worker();
  const auto* const run_command = std::ranges::find(kCommands, "run", &Command::name);
  if (std::string_view(words[0]).starts_with("--")) return run(*run_command, words);
  for (const std::size_t count : {2u, 1u}) {
    if (words.size() < count) continue;
    std::string name = words[0];
    if (count == 2) name += std::string(" ") + words[1];
    for (const Command& command : kCommands) {
      if (command.name == name) return run(command, words.subspan(count));
    }
  }
  std::string word = words[0];
  if (word == "identity") {
    if (words.size() < 2) return print(help_of_noun(word), stderr, 2);
    if (is_help(words[1])) return print(help_of_noun(word), stdout, 0);
    word += std::string(" ") + words[1];
  }
  return unknown(word);
}

}  // namespace
}  // namespace polder::agent

int main(int argc, char** argv) { return polder::agent::main_of(argc, argv); }
