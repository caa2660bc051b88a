#include "import/testing.h"

namespace polder {
namespace {

TEST(Onnx, InlinesFunctionsWithTheirAttributes) {
  Builder b;
  b.model.add_opset_import()->set_domain("mine");
  b.model.mutable_opset_import(1)->set_version(1);
  auto& function = *b.model.add_functions();
  function.set_domain("mine");
  function.set_name("AddConstant");
  function.add_input("a");
  function.add_output("b");
  function.add_attribute("amount");
  function.add_opset_import()->set_version(17);
  NodeProto& constant = *function.add_node();
  constant.set_op_type("Constant");
  constant.add_output("c");
  attribute(constant, "value_float", AttributeProto::FLOAT).set_ref_attr_name("amount");
  NodeProto& add = *function.add_node();
  add.set_op_type("Add");
  add.add_input("a");
  add.add_input("c");
  add.add_output("b");
  b.input("x", {2});
  for (const auto& [in, out, amount] : {std::tuple{"x", "h", 2.f}, std::tuple{"h", "y", 3.f}}) {
    NodeProto& call = add_node(b.graph(), "AddConstant", {in}, {out});
    call.set_domain("mine");
    attribute(call, "amount", AttributeProto::FLOAT).set_f(amount);
  }
  b.output("y");
  const auto graph = import_bytes(b.bytes());
  ASSERT_TRUE(graph.ok()) << graph.error().message;
  ASSERT_EQ(graph->nodes.size(), 2u);
  EXPECT_EQ(elements<float>((*graph)[graph->nodes[0].inputs[1]]), std::vector<float>{2});
  EXPECT_EQ(elements<float>((*graph)[graph->nodes[1].inputs[1]]), std::vector<float>{3});
  EXPECT_EQ((*graph)[graph->outputs[0]].name, "y");

  // A function that calls itself ends at the depth that is allowed.
  add.set_op_type("AddConstant");
  add.set_domain("mine");
  add.mutable_input()->RemoveLast();
  attribute(add, "amount", AttributeProto::FLOAT).set_ref_attr_name("amount");
  expect_error(b.bytes(), Code::kExhausted, {"nested deeper"});
}

// Function `name` of domain "mine": b = `op`(... `op`(a)), `calls` times.
onnx::FunctionProto& add_function(ModelProto& model, const std::string& name, const std::string& op,
                                  const std::string& domain, int calls) {
  auto& function = *model.add_functions();
  function.set_domain("mine");
  function.set_name(name);
  function.add_input("a");
  function.add_output("b");
  auto& opset = *function.add_opset_import();
  opset.set_version(17);
  for (int i = 0; i < calls; ++i) {
    NodeProto& node = *function.add_node();
    node.set_op_type(op);
    node.set_domain(domain);
    node.add_input(i == 0 ? "a" : "t" + std::to_string(i));
    node.add_output(i + 1 == calls ? "b" : "t" + std::to_string(i + 1));
  }
  return function;
}

// y = f0(x), where each of `levels` functions calls the next one `calls` times, the last one Neg.
Builder nested_functions(int levels, int calls) {
  Builder b;
  b.input("x", {2});
  for (int i = 0; i < levels; ++i) {
    const bool last = i + 1 == levels;
    add_function(b.model, "f" + std::to_string(i), last ? "Neg" : "f" + std::to_string(i + 1),
                 last ? "" : "mine", calls);
  }
  add_node(b.graph(), "f0", {"x"}, {"y"}).set_domain("mine");
  b.output("y");
  return b;
}

TEST(Onnx, FunctionsNestAsDeepAsModelsDo) {
  const auto graph = import_bytes(nested_functions(60, 1).bytes());
  ASSERT_TRUE(graph.ok()) << graph.error().message;
  ASSERT_EQ(graph->nodes.size(), 1u);
  EXPECT_EQ(graph->nodes[0].op, "Neg");
  expect_error(nested_functions(70, 1).bytes(), Code::kExhausted, {"nested deeper than 64"});
}

TEST(Onnx, FunctionsAreFoundByDomainAndName) {
  Builder b;
  b.input("x", {2});
  add_function(b.model, "f", "Neg", "", 1).set_domain("other");
  add_function(b.model, "f", "Abs", "", 1);
  add_function(b.model, "f", "Exp", "", 1);  // of two the first is meant
  for (int i = 0; i < 2000; ++i) add_function(b.model, "g" + std::to_string(i), "Sqrt", "", 1);
  add_node(b.graph(), "f", {"x"}, {"h"}).set_domain("mine");
  add_node(b.graph(), "g1999", {"h"}, {"y"}).set_domain("mine");
  b.output("y");
  const auto graph = import_bytes(b.bytes());
  ASSERT_TRUE(graph.ok()) << graph.error().message;
  ASSERT_EQ(graph->nodes.size(), 2u);
  EXPECT_EQ(graph->nodes[0].op, "Abs");
  EXPECT_EQ(graph->nodes[1].op, "Sqrt");
}

TEST(OnnxBadInput, FunctionsThatMultiplyAreRefused) {
  expect_error(nested_functions(20, 10).bytes(), Code::kExhausted, {"more than 200000 nodes"});
  // Few nodes, but large ones.
  Builder b = nested_functions(3, 20);
  b.model.mutable_functions(2)->mutable_node(0)->set_doc_string(std::string(4 << 20, 'd'));
  expect_error(b.bytes(), Code::kExhausted, {"each use of them counted"});
}

// One list of the call, read by each node of the function: 2 bytes of each element in the file.
TEST(OnnxBadInput, AnAttributeOfACallIsCountedForEachUse) {
  Builder b;
  b.input("x", {2});
  auto& function = add_function(b.model, "many", "Constant", "", 40);
  for (NodeProto& node : *function.mutable_node())
    attribute(node, "value_ints", AttributeProto::INTS).set_ref_attr_name("list");
  function.add_attribute("list");
  NodeProto& call = add_node(b.graph(), "many", {"x"}, {"y"});
  call.set_domain("mine");
  AttributeProto& list = attribute(call, "list", AttributeProto::INTS);
  for (int i = 0; i < 1 << 20; ++i) list.add_ints(1);
  b.output("y");
  expect_error(b.bytes(), Code::kExhausted, {"many", "attributes of more than"});
}

TEST(Onnx, ABodyMayBeAnArgumentOfAFunction) {
  Builder b;
  b.input("flag", {}, TensorProto::BOOL);
  b.input("x", {2});
  auto& function = add_function(b.model, "choose", "If", "", 1);
  for (const std::string name : {"then", "else"}) {
    AttributeProto& inner =
        attribute(*function.mutable_node(0), name + "_branch", AttributeProto::GRAPH);
    inner.set_ref_attr_name("on_" + name);
    function.add_attribute("on_" + name);
  }
  NodeProto& call = add_node(b.graph(), "choose", {"flag"}, {"y"});
  call.set_domain("mine");
  for (const std::string name : {"then", "else"}) {
    GraphProto& branch = *attribute(call, "on_" + name, AttributeProto::GRAPH).mutable_g();
    attribute(add_node(branch, "Constant", {}, {"c" + name}), "value_float", AttributeProto::FLOAT)
        .set_f(name == "then" ? 1.f : 2.f);
    branch.add_output()->set_name("c" + name);
  }
  b.output("y");
  const auto graph = import_bytes(b.bytes());
  ASSERT_TRUE(graph.ok()) << graph.error().message;
  ASSERT_EQ(graph->nodes.size(), 1u);
  EXPECT_EQ(graph->nodes[0].bodies.size(), 2u);
}

}  // namespace
}  // namespace polder
