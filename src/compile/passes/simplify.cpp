// simplify: replaces groups of nodes by the one operator that they spell out.
#include <cmath>

#include "compile/passes/passes.h"
#include "compile/rewrite.h"

namespace polder::compile {

namespace {

bool near(double a, double b) { return std::abs(a - b) <= 1e-6 * std::max(1.0, std::abs(b)); }

// The other factor when one input of `node` is a constant scalar.
bool scalar_operand(const Graph& graph, const Node& node, double& constant, ValueId& other) {
  for (int i = 0; i < 2; ++i) {
    if (scalar(graph[node.inputs[std::size_t(i)]], constant)) {
      other = node.inputs[std::size_t(1 - i)];
      return true;
    }
  }
  return false;
}

// False, and nothing is changed, where the group has a shape of its own: a scalar of rank 2 makes
// [3] into [1,3].
bool become(Rewriter& rewriter, Node& node, std::string_view op, ValueId input) {
  const Graph& graph = rewriter.graph;
  if (!(graph[node.outputs[0]].dims == graph[input].dims)) return false;
  node.op = op;
  node.attrs = {};
  node.inputs = {input};
  rewriter.changed(node);
  return true;
}

// x * sigmoid(x), x * hard_sigmoid(x) with slope 1/6.
bool gated(Rewriter& rewriter, Node& node) {
  for (int i = 0; i < 2; ++i) {
    const Node* gate = rewriter.producer(node.inputs[std::size_t(i)]);
    const ValueId x = node.inputs[std::size_t(1 - i)];
    if (!gate || gate->inputs.empty() || gate->inputs[0] != x) continue;
    if (gate->op == "Sigmoid") return become(rewriter, node, "Silu", x);
    if (gate->op == "HardSigmoid" && near(gate->attrs.real("alpha", 0.2), 1.0 / 6) &&
        near(gate->attrs.real("beta", 0.5), 0.5)) {
      return become(rewriter, node, "HardSwish", x);
    }
  }
  return false;
}

// clamp(x + 3, 0, 6) * x / 6 and the same with the division first; `clamped` is the clamp's output.
bool is_relu6_of_x_plus_3(Rewriter& rewriter, ValueId clamped, ValueId x) {
  const Node* clamp = rewriter.producer(clamped);
  if (!clamp || clamp->op != "Clamp" || !near(clamp->attrs.real("min", -1), 0) ||
      !near(clamp->attrs.real("max", -1), 6)) {
    return false;
  }
  const Node* add = rewriter.producer(clamp->inputs[0]);
  double three = 0;
  ValueId other = kNoValue;
  return add && add->op == "Add" && scalar_operand(rewriter.graph, *add, three, other) &&
         near(three, 3) && (x == kNoValue || other == x);
}

bool hard_swish(Rewriter& rewriter, Node& node) {
  const Graph& graph = rewriter.graph;
  // (x * clamp(x + 3, 0, 6)) / 6
  double c = 0;
  ValueId other = kNoValue;
  const bool divides = node.op == "Div" && scalar(graph[node.inputs[1]], c) && near(c, 6);
  if (divides) other = node.inputs[0];
  if (divides || (node.op == "Mul" && scalar_operand(graph, node, c, other) && near(c, 1.0 / 6))) {
    const Node* product = rewriter.producer(other);
    if (!product || product->op != "Mul") return false;
    for (int i = 0; i < 2; ++i) {
      const ValueId x = product->inputs[std::size_t(i)];
      if (is_relu6_of_x_plus_3(rewriter, product->inputs[std::size_t(1 - i)], x)) {
        return become(rewriter, node, "HardSwish", x);
      }
    }
    return false;
  }
  // x * (clamp(x + 3, 0, 6) / 6)
  if (node.op != "Mul") return false;
  for (int i = 0; i < 2; ++i) {
    const ValueId x = node.inputs[std::size_t(i)];
    const Node* scaled = rewriter.producer(node.inputs[std::size_t(1 - i)]);
    if (!scaled) continue;
    ValueId clamped = kNoValue;
    const bool sixth =
        (scaled->op == "Div" && scalar(graph[scaled->inputs[1]], c) && near(c, 6)) ||
        (scaled->op == "Mul" && scalar_operand(graph, *scaled, c, clamped) && near(c, 1.0 / 6));
    if (!sixth) continue;
    if (scaled->op == "Div") clamped = scaled->inputs[0];
    if (is_relu6_of_x_plus_3(rewriter, clamped, x)) return become(rewriter, node, "HardSwish", x);
  }
  return false;
}

// clamp of a clamp.
bool nested_clamp(Rewriter& rewriter, Node& node) {
  Node* inner = rewriter.sole_producer(node.inputs[0], "Clamp");
  if (node.op != "Clamp" || !inner) return false;
  constexpr double kInf = std::numeric_limits<double>::infinity();
  const double low = node.attrs.real("min", -kInf), high = node.attrs.real("max", kInf);
  const auto clamp = [&](double x) { return std::min(std::max(x, low), high); };
  node.attrs.set("min", clamp(inner->attrs.real("min", -kInf)));
  node.attrs.set("max", clamp(inner->attrs.real("max", kInf)));
  node.inputs[0] = inner->inputs[0];
  rewriter.changed(node);
  return true;
}

}  // namespace

Status simplify(Graph& graph) {
  Rewriter rewriter(graph);
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    Node& node = graph.nodes[n];
    if (node.inputs.empty()) continue;
    if ((node.op == "Mul" && gated(rewriter, node)) ||
        ((node.op == "Mul" || node.op == "Div") && hard_swish(rewriter, node)) ||
        nested_clamp(rewriter, node)) {
      TRY(ops::infer_node(graph, n));
    }
  }
  return rewriter.finish();
}

}  // namespace polder::compile
