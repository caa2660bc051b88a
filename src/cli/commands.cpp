// The list of commands, in the order of the help.
#include "cli/commands.h"

#include "cli/play.h"
#include "sdk/open.h"

namespace polder::cli {

namespace {

// Pipelines run their models by the native session.
Result<std::unique_ptr<Executor>> open_model(const std::string& path, int threads) {
  auto session = open_session(path, {.threads = threads});
  if (!session) return std::move(session).error();
  return std::unique_ptr<Executor>(std::move(*session));
}

int play(int argc, char** argv) { return play_main(argc, argv, open_model); }

}  // namespace

const Command kPlay = {
    .name = "play",
    .summary = "Runs a pipeline: sources, steps and sinks that a TOML file connects.",
    .main = play};

std::span<const Command* const> commands() {
  static constexpr const Command* kCommands[] = {&kInspect, &kCompile, &kRun,
                                                 &kBench,   &kProfile, &kPlay};
  return kCommands;
}

}  // namespace polder::cli
