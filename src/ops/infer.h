// Shape inference over nodes and graphs.
#pragma once

#include "ops/op.h"

namespace polder::ops {

// Infers the outputs of graph.nodes[index] from what its inputs know now. Errors name the node.
Status infer_node(Graph& graph, std::size_t index);
// All nodes, in order.
Status infer_graph(Graph& graph);
// What the graph knows of a value, as an operator sees it.
ValueInfo info_of(const Value& value);
// Infers a body for these inputs (a copy of it is filled in); `outputs` gets its results.
Status infer_body(Graph& body, std::span<const ValueInfo> inputs);

}  // namespace polder::ops
