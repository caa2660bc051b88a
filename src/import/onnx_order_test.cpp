#include "import/onnx_order.h"

#include "import/testing.h"

namespace polder {
namespace {

NodeProto& add_if(GraphProto& graph, const std::string& output, const GraphProto& branch) {
  NodeProto& node = add_node(graph, "If", {"flag"}, {output});
  *attribute(node, "then_branch", AttributeProto::GRAPH).mutable_g() = branch;
  return node;
}

GraphProto body_of(const std::vector<std::string>& reads) {
  GraphProto body;
  add_node(body, "Sum", reads, {"o"});
  body.add_output()->set_name("o");
  return body;
}

std::vector<int> order(const GraphProto& graph) {
  OnnxOrder orders;
  const auto& found = orders.of(graph.node());
  EXPECT_TRUE(found.ok()) << found.error().message;
  return *found;
}

TEST(OnnxOrder, ABodyWaitsForWhatItReadsOfTheGraphAround) {
  GraphProto inner;
  add_if(inner, "p", body_of({"late"}));
  inner.add_output()->set_name("p");
  GraphProto graph;
  add_if(graph, "y", inner);
  add_node(graph, "Abs", {"x"}, {"late"});
  EXPECT_EQ(order(graph), (std::vector<int>{1, 0}));

  GraphProto returns;  // without a node
  returns.add_output()->set_name("late");
  GraphProto around;
  add_if(around, "y", returns);
  add_node(around, "Abs", {"x"}, {"late"});
  EXPECT_EQ(order(around), (std::vector<int>{1, 0}));
}

TEST(OnnxOrder, OwnValuesHideThoseOfTheGraphAround) {
  for (const int kind : {0, 1, 2}) {
    GraphProto body = body_of({"late"});
    if (kind == 0) body.add_input()->set_name("late");
    if (kind == 1) body.add_initializer()->set_name("late");
    if (kind == 2) add_node(body, "Abs", {"x"}, {"late"});
    GraphProto graph;
    add_if(graph, "y", body);
    add_node(graph, "Abs", {"y"}, {"late"});
    EXPECT_EQ(order(graph), (std::vector<int>{0, 1})) << kind;
    OnnxOrder orders;
    ASSERT_TRUE(orders.of(graph.node()).ok());
    const auto& within = orders.of(graph.node(0).attribute(0).g().node());
    ASSERT_TRUE(within.ok());
    EXPECT_EQ(*within, kind == 2 ? (std::vector<int>{1, 0}) : std::vector<int>{0}) << kind;
  }
}

TEST(OnnxOrder, ACycleThroughABodyIsAnErrorOfItsGraphAlone) {
  GraphProto graph;
  add_if(graph, "y", body_of({"y"})).set_name("self");
  OnnxOrder orders;
  const auto& found = orders.of(graph.node());
  ASSERT_FALSE(found.ok());
  EXPECT_NE(found.error().message.find("'self' (If)"), std::string::npos);
  EXPECT_TRUE(orders.of(graph.node(0).attribute(0).g().node()).ok());
}

// Minutes when each level walks through all that are nested in it.
TEST(OnnxOrder, NestedBodiesAreWalkedOnce) {
  std::vector<std::string> names;
  for (int i = 0; i < 300000; ++i) names.push_back("v" + std::to_string(i));
  GraphProto graph = body_of(names);
  for (int level = 0; level < 30; ++level) {
    GraphProto around;
    NodeProto& node = add_node(around, "If", {"flag"}, {"o"});
    attribute(node, "then_branch", AttributeProto::GRAPH).mutable_g()->Swap(&graph);
    around.add_output()->set_name("o");
    graph.Swap(&around);
  }
  OnnxOrder orders;
  for (const GraphProto* at = &graph;; at = &at->node(0).attribute(0).g()) {
    ASSERT_TRUE(orders.of(at->node()).ok());
    if (at->node(0).attribute_size() == 0) break;
  }
}

}  // namespace
}  // namespace polder
