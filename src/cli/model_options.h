// The options by which every command opens a model.
#pragma once

#include <deque>
#include <vector>

#include "cli/args.h"
#include "sdk/open.h"
#include "sdk/tensor_file.h"

namespace polder::cli {

#define POLDER_MODEL_OPTIONS                                                                    \
  {"--shape", "NAME=D,D,...", "extents of an input; -1 keeps what the model says", true},       \
      {"--bound", "NAME=N",                                                                     \
       "largest extent of a free dimension: its name, or input[axis]; or of all of an input: "  \
       "NAME=D,D,...",                                                                          \
       true},                                                                                   \
      {"--bind", "NAME=VALUE", "fixes an input: a number, numbers with commas, or FILE.npy",    \
       true},                                                                                   \
      {"--target", "ISA",                                                                       \
       "whose kernels to run: generic, x86-64-v3, x86-64-v4 or arm64 (default: this machine)"}, \
  {                                                                                             \
    "--without", "PASS", "leaves out an optimisation pass", true                                \
  }

// Of the commands that run it.
#define POLDER_RUN_OPTIONS                                                \
  {"--threads", "N", "threads, 1 to 256 (default 1)"}, {                  \
    "--max-iterations", "N", "of all loops of one run (default 16777216)" \
  }

// Options of a model, and the tensors that its bindings borrow.
struct ModelOptions {
  OpenOptions open;
  std::deque<OwnedTensor> bound;
};

Result<ModelOptions> model_options(const Args& args);

}  // namespace polder::cli
