// polder play: runs a pipeline file.
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <string>

#include "agent/baseline_maker.h"
#include "base/fail.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/output_file.h"
#include "pipeline/player.h"
#include "pipeline/stats_json.h"
#include "platform/file.h"
#include "platform/host.h"
#include "platform/terminal.h"
#include "sdk/open.h"

namespace polder::cli {
namespace {

Status check_set(std::string_view, const std::string& value) {
  const auto given = pipeline::parse_override(value);
  return given ? Status() : Status(given.error());
}

constexpr Option kOptions[] = {
    {"--out", "DIR", "where outputs go (default out)"},
    {"--threads", "N", "threads, 1 to 64 (default: one per CPU, at most 4)", false,
     whole<1, pipeline::kMaxPlayThreads>},
    {"--set", "NODE.KEY=VALUE",
     "overrides a setting of the file; paths start at the file's folder, too", true, check_set},
    {"--realtime", "", "frames come at the recording's speed, and edges drop what is late"},
    {"--baselines", "FILE",
     "writes how its signals are distributed, as [[baseline]] tables for release.toml"},
    {"--json", "", "prints the summary as JSON"},
    {"--reference", "", "prints all node types and their settings as Markdown"}};

// The one thing that a signal handler may touch.
std::atomic<bool> g_stop{false};
static_assert(std::atomic<bool>::is_always_lock_free);

// Pipelines run their models by the native session.
Result<std::unique_ptr<Executor>> open_model(const pipeline::ModelRequest& request) {
  auto session = open_session(
      request.path,
      {.threads = request.threads, .shapes = request.shapes, .bounds = request.bounds});
  if (!session) return std::move(session).error();
  return std::unique_ptr<Executor>(std::move(*session));
}

pipeline::PlayOptions play_options(const Args& args) {
  pipeline::PlayOptions options;
  options.file = args.positional()[0];
  options.output_folder = args.text("--out", "out");
  options.threads = int(args.integer("--threads", std::min(usable_cores(), 4)));
  options.settings = args.all("--set");
  options.realtime = args.has("--realtime");
  options.open_model = open_model;
  options.stop = &g_stop;
  return options;
}

Status write_baselines(const agent::BaselineMaker& maker, const std::string& path) {
  TRY_VALUE(const std::string toml, maker.toml());
  TRY(write_file_atomic(path, toml));
  for (const auto& [signal, count] : maker.short_ones()) {
    std::fprintf(stderr, "polder: %s: %zu values, and a device compares with %llu or more\n",
                 one_line(signal).c_str(), count,
                 static_cast<unsigned long long>(telemetry::kMinPsiCount));
  }
  return {};
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

void stop_on_signals() {
  const auto end_early = [](int signal) {
    g_stop = true;
    std::signal(signal, SIG_DFL);  // a second one kills
  };
  std::signal(SIGINT, end_early);
  std::signal(SIGTERM, end_early);
}

// 1 when outputs are there but something went wrong on the way, such as a recording that is cut.
Result<int> run(const Args& args) {
  if (args.has("--reference")) {
    std::fputs(pipeline::reference_markdown().c_str(), stdout);
    return 0;
  }
  if (args.positional().empty()) {
    return wrong_usage(kPlay, fail(Code::kInvalid, "which pipeline? Name its TOML file"),
                       args.has("--json"));
  }
  TRY(check_output(args, "--baselines"));
  pipeline::PlayOptions options = play_options(args);
  agent::BaselineMaker baselines;
  if (args.has("--baselines")) {
    options.observer = &baselines;
    options.on_ready = [&](const pipeline::Graph& graph) {
      baselines.begin(graph);
      return Status();
    };
  }
  const bool terminal = stderr_is_terminal();
  if (terminal) options.on_progress = show_progress;
  stop_on_signals();
  auto stats = pipeline::play(options);
  if (terminal) std::fputs("\r\033[K", stderr);
  if (!stats) return std::move(stats).error();
  if (args.has("--baselines")) {
    // One that ended early is no reference.
    if (g_stop || !stats->problems.empty())
      std::fputs("polder: no baselines are written\n", stderr);
    else TRY(write_baselines(baselines, args.text("--baselines")));
  }
  const bool json = args.has("--json");
  std::fputs(
      json ? (pipeline::stats_json(*stats) + "\n").c_str() : pipeline::summary_text(*stats).c_str(),
      stdout);
  if (!json) std::printf("outputs are in %s\n", one_line(options.output_folder).c_str());
  if (g_stop)
    std::fputs("polder: stopped by a signal: they hold what was seen until then\n", stderr);
  for (const std::string& problem : stats->problems)
    std::fprintf(stderr, "polder: %s\n", one_line(problem).c_str());
  return stats->problems.empty() ? 0 : 1;
}

}  // namespace

const Command kPlay = {
    .name = "play",
    .summary =
        "Runs a pipeline: sources, steps and sinks as a TOML file connects them. A "
        "recording is\nreplayed as fast as it goes, with the same events for any number "
        "of threads.",
    .arguments = "PIPELINE.toml",
    .example =
        "  polder play examples/people-counting/pipeline.toml --out out --threads 2\n"
        "  polder play pipeline.toml --set camera.path=judged.mp4 --baselines baselines.toml",
    .options = kOptions,
    .min_positional = 0,
    .max_positional = 1,
    .run = run};

}  // namespace polder::cli
