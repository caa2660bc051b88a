// From a graph to a plan: passes, choice of kernels, packing, memory, file.
#pragma once

#include <string>
#include <vector>

#include "graph/graph.h"
#include "kernel/table.h"
#include "runtime/plan.h"

namespace polder::compile {

struct CompileOptions {
  // The instruction set that the plan is for.
  kernel::Isa target = kernel::best_isa();
  // Names of passes to leave out: see passes().
  std::vector<std::string> without;
  // False: constants stay as they are and every operator runs by its reference (for tests).
  bool pack = true;
  // Written into the plan: "model.onnx".
  std::string source;
};

// A pass: graph to equivalent graph. Types and dimensions are inferred before and after.
struct Pass {
  std::string_view name;
  std::string_view purpose;
  Status (*run)(Graph&);
};
// In the order in which they run.
std::span<const Pass> passes();

// Runs the passes over `graph` and its bodies. Errors: kInvalid for the name of no pass.
Status optimise(Graph& graph, const CompileOptions& options);

// The bytes of a plan in two parts, as plan_header() wants them.
struct CompiledPlan {
  Bytes program;
  Bytes constants;
  std::size_t arena_bytes = 0;

  Status write(const std::string& path) const;
  // Ready for Session::open, sharing these bytes.
  Result<Plan> load() const;
};

// Optimises and writes the plan. Errors: what inference finds; kInvalid when a free dimension has
// no bound (the message says how to give one); kExhausted.
Result<CompiledPlan> compile(Graph graph, const CompileOptions& options = {});

}  // namespace polder::compile
