// What the fuzz targets share: which models are small enough, and running what was opened.
#pragma once

#include "graph/graph.h"
#include "runtime/session.h"

namespace polder::fuzz {

// Whether compiling and running the graph takes little: few nodes, small tensors, short loops.
bool is_small(const Graph& graph);
// The same of a plan, checked or not.
bool is_small(const Plan& plan);

// A copy at an aligned place, like a mapped file, behind whose end nothing may be read.
Bytes exact_copy(std::span<const std::byte> bytes);

// Opens the plan and runs it: with inputs at their bounds, then at half of each free extent.
// Inputs hold what `seed` makes of them. While a node of the main graph runs, memory of the arena
// that is neither its inputs, outputs, workspace nor bodies is poisoned: a kernel that goes beyond
// its tensors is caught by the address sanitizer although the arena is one block.
void open_and_run(Plan plan, std::uint32_t seed);

}  // namespace polder::fuzz
