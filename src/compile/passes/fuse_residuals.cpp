// fuse_residuals: an Add of a convolution's (or Linear's) result and a tensor of the same shape
// becomes the convolution's residual input.
#include "compile/passes/passes.h"
#include "compile/rewrite.h"

namespace polder::compile {

namespace {

bool can_take_residual(Rewriter& rewriter, const Node& add, int side) {
  const Graph& graph = rewriter.graph;
  const ValueId own = add.inputs[std::size_t(side)], other = add.inputs[std::size_t(1 - side)];
  const Node* node = rewriter.producer(own);
  if (!node || (node->op != "Conv" && node->op != "Linear") || own == other ||
      !rewriter.read_once(own))
    return false;
  if (node->inputs.size() > 3 && node->inputs[3] != kNoValue) return false;
  return graph[own].type == DataType::kF32 && graph[own].dims == graph[other].dims &&
         !graph[other].is_constant();
}

}  // namespace

Status fuse_residuals(Graph& graph) {
  Rewriter rewriter(graph);
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    Node& add = graph.nodes[n];
    if (add.op != "Add") continue;
    // Of two candidates the later one takes the other as its residual: that one is computed then.
    int side = -1;
    for (int i = 0; i < 2; ++i) {
      if (!can_take_residual(rewriter, add, i)) continue;
      if (side < 0 || rewriter.producer_index(add.inputs[std::size_t(i)]) >
                          rewriter.producer_index(add.inputs[std::size_t(side)])) {
        side = i;
      }
    }
    if (side < 0) continue;
    Node& node = *rewriter.producer(add.inputs[std::size_t(side)]);
    const ValueId other = add.inputs[std::size_t(1 - side)];
    node.inputs.resize(4, kNoValue);
    node.inputs[3] = other;
    if (node.attrs.text("activation", "none") != "none")
      node.attrs.set("residual_after", std::int64_t(1));
    node.outputs[0] = add.outputs[0];
    add = Node();
    rewriter.changed(node);
  }
  return rewriter.finish();
}

}  // namespace polder::compile
