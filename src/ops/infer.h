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
// Infers a body for these inputs.
Status infer_body(Graph& body, const BodyInputs& inputs);

}  // namespace polder::ops
