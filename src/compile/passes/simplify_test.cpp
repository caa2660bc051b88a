// Groups of nodes that one operator spells out.
#include "compile/testing.h"

namespace polder::compile {
namespace {

// clamp(x + 3, 0, 6) * x / 6 of x [3]; the constants have shape `scalar`.
Graph spelled_out(const Shape& scalar, bool divides_first) {
  Graph graph;
  const ValueId x = graph.add_value("x", DataType::kF32, {3});
  const auto constant = [&](float element) {
    return graph.add_constant("c", DataType::kF32, scalar, std::span<const float>(&element, 1));
  };
  const ValueId three = constant(3), six = constant(6);
  const ValueId sum = graph.add_value("sum"), clamped = graph.add_value("clamped"),
                inner = graph.add_value("inner"), y = graph.add_value("y");
  graph.inputs = {x};
  graph.outputs = {y};
  graph.nodes = {{"Add", "add", {}, {x, three}, {sum}, {}},
                 {"Clamp", "clamp", {{"min", 0.0}, {"max", 6.0}}, {sum}, {clamped}, {}}};
  if (divides_first) {
    graph.nodes.push_back({"Div", "div", {}, {clamped, six}, {inner}, {}});
    graph.nodes.push_back({"Mul", "mul", {}, {x, inner}, {y}, {}});
  } else {
    graph.nodes.push_back({"Mul", "mul", {}, {x, clamped}, {inner}, {}});
    graph.nodes.push_back({"Div", "div", {}, {inner, six}, {y}, {}});
  }
  return graph;
}

TEST(Simplify, HardSwish) {
  for (const bool divides_first : {false, true}) {
    for (const Shape& scalar : {Shape{}, Shape{1}}) {
      const Graph after = optimised(spelled_out(scalar, divides_first));
      EXPECT_EQ(count(after, "HardSwish"), 1);
      EXPECT_EQ(after.nodes.size(), 1u);
    }
  }
}

// A scalar of rank 2 makes [3] into [1,3], and HardSwish does not.
TEST(Simplify, AShapeOfItsOwnStays) {
  for (const bool divides_first : {false, true}) {
    const Graph after = optimised(spelled_out({1, 1}, divides_first));
    EXPECT_EQ(count(after, "HardSwish"), 0);
    EXPECT_EQ(after[after.outputs[0]].dims.text(), "[1,3]");
  }
}

}  // namespace
}  // namespace polder::compile
