// fold: computes now what does not depend on the inputs, and drops nodes that change nothing.
#include "ops/fold.h"

#include <algorithm>

#include "compile/passes/passes.h"
#include "compile/rewrite.h"

namespace polder::compile {

namespace {

bool same_dims(const Value& a, const Value& b) { return a.dims == b.dims && a.type == b.type; }

// A node whose output is its input 0.
bool changes_nothing(const Graph& graph, const Node& node) {
  if (node.inputs.empty() || node.inputs[0] == kNoValue || node.outputs.size() != 1) return false;
  const Value& in = graph[node.inputs[0]];
  const Value& out = graph[node.outputs[0]];
  if (node.op == "Identity") return true;
  if (node.op == "Cast" || node.op == "Reshape" || node.op == "Squeeze" || node.op == "Unsqueeze" ||
      node.op == "Flatten" || node.op == "Expand") {
    return same_dims(in, out);
  }
  if (node.op == "Transpose") {
    const auto perm = node.attrs.integers("perm");
    for (std::size_t i = 0; i < perm.size(); ++i) {
      if (perm[i] != std::int64_t(i)) return false;
    }
    return !perm.empty() || in.dims.rank() <= 1;
  }
  return false;
}

}  // namespace

Status fold(Graph& graph) {
  Rewriter rewriter(graph);
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    TRY(ops::infer_node(graph, n));
    if (ops::fold_node(graph, n)) rewriter.remove(graph.nodes[n]);
  }
  for (Node& node : graph.nodes) {
    if (node.op.empty() || !changes_nothing(graph, node)) continue;
    // An output of the graph keeps its name, and must not be an input of it.
    const ValueId in = node.inputs[0], out = node.outputs[0];
    if (rewriter.is_output(out)) continue;
    rewriter.replace(out, in);
    rewriter.remove(node);
  }
  return rewriter.finish();
}

}  // namespace polder::compile
