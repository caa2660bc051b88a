// onnx_conformance: runs ONNX's test cases and says which pass. Each case runs in a child process,
// a batch of them in one, so that a crash is one case's verdict and not the end.
#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <regex>

#include "base/fail.h"
#include "onnx_report.h"
#include "platform/file.h"

namespace polder::conformance {
namespace {

constexpr unsigned kCaseSeconds = 60;
constexpr int kSkipped = 77;  // what ctest takes as "skipped"

constexpr std::string_view kUsage =
    "usage: onnx_conformance [OPTION...]\n\n"
    "Runs the test cases that come with ONNX (Debian's package libonnx-testdata).\n\n"
    "  --data FOLDER     where they are (/usr/share/libonnx-testdata/data)\n"
    "  --only REGEX      only cases whose SUITE/NAME contains a match\n"
    "  --target ISA      the kernels to run: skipped where this machine has not got them\n"
    "  --reference       every operator by its reference implementation\n"
    "  --list-failed     a line for each case that did not pass\n"
    "  --json            all results on stdout\n"
    "  --markdown FILE   writes the page of what is supported\n"
    "  --require N       exit 1 when fewer than N node cases pass, or any case crashes\n"
    "  --must-pass FILE  exit 1 when a case that FILE names did not pass: regular expressions for\n"
    "                    whole names of node cases, one a line; !REGEX takes cases out again;\n"
    "                    or when a node case failed that no ~REGEX names, as one of wrong data\n";

struct Arguments {
  std::string data = "/usr/share/libonnx-testdata/data";
  std::string only, markdown, must_pass;
  int require = -1;
  bool list_failed = false, as_json = false;
  SessionOptions session;
};

// Writes one verdict as a length and fields that end in zero bytes.
void send(int fd, int index, const Verdict& verdict) {
  std::string text = fmt::format("{}\n{}\n{}\n{}\n{}\n{}", index, int(verdict.outcome), verdict.op,
                                 verdict.type, verdict.bound, verdict.reason);
  text.push_back('\0');
  for (std::size_t done = 0; done < text.size();) {
    const ssize_t n = ::write(fd, text.data() + done, text.size() - done);
    if (n <= 0) ::_exit(3);
    done += std::size_t(n);
  }
}

bool parse(const std::string& text, int& index, Verdict& verdict) {
  std::vector<std::string> fields;
  std::size_t at = 0;
  for (int i = 0; i < 5; ++i) {
    const std::size_t end = text.find('\n', at);
    if (end == std::string::npos) return false;
    fields.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  index = std::stoi(fields[0]);
  verdict = {Outcome(std::stoi(fields[1])), fields[2], fields[3], std::stoi(fields[4]),
             text.substr(at)};
  return true;
}

[[noreturn]] void run_batch(std::span<CaseResult> results, std::size_t first,
                            const SessionOptions& session, int fd) {
  for (std::size_t i = first; i < results.size(); ++i) {
    ::alarm(kCaseSeconds);
    const Verdict verdict = run_case(results[i].test, session);
    ::alarm(0);
    send(fd, int(i), verdict);
  }
  ::_exit(0);
}

// Runs cases from `first` on in a child; returns the case to go on with.
std::size_t run_until_crash(std::span<CaseResult> results, std::size_t first,
                            const SessionOptions& session) {
  int pipes[2];
  if (::pipe(pipes) != 0) std::exit(1);
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child < 0) std::exit(1);
  if (child == 0) {
    ::close(pipes[0]);
    run_batch(results, first, session, pipes[1]);
  }
  ::close(pipes[1]);
  std::string text;
  std::size_t next = first;
  char buffer[4096];
  for (ssize_t n; (n = ::read(pipes[0], buffer, sizeof(buffer))) > 0;) {
    text.append(buffer, std::size_t(n));
    for (std::size_t end; (end = text.find('\0')) != std::string::npos; text.erase(0, end + 1)) {
      int index = 0;
      Verdict verdict;
      if (!parse(text.substr(0, end), index, verdict)) continue;
      results[std::size_t(index)].verdict = std::move(verdict);
      next = std::size_t(index) + 1;
    }
  }
  ::close(pipes[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  if (next >= results.size()) return next;
  Verdict& crashed = results[next].verdict;
  crashed.outcome = Outcome::kCrashed;
  crashed.reason = WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM
                       ? fmt::format("not done after {} s", kCaseSeconds)
                   : WIFSIGNALED(status)
                       ? fmt::format("ended by signal {}", ::strsignal(WTERMSIG(status)))
                       : fmt::format("ended with status {}", WEXITSTATUS(status));
  return next + 1;
}

void run(std::vector<CaseResult>& results, const SessionOptions& session) {
  const bool terminal = ::isatty(STDERR_FILENO);
  for (std::size_t next = 0; next < results.size();) {
    next = run_until_crash(results, next, session);
    if (terminal) fmt::print(stderr, "\r{} of {} cases", next, results.size());
  }
  if (terminal) fmt::print(stderr, "\n");
}

// What the file of --must-pass says of node cases.
struct Demands {
  using Patterns = std::vector<std::pair<std::string, std::regex>>;
  Patterns pass, left_out, wrong_data;

  static Result<Demands> read(const std::string& path) {
    TRY_VALUE(const std::string text, read_file(path, 1 << 20));
    Demands demands;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = std::min(text.find('\n', at), text.size());
      const std::string line = text.substr(at, end - at);
      at = end + 1;
      if (line.empty() || line[0] == '#') continue;
      if (line[0] == '!') demands.left_out.emplace_back(line, std::regex(line.substr(1)));
      else if (line[0] == '~') demands.wrong_data.emplace_back(line, std::regex(line.substr(1)));
      else demands.pass.emplace_back(line, std::regex(line));
    }
    return demands;
  }
};

bool names(const Demands::Patterns& patterns, const std::string& name) {
  return std::ranges::any_of(patterns,
                             [&](const auto& p) { return std::regex_match(name, p.second); });
}

// Cases that did not end as the file demands; lines that name no such case.
std::vector<std::string> breaches(const Demands& demands, std::span<const CaseResult> results) {
  std::vector<std::string> found;
  const auto check_use = [&](const Demands::Patterns& patterns, bool failed) {
    for (const auto& [line, regex] : patterns) {
      const bool used = std::ranges::any_of(results, [&regex = regex, failed](const auto& result) {
        return result.test.suite == "node" && std::regex_match(result.test.name, regex) &&
               (!failed || result.verdict.outcome == Outcome::kFailed);
      });
      if (!used) {
        found.push_back(fmt::format("'{}' names no case{}", line, failed ? " that fails" : ""));
      }
    }
  };
  check_use(demands.pass, false);
  check_use(demands.wrong_data, true);
  for (const auto& [test, verdict] : results) {
    if (test.suite != "node" || verdict.outcome == Outcome::kPassed) continue;
    if (verdict.outcome == Outcome::kFailed && !names(demands.wrong_data, test.name)) {
      found.push_back(fmt::format("{} failed: {}", test.name, verdict.reason));
    } else if (names(demands.pass, test.name) && !names(demands.left_out, test.name)) {
      found.push_back(fmt::format("{} must pass: {}", test.name, verdict.reason));
    }
  }
  return found;
}

int judge(const Arguments& arguments, const std::vector<CaseResult>& results) {
  int status = 0, passed = 0;
  for (const auto& [test, verdict] : results) {
    passed += test.suite == "node" && verdict.outcome == Outcome::kPassed;
    if (verdict.outcome != Outcome::kCrashed) continue;
    fmt::print(stderr, "crashed: {}/{}: {}\n", test.suite, test.name, verdict.reason);
    if (arguments.require >= 0) status = 1;
  }
  if (passed < arguments.require) {
    fmt::print(stderr, "{} node cases passed; {} are required\n", passed, arguments.require);
    status = 1;
  }
  if (arguments.must_pass.empty()) return status;
  const auto demands = Demands::read(arguments.must_pass);
  if (!demands.ok()) {
    fmt::print(stderr, "{}\n", demands.error().message);
    return 1;
  }
  const auto found = breaches(*demands, results);
  for (const std::string& breach : found) {
    fmt::print(stderr, "{}: {}\n", arguments.must_pass, breach);
  }
  return found.empty() ? status : 1;
}

// False: usage.
bool read_arguments(int count, char** words, Arguments& arguments) {
  for (int i = 1; i < count; ++i) {
    const std::string word = words[i];
    std::string* text = word == "--data"        ? &arguments.data
                        : word == "--only"      ? &arguments.only
                        : word == "--markdown"  ? &arguments.markdown
                        : word == "--must-pass" ? &arguments.must_pass
                                                : nullptr;
    if (text || word == "--require" || word == "--target") {
      if (++i == count) return false;
      if (text) *text = words[i];
      else if (word == "--target") arguments.session.isa = kernel::isa_from_name(words[i]);
      else arguments.require = std::atoi(words[i]);
      if (word == "--target" && !arguments.session.isa) return false;
    } else if (word == "--list-failed") {
      arguments.list_failed = true;
    } else if (word == "--json") {
      arguments.as_json = true;
    } else if (word == "--reference") {
      arguments.session.reference = true;
    } else {
      return false;
    }
  }
  return true;
}

int main(int count, char** words) {
  Arguments arguments;
  if (!read_arguments(count, words, arguments)) {
    fmt::print(stderr, "{}", kUsage);
    return 2;
  }
  if (const auto isa = arguments.session.isa; isa && !kernel::cpu_supports(*isa)) {
    fmt::print(stderr, "this machine does not run {}\n", kernel::isa_name(*isa));
    return kSkipped;
  }
  std::vector<CaseResult> results;
  const std::regex only(arguments.only);
  for (Case& test : find_cases(arguments.data)) {
    if (!std::regex_search(test.suite + "/" + test.name, only)) continue;
    results.push_back({std::move(test), {}});
  }
  if (results.empty()) {
    fmt::print(stderr, "{}: no cases; install package libonnx-testdata (scripts/setup test)\n",
               arguments.data);
    return arguments.only.empty() ? kSkipped : 1;
  }
  run(results, arguments.session);
  if (arguments.as_json) {
    fmt::print("{}", json(results));
  } else {
    if (arguments.list_failed) fmt::print("{}\n", failures(results));
    fmt::print("{}", summary(results));
  }
  if (!arguments.markdown.empty()) {
    const Status status = write_file_atomic(arguments.markdown, markdown(results));
    if (!status.ok()) {
      fmt::print(stderr, "{}\n", status.error().message);
      return 1;
    }
  }
  return judge(arguments, results);
}

}  // namespace
}  // namespace polder::conformance

int main(int count, char** words) {
  try {
    return polder::conformance::main(count, words);
  } catch (const std::regex_error& error) {
    fmt::print(stderr, "not a regular expression: {}\n", error.what());
    return 2;
  }
}
