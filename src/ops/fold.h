// Constant folding of one node.
#pragma once

#include "ops/op.h"

namespace polder::ops {

// Folding never makes a constant larger than this, unless its inputs are.
inline constexpr std::size_t kMaxFoldedBytes = 1u << 20;

// When everything that node `index` computes is known (constant inputs, or inferred elements),
// turns its outputs into constants and returns true; the node is left for the caller to remove.
// False when something is not known, or folding would only make the model larger.
bool fold_node(Graph& graph, std::size_t index);

}  // namespace polder::ops
