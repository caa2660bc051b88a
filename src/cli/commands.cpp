// The list of commands, in the order of the help.
#include "cli/commands.h"

namespace polder::cli {

std::span<const Command* const> commands() {
  static constexpr const Command* kCommands[] = {&kInspect, &kCompile, &kRun,      &kBench,
                                                 &kProfile, &kPlay,    &kOperators};
  return kCommands;
}

}  // namespace polder::cli
