#include "import/testing.h"

namespace polder {
namespace {

// Loops within each other, each carrying a value that grows.
TEST(OnnxBadInput, LoopsThatMultiplyAreRefused) {
  Builder b;
  b.input("x", {1});
  auto& trips = *b.graph().add_initializer();
  trips.set_name("trips");
  trips.set_data_type(TensorProto::INT64);
  trips.add_int64_data(4);
  GraphProto* graph = &b.graph();
  std::string value = "x";
  for (int depth = 0; depth < 12; ++depth) {
    const std::string d = std::to_string(depth);
    NodeProto& node = add_node(*graph, "Loop", {"trips", "", value}, {"out" + d});
    graph->add_output()->set_name("out" + d);
    GraphProto& body = *attribute(node, "body", AttributeProto::GRAPH).mutable_g();
    b.declare(*body.add_input(), "i" + d, {}, TensorProto::INT64);
    b.declare(*body.add_input(), "go" + d, {}, TensorProto::BOOL);
    value = "carried" + d;
    b.declare(*body.add_input(), value, {}, TensorProto::FLOAT);
    body.add_output()->set_name("go" + d);
    graph = &body;
  }
  attribute(add_node(*graph, "Concat", {value, "x"}, {"end"}), "axis", AttributeProto::INT);
  graph->add_output()->set_name("end");
  expect_error(b.bytes(), Code::kExhausted, {"loops"});
}

TEST(Onnx, TakesTheBranchOfAKnownCondition) {
  for (const bool condition : {false, true}) {
    Builder b;
    b.input("x", {2});
    b.input("flag", {}, TensorProto::BOOL);
    NodeProto& node = add_node(b.graph(), "If", {"flag"}, {"y"});
    for (const std::string name : {"then", "else"}) {
      GraphProto& branch = *attribute(node, name + "_branch", AttributeProto::GRAPH).mutable_g();
      // The branch not taken may hold anything.
      const std::string op = (name == "then") == condition ? "Add" : "NoSuchOperator";
      add_node(branch, op, {"x", "x"}, {"inner_" + name});
      branch.add_output()->set_name("inner_" + name);
    }
    b.output("y");
    const std::uint8_t flag = condition;
    const ImportOptions options{
        .bindings = {
            {"flag", {DataType::kBool, {}, Bytes::copy_of(std::as_bytes(std::span(&flag, 1)))}}}};
    const auto graph = import_bytes(b.bytes(), options);
    ASSERT_TRUE(graph.ok()) << graph.error().message;
    ASSERT_EQ(graph->nodes.size(), 1u);
    EXPECT_EQ(graph->nodes[0].op, "Add");
    EXPECT_EQ((*graph)[graph->outputs[0]].name, "y");
  }
}

// y = If(flag) of two branches, each one node of x [2,n] and w [3,2].
Builder choice_model(const std::string& then_op, const std::string& else_op) {
  Builder b;
  b.input("flag", {}, TensorProto::BOOL);
  b.input("x", {2, "n"});
  b.floats("w", {3, 2}, {1, 2, 3, 4, 5, 6});
  NodeProto& node = add_node(b.graph(), "If", {"flag"}, {"y"});
  for (const auto& [name, op] : {std::pair("then", then_op), std::pair("else", else_op)}) {
    const auto type = AttributeProto::GRAPH;
    GraphProto& branch = *attribute(node, std::string(name) + "_branch", type).mutable_g();
    std::vector<std::string> in = {"x"};
    if (op == "MatMul") in = {"w", "w"};  // does not fit
    add_node(branch, op, in, {"result"});
    branch.add_output()->set_name("result");
  }
  b.output("y");
  return b;
}

void expect_kept(const std::string& then_op, const std::string& else_op, const std::string& kept,
                 bool expected) {
  const auto graph = import_bytes(choice_model(then_op, else_op).bytes(), {.bounds = {{"n", 9}}});
  ASSERT_TRUE(graph.ok()) << graph.error().message;
  ASSERT_EQ(graph->nodes.size(), 2u);
  EXPECT_EQ(graph->nodes[0].op, kept);
  const Node& check = graph->nodes[1];
  EXPECT_EQ(check.op, "Require");
  EXPECT_EQ(check.attrs.integer("expected", -1), expected);
  EXPECT_EQ((*graph)[check.inputs[1]].name, "flag");
  EXPECT_EQ((*graph)[graph->outputs[0]].name, "y");
}

TEST(Onnx, OfBranchesThatDifferInRankTheFirstIsKept) {
  expect_kept("Sigmoid", "Size", "Sigmoid", true);
  expect_kept("Flatten", "Size", "Flatten", true);
}

TEST(Onnx, ABranchThatDoesNotFitTheShapesIsLeftOut) {
  expect_kept("MatMul", "Sigmoid", "Sigmoid", false);
  expect_kept("Sigmoid", "MatMul", "Sigmoid", true);
  expect_error(choice_model("MatMul", "MatMul").bytes(), Code::kInvalid, {"MatMul"});
  expect_error(choice_model("Sigmoid", "NoSuchOperator").bytes(), Code::kUnsupported,
               {"NoSuchOperator"});
}

TEST(Onnx, CapturesBecomeInputsOfTheBody) {
  Builder b;
  b.input("flag", {}, TensorProto::BOOL);
  b.input("x", {"n", 3});
  b.floats("w", {3}, {1, 2, 3});
  add_node(b.graph(), "Add", {"x", "x"}, {"sum"});
  NodeProto& node = add_node(b.graph(), "If", {"flag"}, {"y"});
  const auto branch = [&](const std::string& name, const std::vector<std::string>& in) {
    GraphProto& graph = *attribute(node, name, AttributeProto::GRAPH).mutable_g();
    add_node(graph, "Add", in, {"result"});  // the same name in both branches
    graph.add_output()->set_name("result");
  };
  branch("then_branch", {"x", "sum"});
  branch("else_branch", {"x", "w"});
  b.output("y");
  const auto graph = import_bytes(b.bytes(), {.bounds = {{"n", 9}}});
  ASSERT_TRUE(graph.ok()) << graph.error().message;
  ASSERT_EQ(graph->nodes.size(), 2u);
  const Node& choice = graph->nodes[1];
  // The condition, two captures of the first branch, one of the second: `w` goes in as a constant.
  EXPECT_EQ(choice.inputs.size(), 4u);
  ASSERT_EQ(choice.bodies.size(), 2u);
  EXPECT_EQ(choice.bodies[0].inputs.size(), 2u);
  EXPECT_EQ(choice.bodies[1].inputs.size(), 1u);
  const Graph& first = choice.bodies[0];
  EXPECT_EQ(first[first.inputs[0]].dims, first[first.inputs[1]].dims);  // the same "n"
  EXPECT_EQ((*graph)[graph->outputs[0]].dims.bounds(), (Shape{9, 3}));
}

// A Loop of `count` runs that doubles x, appends it to y, and collects it.
Builder loop_model(int count) {
  Builder b;
  b.input("x", {1});
  auto& trips = *b.graph().add_initializer();
  trips.set_name("trips");
  trips.set_data_type(TensorProto::INT64);
  trips.add_int64_data(count);
  NodeProto& node = add_node(b.graph(), "Loop", {"trips", "", "x"}, {"last", "all"});
  GraphProto& body = *attribute(node, "body", AttributeProto::GRAPH).mutable_g();
  b.declare(*body.add_input(), "i", {}, TensorProto::INT64);
  b.declare(*body.add_input(), "go", {}, TensorProto::BOOL);
  b.declare(*body.add_input(), "before", {1}, TensorProto::FLOAT);
  add_node(body, "Add", {"before", "before"}, {"after"});
  for (const char* name : {"go", "after", "after"}) body.add_output()->set_name(name);
  b.output("last");
  b.output("all");
  return b;
}

TEST(Onnx, LoopOfAKnownCountHasKnownShapes) {
  const auto graph = import_bytes(loop_model(5).bytes());
  ASSERT_TRUE(graph.ok()) << graph.error().message;
  EXPECT_EQ((*graph)[graph->outputs[0]].dims.text(), "[1]");
  EXPECT_EQ((*graph)[graph->outputs[1]].dims.text(), "[5,1]");
}

TEST(Onnx, LoopThatEndsEarlyHasABound) {
  Builder b = loop_model(5);
  b.input("start", {}, TensorProto::BOOL);
  b.graph().mutable_node(0)->set_input(1, "start");
  const auto graph = import_bytes(b.bytes());
  ASSERT_TRUE(graph.ok()) << graph.error().message;
  EXPECT_EQ((*graph)[graph->outputs[1]].dims.text(), "[?<=5,1]");
}

TEST(OnnxBadInput, DeepNesting) {
  // Deeper than any body may be, but within what protobuf reads.
  Builder b;
  b.input("flag", {}, TensorProto::BOOL);
  b.input("x", {2});
  GraphProto* graph = &b.graph();
  for (int depth = 0; depth < 25; ++depth) {
    NodeProto& node = add_node(*graph, "If", {"flag"}, {"y" + std::to_string(depth)});
    graph->add_output()->set_name("y" + std::to_string(depth));
    GraphProto* branch = nullptr;
    for (const std::string name : {"then_branch", "else_branch"}) {
      branch = attribute(node, name, AttributeProto::GRAPH).mutable_g();
      if (name == "then_branch") {
        add_node(*branch, "Add", {"x", "x"}, {"t" + std::to_string(depth)});
        branch->add_output()->set_name("t" + std::to_string(depth));
      }
    }
    graph = branch;
  }
  add_node(*graph, "Add", {"x", "x"}, {"end"});
  graph->add_output()->set_name("end");
  expect_error(b.bytes(), Code::kExhausted, {"bodies nested deeper than 16"});
}

}  // namespace
}  // namespace polder
