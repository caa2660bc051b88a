// The last step of compilation: kernels chosen, constants packed, memory planned, plan written.
#pragma once

#include "compile/compile.h"

namespace polder::compile {

// `graph` is optimised, and taken apart while it is written so that weights are held once.
Result<CompiledPlan> write_plan(Graph graph, const CompileOptions& options);

}  // namespace polder::compile
