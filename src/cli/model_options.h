// The options by which every command opens a model.
#pragma once

#include <deque>
#include <vector>

#include "cli/args.h"
#include "runtime/tensor_file.h"
#include "sdk/open.h"

namespace polder::cli {

// Of the values of these options, before any file is read.
Status check_shape(std::string_view option, const std::string& value);
Status check_bound(std::string_view option, const std::string& value);
Status check_binding(std::string_view option, const std::string& value);
Words target_names();
Words pass_names();
Status check_target(std::string_view option, const std::string& value);
Status check_pass(std::string_view option, const std::string& value);

#define POLDER_MODEL_OPTIONS                                                                       \
  {"--shape", "NAME=D,D,...", "extents of an input; -1 keeps what the model says", true,           \
   check_shape},                                                                                   \
      {"--bound", "NAME=N",                                                                        \
       "largest extent of a free dimension: its name, or input[axis]; or of all of an input: "     \
       "NAME=D,D,..., -1 where the model says it",                                                 \
       true, check_bound},                                                                         \
      {"--bind", "NAME=VALUE", "fixes an input: a number, numbers with commas, or FILE.npy", true, \
       check_binding},                                                                             \
      {"--target",                                                                                 \
       "ISA",                                                                                      \
       "whose kernels to run: generic, x86-64-v3, x86-64-v4 or arm64 (default: this machine)",     \
       false,                                                                                      \
       {check_target, target_names}},                                                              \
  {                                                                                                \
    "--without", "PASS", "leaves out an optimisation pass", true, { check_pass, pass_names }       \
  }

// Of the commands that run it.
#define POLDER_RUN_OPTIONS                                                        \
  {"--threads", "N", "threads, 1 to 256 (default 1)", false, whole<1, 256>}, {    \
    "--max-iterations", "N", "of all loops of one run (default 16777216)", false, \
        whole<1, INT64_MAX>                                                       \
  }

// Options of a model, and the tensors that its bindings borrow.
struct ModelOptions {
  OpenOptions open;
  std::deque<OwnedTensor> bound;
};

Result<ModelOptions> model_options(const Args& args);

// A number is a scalar, numbers with commas are a vector; whole ones are i64, others f32.
Result<OwnedTensor> parse_numbers(std::string_view option, const std::string& text);

}  // namespace polder::cli
