// Graphs with channels first, as ONNX gives them: what is left of their transpositions.
#include "compile/testing.h"

namespace polder::compile {
namespace {

const Ints kToFirst = {0, 3, 1, 2}, kToLast = {0, 2, 3, 1};

struct Builder {
  Graph graph;

  ValueId input(const Dims& dims) {
    graph.inputs.push_back(graph.add_value("x", DataType::kF32, dims));
    return graph.inputs.back();
  }
  ValueId add(std::string_view op, std::vector<ValueId> inputs, Attrs attrs = {}) {
    const ValueId out = graph.add_value(op);
    Node node;
    node.op = node.name = op;
    node.attrs = std::move(attrs);
    node.inputs = std::move(inputs);
    node.outputs = {out};
    graph.nodes.push_back(std::move(node));
    return out;
  }
  ValueId to_first(ValueId x) { return add("Transpose", {x}, {{"perm", kToFirst}}); }
  ValueId to_last(ValueId x) { return add("Transpose", {x}, {{"perm", kToLast}}); }
  Graph finish(ValueId out) {
    graph.outputs = {out};
    return optimised(std::move(graph));
  }
};

}  // namespace

TEST(CancelTransposes, ThroughAGateOfEachChannel) {
  // Squeeze and excitation: the mean of each channel goes through convolutions, which have
  // transpositions of their own, and scales the channel.
  Builder b;
  const ValueId x = b.to_first(b.input({1, 5, 6, 8}));
  const ValueId mean = b.to_last(b.add("ReduceMean", {x}, {{"axes", Ints{2, 3}}}));
  const ValueId weights = random_constant(b.graph, {8, 1, 1, 8}, 1);
  const ValueId gate = b.add("Sigmoid", {b.to_first(b.add("Conv", {mean, weights}))});
  const Graph graph = b.finish(b.to_last(b.add("Mul", {x, gate})));
  EXPECT_EQ(count(graph, "Transpose"), 0);
  EXPECT_EQ(count(graph, "Reshape"), 0);
}

TEST(CancelTransposes, ThroughAGateThatWasNeverTransposed) {
  for (const Dims& gate : {Dims{1, 8, 1, 1}, Dims{8, 1, 1}, Dims{1, 1}, Dims{1}}) {
    Builder b;
    const ValueId x = b.to_first(b.input({1, 5, 6, 8}));
    const Graph graph = b.finish(b.to_last(b.add("Mul", {x, b.input(gate)})));
    EXPECT_EQ(count(graph, "Transpose"), 0) << gate.text();
    EXPECT_EQ(count(graph, "Mul"), 1) << gate.text();
  }
}

TEST(CancelTransposes, NotWhereTheOtherTensorWouldMove) {
  Builder b;
  const ValueId x = b.to_first(b.input({1, 5, 6, 8}));
  const Graph graph = b.finish(b.to_last(b.add("Mul", {x, b.input({1, 8, 5, 6})})));
  EXPECT_EQ(count(graph, "Transpose"), 2);
}

TEST(CancelTransposes, ThroughASumOfTwoTransposed) {
  Builder b;
  const ValueId x = b.to_first(b.input({1, 5, 6, 8})), y = b.to_first(b.input({1, 5, 6, 8}));
  const Graph graph = b.finish(b.to_last(b.add("Add", {x, y})));
  EXPECT_EQ(count(graph, "Transpose"), 0);
}

TEST(CancelTransposes, OneThatMovesNothingBecomesAReshape) {
  Builder b;
  const Graph graph = b.finish(b.to_last(b.add("Sigmoid", {b.input({1, 1, 5, 6})})));
  EXPECT_EQ(count(graph, "Transpose"), 0);
  EXPECT_EQ(count(graph, "Reshape"), 1);
}

TEST(CancelTransposes, ThroughSlicesAndPadsThatNameTheirAxes) {
  Builder b;
  const ValueId x = b.to_first(b.input({1, 5, 6, 8}));
  const Ints all = {0, 1, 2, 3};
  const ValueId cut = b.add(
      "Slice", {x}, {{"starts", Ints{0, 2, 1, 0}}, {"ends", Ints{1, 7, 4, 6}}, {"axes", all}});
  const ValueId wide = b.add(
      "Pad", {cut}, {{"begins", Ints{0, 1, 0, 2}}, {"ends", Ints{0, 0, 1, 0}}, {"axes", all}});
  EXPECT_EQ(count(b.finish(b.to_last(wide)), "Transpose"), 0);
}

}  // namespace polder::compile
