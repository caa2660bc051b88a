#include "cli/play.h"

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string_view>

#include "base/fail.h"
#include "base/json_text.h"
#include "pipeline/player.h"
#include "pipeline/stats_json.h"
#include "platform/host.h"
#include "platform/terminal.h"

namespace polder::cli {
namespace {

constexpr const char* kUsage =
    "usage: polder play PIPELINE.toml [options]\n"
    "\n"
    "Runs a pipeline: sources, steps and sinks as the TOML file connects them. A recording is "
    "replayed\n"
    "as fast as it goes, with the same events for any number of threads.\n"
    "\n"
    "  --out DIR             where outputs go (default: out; $POLDER_OUT)\n"
    "  --threads N           threads, 1 to 64 (default: one per CPU, at most 4; $POLDER_THREADS)\n"
    "  --set NODE.KEY=VALUE  overrides a setting of the file; may be repeated\n"
    "  --realtime            frames come at the speed of the recording, and edges drop what is "
    "late\n"
    "  --json                the summary as JSON on stdout\n"
    "  --reference           prints all node types and their options as Markdown\n";

// The one thing that a signal handler may touch.
std::atomic<bool> g_stop{false};
static_assert(std::atomic<bool>::is_always_lock_free);

struct Arguments {
  pipeline::PlayOptions play;
  bool json = false, reference = false, help = false;
};

std::optional<int> to_number(std::string_view text) {
  int value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc() || end != text.data() + text.size()) return {};
  return value;
}

Status set_threads(std::string_view text, std::string_view from, Arguments& arguments) {
  const auto value = to_number(text);
  if (!value || *value < 1 || *value > pipeline::kMaxPlayThreads)
    return fail(Code::kInvalid, "{} is '{}'; expected 1 to {}", from, text,
                pipeline::kMaxPlayThreads);
  arguments.play.threads = *value;
  return {};
}

Status read_environment(Arguments& arguments) {
  arguments.play.threads = std::min(usable_cores(), 4);
  if (const char* out = std::getenv("POLDER_OUT"); out && *out) arguments.play.output_folder = out;
  if (const char* threads = std::getenv("POLDER_THREADS"); threads && *threads)
    return set_threads(threads, "POLDER_THREADS", arguments);
  return {};
}

Result<Arguments> read_arguments(int argc, char** argv) {
  Arguments arguments;
  TRY(read_environment(arguments));
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    const bool takes_value = word == "--out" || word == "--threads" || word == "--set";
    if (takes_value && i + 1 == argc) return fail(Code::kInvalid, "{} needs a value", word);
    if (word == "--out") arguments.play.output_folder = argv[++i];
    else if (word == "--threads") TRY(set_threads(argv[++i], word, arguments));
    else if (word == "--set") arguments.play.settings.emplace_back(argv[++i]);
    else if (word == "--realtime") arguments.play.realtime = true;
    else if (word == "--json") arguments.json = true;
    else if (word == "--reference") arguments.reference = true;
    else if (word == "--help" || word == "-h") arguments.help = true;
    else if (word.starts_with('-')) return fail(Code::kInvalid, "unknown option {}", word);
    else if (arguments.play.file.empty()) arguments.play.file = word;
    else return fail(Code::kInvalid, "one pipeline at a time; '{}' is a second one", word);
  }
  if (arguments.play.file.empty() && !arguments.reference && !arguments.help)
    return fail(Code::kInvalid, "which pipeline? name its TOML file");
  return arguments;
}

void show_progress(const pipeline::Progress& progress) {
  const double rate = progress.elapsed_s > 0 ? double(progress.frames) / progress.elapsed_s : 0;
  std::string line = fmt::format("\r{} frames, {:.1f} frames/s", progress.frames, rate);
  if (progress.expected > 0 && rate > 0) {
    const double share = std::min(1.0, double(progress.frames) / double(progress.expected));
    const std::size_t filled = std::size_t(share * 24);
    line = fmt::format("\r[{}{}] {}/{} frames, {:.1f} frames/s, {:.0f} s left",
                       std::string(filled, '='), std::string(24 - filled, ' '), progress.frames,
                       progress.expected, rate, double(progress.expected) * (1 - share) / rate);
  }
  std::fprintf(stderr, "%s\033[K", line.c_str());
  std::fflush(stderr);
}

int report_error(const Error& error, bool json) {
  if (json)
    std::printf("{\"error\":{\"code\":\"%s\",\"message\":%s}}\n",
                std::string(code_name(error.code)).c_str(), json_quote(error.message).c_str());
  std::fprintf(stderr, "polder play: %s\n", error.message.c_str());
  return 1;
}

int run(Arguments& arguments) {
  const bool terminal = stderr_is_terminal();
  if (terminal) arguments.play.on_progress = show_progress;
  arguments.play.stop = &g_stop;
  const auto end_early = [](int signal) {
    g_stop = true;
    std::signal(signal, SIG_DFL);  // a second one kills
  };
  std::signal(SIGINT, end_early);
  std::signal(SIGTERM, end_early);

  const auto stats = pipeline::play(arguments.play);
  if (terminal) std::fputs("\r\033[K", stderr);
  if (!stats.ok()) return report_error(stats.error(), arguments.json);
  std::fputs(arguments.json ? (pipeline::stats_json(*stats) + "\n").c_str()
                            : pipeline::summary_text(*stats).c_str(),
             stdout);
  for (const std::string& problem : stats->problems)
    std::fprintf(stderr, "polder play: %s\n", problem.c_str());
  if (!arguments.json) std::printf("outputs are in %s\n", arguments.play.output_folder.c_str());
  return stats->problems.empty() ? 0 : 1;
}

}  // namespace

int play_main(int argc, char** argv, const pipeline::ExecutorFactory& open_model) {
  auto arguments = read_arguments(argc, argv);
  if (!arguments.ok()) {
    std::fprintf(stderr, "polder play: %s\n\n%s", arguments.error().message.c_str(), kUsage);
    return 2;
  }
  if (arguments->help || arguments->reference) {
    std::fputs(arguments->help ? kUsage : pipeline::reference_markdown().c_str(), stdout);
    return 0;
  }
  arguments->play.open_model = open_model;
  return run(*arguments);
}

}  // namespace polder::cli
