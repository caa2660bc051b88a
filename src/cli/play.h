// polder play: runs a pipeline file.
#pragma once

#include "pipeline/node.h"

namespace polder::cli {

// argv[0] is "play". Returns the exit status: 0 done, 1 failed, 2 usage.
int play_main(int argc, char** argv, const pipeline::ExecutorFactory& open_model);

}  // namespace polder::cli
