// polder-hub: the server of a fleet. Its commands, their options and help; what it does is in the
// room `hub`. Those that look after its folder: polder_hub_upkeep.cpp.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <string>
#include <vector>

#include "apps/polder_hub_commands.h"
#include "apps/polder_hub_home.h"
#include "base/fail.h"
#include "base/text.h"
#include "hub/api/router.h"
#include "hub/console/console.h"
#include "hub/http/server.h"
#include "platform/command_line.h"
#include "platform/completion.h"
#include "platform/first_sentence.h"
#include "platform/process.h"
#include "platform/service.h"
#include "trust/json.h"

namespace polder::hub {
namespace {

using command_line::options_help;

struct Listen {
  std::string address;
  std::uint16_t port = 0;
};

// "0.0.0.0:8443", "[::1]:8443".
Result<Listen> read_listen(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  Listen listen{.address = text.substr(0, colon)};
  const char* const end = text.data() + text.size();
  const auto read =
      std::from_chars(text.data() + std::min(colon, text.size() - 1) + 1, end, listen.port);
  const bool is_bracketed = listen.address.starts_with('[') && listen.address.ends_with(']');
  if (is_bracketed) listen.address = listen.address.substr(1, listen.address.size() - 2);
  if (colon == text.npos || read.ec != std::errc() || read.ptr != end || listen.address.empty() ||
      (!is_bracketed && listen.address.find(':') != std::string::npos))
    return fail(Code::kInvalid,
                "--listen: ADDRESS:PORT expected, such as 0.0.0.0:8443 or [::]:8443; '{}' given",
                clipped(text));
  return listen;
}

Status check_listen(std::string_view, const std::string& value) {
  const auto listen = value.empty() ? Result<Listen>(fail(Code::kInvalid, "--listen: is empty"))
                                    : read_listen(value);
  return listen.ok() ? Status() : Status(listen.error());
}

constexpr Option kServeOptions[] = {
    HUB_OPTIONS,
    {"--listen", "ADDRESS:PORT", "where it listens (default: 0.0.0.0:8443)", false, check_listen},
    {"--host", "NAME",
     "a name or address by which devices reach it, for its certificate; POLDER_HOST has several "
     "between spaces (default: this machine's name)",
     true, nullptr, false, true},
    {"--person-rate", "N",
     "requests that one person may make in a second, ten times as many at once "
     "after a rest (default: 20)",
     false, command_line::whole<1, 100'000>},
    {"--poll-s", "N", "how often a device checks in, in seconds (default: 60)", false,
     command_line::whole<1, 3600>},
    {"--certificate-s", "N",
     "how long the certificate of a device holds, in seconds (default: 7776000, 90 days); it is "
     "renewed in the last third",
     false, command_line::whole<kShortestCertificateS, kLongestCertificateS>},
    {"--clock-is-right", "",
     "this machine's clock is right, and was ahead when something was published last: publishes "
     "anew by it"}};
constexpr Option kTokenOptions[] = {HUB_OPTIONS};

std::string machine_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return "localhost";
  std::string text = name.data();
  const auto is_odd = [](char c) {
    return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '.' &&
           c != '-';
  };
  return text.empty() || std::ranges::any_of(text, is_odd) ? "localhost" : text;
}

std::vector<std::string> hosts_of(const Args& args, const Listen& listen) {
  std::vector<std::string> hosts = args.all("--host");
  const bool is_any = listen.address == "0.0.0.0" || listen.address == "::";
  if (hosts.empty()) hosts.push_back(is_any ? machine_name() : listen.address);
  for (const char* own : {"localhost", "127.0.0.1", "::1"})
    if (std::ranges::find(hosts, own) == hosts.end()) hosts.emplace_back(own);
  return hosts;
}

// Where it serves, and what its first administrator needs.
Status say_where(const Args& args, const HomeOptions& options, const Home& home,
                 std::uint16_t port) {
  const std::string& host = options.hosts[0];
  const std::string url =
      fmt::format("https://{}:{}", host.find(':') == host.npos ? host : "[" + host + "]", port);
  std::string text = fmt::format("polder-hub serves {}\nauthority {}\nSHA-256   {}\n", url,
                                 home.authority_file(), home.fingerprint());
  trust::Json::Members json{
      {"url", url}, {"authority", home.authority_file()}, {"sha256", home.fingerprint()}};
  TRY_VALUE(const bool has_people, home.has_people());
  if (!has_people && std::getenv("JOURNAL_STREAM")) {
    text += fmt::format(
        "nobody may do anything yet: 'polder-hub admin-token --folder {}', as this user, makes a "
        "token, which this journal is no place for\n",
        options.folder);
  } else if (!has_people) {
    TRY_VALUE(const std::string token, make_admin_token(options));
    text += fmt::format(
        "admin     {}\n(this token is shown once; 'polder-hub admin-token' makes another)\n",
        token);
    json.emplace("admin_token", token);
  }
  return print(args, std::move(json), text);
}

Status serve_command(const Args& args) {
  TRY_VALUE(const Listen listen, read_listen(args.text("--listen", "0.0.0.0:8443")));
  HomeOptions options = home_options(args);
  options.hosts = hosts_of(args, listen);
  TRY_VALUE(const std::unique_ptr<Home> home, Home::open(options));
  SystemClock clock;
  Limit limit = kPersonLimit;
  limit.a_second = static_cast<double>(args.integer("--person-rate", 20));
  limit.at_once = 10 * limit.a_second;
  Router router(home->hub(), clock, limit);
  const Console console(console_files());
  TRY_VALUE(const std::unique_ptr<Server> server,
            Server::open({.address = listen.address,
                          .port = listen.port,
                          .certificate_file = home->certificate_file(),
                          .key_file = home->key_file(),
                          .authority_file = home->authority_file(),
                          .renew_certificate =
                              [&] {
                                Status done = home->renew_certificate();
                                if (!done.ok()) log("certificate: " + done.error().message);
                                return done;
                              }},
                         {.answer =
                              [&](const Request& request) {
                                auto page = console.answer(request);
                                return page ? std::move(*page) : router.answer(request);
                              },
                          .may_send = [&](const Request& head) { return router.may_send(head); },
                          .sent = [&](const Response& response,
                                      std::int64_t took_us) { router.sent(response, took_us); }}));
  TRY(say_where(args, options, *home, server->port()));
  tell_service_manager("READY=1");
  server->serve();
  log("ends, as it was asked to");
  return {};
}

Status token_command(const Args& args) {
  TRY_VALUE(const std::string token, make_admin_token(home_options(args)));
  return print(args, trust::Json::Members{{"token", token}}, token + "\n");
}

constexpr Command kOwnCommands[] = {
    {"serve",
     "Serves the fleet. At its first start it makes its keys and certificates and prints a token "
     "for its\nadministrator. SIGTERM ends it.",
     "  polder-hub serve\n  polder-hub serve --folder /srv/hub --listen 0.0.0.0:443 --host "
     "hub.example.org",
     kServeOptions, serve_command},
    {"admin-token",
     "Makes another token for an administrator and prints it, as whoever may write the folder "
     "could anyway.\nA hub may be serving meanwhile.",
     "  polder-hub admin-token --folder /srv/hub", kTokenOptions, token_command},
};

// In the order of the help.
std::vector<Command> commands() {
  std::vector<Command> all(std::begin(kOwnCommands), std::end(kOwnCommands));
  all.insert(all.end(), upkeep_commands().begin(), upkeep_commands().end());
  return all;
}

int say(const std::string& text, std::FILE* file, int status) {
  return std::fputs(text.c_str(), file) >= 0 && std::fflush(file) == 0 ? status : 1;
}

std::string general_help() {
  std::string text =
      "usage: polder-hub COMMAND [OPTIONS]\n\nThe server of a fleet of devices that run "
      "polderd.\n\n";
  for (const Command& command : commands())
    text += fmt::format("  {:<13}{}\n", command.name,
                        command_line::first_sentence(command.summary) + '.');
  return text +
         "\n'polder-hub COMMAND --help' tells more, with an example. 'polder-hub --version' prints "
         "the version.\n'polder-hub completion bash' prints completion for your shell: source "
         "<(polder-hub completion bash)\n";
}

std::string help_of(const Command& command) {
  return fmt::format(
      "usage: polder-hub {} {}[OPTIONS]\n\n{}\n\noptions:\n{}\nAn option that is not given is "
      "taken from the environment: --folder DIR from POLDER_FOLDER=DIR; of\nswitches only --json, "
      "from POLDER_JSON=1.\n\nexample:\n{}\n",
      command.name, command.arguments, command.summary, options_help(command.options),
      command.example);
}

bool is_help(std::string_view word) { return word == "--help" || word == "-h"; }

int run(const Command& command, std::span<char* const> words) {
  if (std::ranges::any_of(words, is_help)) return say(help_of(command), stdout, 0);
  const Result<Args> args =
      Args::parse(words, command.options, command.positional, command.positional);
  if (!args.ok())
    return say(fmt::format("polder-hub {}: {}\n'polder-hub {} --help' shows the options\n",
                           command.name, one_line(args.error().message), command.name),
               stderr, 2);
  const Status done = command.run(*args);
  if (done.ok()) return 0;
  log(done.error().message);
  if (!args->has("--json")) return 1;
  const trust::Json error = trust::Json::Members{
      {"error", trust::Json::Members{{"code", std::string(code_name(done.error().code))},
                                     {"message", one_line(done.error().message)}}}};
  return say(error.compact() + "\n", stdout, 1);
}

constexpr char kCompletionHelp[] =
    "usage: polder-hub completion bash\n\nPrints completion for bash (zsh: after 'autoload "
    "bashcompinit && bashcompinit').\n\nexample:\n  source <(polder-hub completion bash)\n";

std::string completion_script() {
  std::vector<command_line::CommandWords> words;
  const std::vector<Command> all = commands();
  for (const Command& command : all) words.push_back({command.name, command.options});
  return command_line::bash_completion("polder-hub", words);
}

int run_completion(std::string_view shell) {
  if (shell == "bash") return say(completion_script(), stdout, 0);
  return is_help(shell) ? say(kCompletionHelp, stdout, 0) : say(kCompletionHelp, stderr, 2);
}

int main_of(int argc, char** argv) {
  name_this_process("polder-hub");
  std::signal(SIGPIPE, SIG_IGN);
  ::umask(077);  // all that it makes is its user's alone
  if (argc < 2) return say(general_help(), stderr, 2);
  const std::string_view word = argv[1];
  if (is_help(word)) return say(general_help(), stdout, 0);
  if (word == "--version") return say(fmt::format("polder-hub {}\n", POLDER_VERSION), stdout, 0);
  if (word == "completion") return run_completion(argc == 3 ? argv[2] : "");
  std::vector<std::string_view> names;
  for (const Command& command : commands()) {
    if (command.name == word) return run(command, {argv + 2, static_cast<std::size_t>(argc - 2)});
    names.push_back(command.name);
  }
  const std::string_view near = nearest_name(word, names);
  return say(
      fmt::format("polder-hub: no command '{}'{}\n'polder-hub --help' lists the commands\n",
                  one_line(word), near.empty() ? "" : fmt::format("; did you mean '{}'?", near)),
      stderr, 2);
}

}  // namespace
}  // namespace polder::hub

int main(int argc, char** argv) { return polder::hub::main_of(argc, argv); }
