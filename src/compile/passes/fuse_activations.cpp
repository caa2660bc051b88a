// fuse_activations: an activation that alone reads a convolution or matrix product becomes its
// epilogue (ops/fused.h names them).
#include "compile/passes/passes.h"
#include "compile/rewrite.h"

namespace polder::compile {

namespace {

// The fused attributes of an activation node; false when it is not one.
bool fused_attributes(const Node& node, std::string& activation, double& alpha, double& beta) {
  constexpr double kInf = std::numeric_limits<double>::infinity();
  struct Simple {
    std::string_view op, activation;
  };
  static constexpr Simple kSimple[] = {{"Sigmoid", "sigmoid"}, {"Tanh", "tanh"},
                                       {"Silu", "silu"},       {"HardSwish", "hard_swish"},
                                       {"Mish", "mish"},       {"Softplus", "softplus"}};
  for (const Simple& simple : kSimple) {
    if (node.op == simple.op) return activation = simple.activation, true;
  }
  if (node.op == "Clamp") {
    activation = "clamp";
    alpha = node.attrs.real("min", -kInf);
    beta = node.attrs.real("max", kInf);
    return true;
  }
  if (node.op == "HardSigmoid") {
    activation = "hard_sigmoid";
    alpha = node.attrs.real("alpha", 0.2);
    beta = node.attrs.real("beta", 0.5);
    return true;
  }
  if (node.op == "LeakyRelu") {
    activation = "leaky_relu";
    alpha = node.attrs.real("alpha", 0.01);
    return true;
  }
  return false;
}

}  // namespace

Status fuse_activations(Graph& graph) {
  Rewriter rewriter(graph);
  for (Node& node : graph.nodes) {
    if (node.op != "Conv" && node.op != "Linear" && node.op != "ConvTranspose") continue;
    if (node.attrs.text("activation", "none") != "none" || node.attrs.integer("residual_after", 0))
      continue;
    if (graph[node.outputs[0]].type != DataType::kF32) continue;
    Node* next = rewriter.sole_reader(node.outputs[0]);
    std::string activation;
    double alpha = 0, beta = 0;
    if (!next || next->inputs.size() != 1 || !fused_attributes(*next, activation, alpha, beta))
      continue;
    node.attrs.set("activation", activation);
    node.attrs.set("alpha", alpha);
    node.attrs.set("beta", beta);
    node.outputs[0] = next->outputs[0];
    *next = Node();
    rewriter.changed(node);
  }
  return rewriter.finish();
}

}  // namespace polder::compile
