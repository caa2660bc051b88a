#include "compile/rewrite.h"

#include "compile/testing.h"

namespace polder::compile {
namespace {

Node node_of(std::string_view op, std::vector<ValueId> inputs, ValueId output) {
  Node node;
  node.op = op;
  node.inputs = std::move(inputs);
  node.outputs = {output};
  return node;
}

// Each replacement looks at one input of the one reader: were it all 300,000, this would not end.
TEST(Rewriter, ReplacesOneInputOfALargeReader) {
  Graph graph;
  const ValueId x = graph.add_value("x");
  std::vector<ValueId> inputs;
  for (int i = 0; i < 300000; ++i) inputs.push_back(graph.add_value(""));
  const ValueId y = graph.add_value("y");
  graph.inputs = {x};
  graph.outputs = {y};
  graph.nodes.push_back(node_of("Concat", inputs, y));
  Rewriter rewriter(graph);
  for (const ValueId input : inputs) rewriter.replace(input, x);
  EXPECT_EQ(graph.nodes[0].inputs, std::vector<ValueId>(inputs.size(), x));
}

TEST(Rewriter, ReadersAreCountedByInput) {
  Graph graph;
  const ValueId x = graph.add_value("x"), a = graph.add_value("a"), b = graph.add_value("b"),
                y = graph.add_value("y");
  graph.inputs = {x};
  graph.outputs = {y};
  graph.nodes = {node_of("Abs", {x}, a), node_of("Neg", {a}, b), node_of("Add", {a, b}, y)};
  Rewriter rewriter(graph);
  EXPECT_EQ(rewriter.sole_reader(a), nullptr);
  EXPECT_EQ(rewriter.sole_reader(b), &graph.nodes[2]);
  rewriter.changed(graph.nodes[2]);  // the same readers once more
  rewriter.changed(graph.nodes[1]);
  EXPECT_EQ(rewriter.sole_reader(b), &graph.nodes[2]);
  rewriter.replace(b, a);
  EXPECT_EQ(graph.nodes[2].inputs, (std::vector<ValueId>{a, a}));
  rewriter.remove(graph.nodes[1]);
  EXPECT_EQ(rewriter.sole_reader(a), nullptr);  // twice by one node
  EXPECT_EQ(rewriter.sole_reader(b), nullptr);
  EXPECT_EQ(rewriter.sole_reader(y), nullptr);  // an output
}

}  // namespace
}  // namespace polder::compile
