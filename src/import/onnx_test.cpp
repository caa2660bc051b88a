#include "import/onnx.h"

#include <gtest/gtest.h>
#include <onnx.pb.h>
#include <stdlib.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <random>

namespace polder {
namespace {

using onnx::AttributeProto;
using onnx::GraphProto;
using onnx::ModelProto;
using onnx::NodeProto;
using onnx::TensorProto;

// A model under construction.
struct Builder {
  ModelProto model;

  explicit Builder(int opset = 17) {
    model.set_ir_version(8);
    model.add_opset_import()->set_version(opset);
  }
  GraphProto& graph() { return *model.mutable_graph(); }

  // -1: no value; a text: a named dimension.
  struct Extent {
    std::int64_t value = -1;
    std::string name;
    Extent(int v) : value(v) {}
    Extent(std::int64_t v) : value(v) {}
    Extent(const char* n) : name(n) {}
  };
  void declare(onnx::ValueInfoProto& info, const std::string& name,
               const std::vector<Extent>& extents, int type) {
    info.set_name(name);
    auto& tensor = *info.mutable_type()->mutable_tensor_type();
    tensor.set_elem_type(type);
    tensor.mutable_shape();
    for (const Extent& extent : extents) {
      auto& dim = *tensor.mutable_shape()->add_dim();
      if (!extent.name.empty()) dim.set_dim_param(extent.name);
      else if (extent.value >= 0) dim.set_dim_value(extent.value);
    }
  }
  void input(const std::string& name, const std::vector<Extent>& extents,
             int type = TensorProto::FLOAT) {
    declare(*graph().add_input(), name, extents, type);
  }
  void output(const std::string& name) { graph().add_output()->set_name(name); }
  TensorProto& floats(const std::string& name, const std::vector<std::int64_t>& dims,
                      const std::vector<float>& elements) {
    TensorProto& tensor = *graph().add_initializer();
    tensor.set_name(name);
    tensor.set_data_type(TensorProto::FLOAT);
    for (const auto dim : dims) tensor.add_dims(dim);
    tensor.set_raw_data(elements.data(), elements.size() * sizeof(float));
    return tensor;
  }
  std::string bytes() const { return model.SerializeAsString(); }
};

NodeProto& add_node(GraphProto& graph, const std::string& op, const std::vector<std::string>& in,
                    const std::vector<std::string>& out) {
  NodeProto& node = *graph.add_node();
  node.set_op_type(op);
  node.set_name(op + "_" + std::to_string(graph.node_size()));
  for (const auto& name : in) node.add_input(name);
  for (const auto& name : out) node.add_output(name);
  return node;
}

AttributeProto& attribute(NodeProto& node, const std::string& name,
                          AttributeProto::AttributeType type) {
  AttributeProto& a = *node.add_attribute();
  a.set_name(name);
  a.set_type(type);
  return a;
}

Result<Graph> import_bytes(const std::string& bytes, const ImportOptions& options = {}) {
  return import_onnx(std::as_bytes(std::span(bytes)), "test.onnx", options);
}

// The import fails with `code` and a message that holds each of `parts`, and the model's name.
void expect_error(const std::string& bytes, Code code, std::initializer_list<std::string> parts,
                  const ImportOptions& options = {}) {
  const auto graph = import_bytes(bytes, options);
  ASSERT_FALSE(graph.ok());
  EXPECT_EQ(code_name(graph.error().code), code_name(code)) << graph.error().message;
  for (const std::string& part : parts) {
    EXPECT_NE(graph.error().message.find(part), std::string::npos) << graph.error().message;
  }
  EXPECT_EQ(graph.error().message.find("test.onnx"), 0u) << graph.error().message;
}

template <class T>
std::vector<T> elements(const Value& value) {
  std::vector<T> out(value.data.view.size() / sizeof(T));
  std::memcpy(out.data(), value.data.view.data(), out.size() * sizeof(T));
  return out;
}

OwnedTensor integers(const std::vector<std::int64_t>& values, Shape shape) {
  return {DataType::kI64, shape, Bytes::copy_of(std::as_bytes(std::span(values)))};
}

// y = x + w
Builder add_model() {
  Builder b;
  b.input("x", {"batch", 3});
  b.floats("w", {3}, {1, 2, 3});
  add_node(b.graph(), "Add", {"x", "w"}, {"y"});
  b.output("y");
  return b;
}

TEST(Onnx, ReadsInputsWeightsAndNodes) {
  const auto graph = import_bytes(add_model().bytes());
  ASSERT_TRUE(graph.ok()) << graph.error().message;
  ASSERT_EQ(graph->nodes.size(), 1u);
  EXPECT_EQ(graph->nodes[0].op, "Add");
  EXPECT_EQ(graph->nodes[0].name, "Add_1");
  const Value& x = (*graph)[graph->inputs[0]];
  EXPECT_EQ(x.name, "x");
  EXPECT_FALSE(x.dims[0].known());
  EXPECT_EQ(x.dims[0].bound, kUnbounded);
  EXPECT_TRUE(x.dims[1].is(3));
  ASSERT_EQ(graph->symbol_names.size(), 1u);
  EXPECT_EQ(graph->symbol_names[0].second, "batch");
  const Value& y = (*graph)[graph->outputs[0]];
  EXPECT_EQ(y.dims[0], x.dims[0]);
  EXPECT_EQ(elements<float>((*graph)[graph->nodes[0].inputs[1]]), (std::vector<float>{1, 2, 3}));
}

TEST(Onnx, ShapesAndBoundsSettleFreeDimensions) {
  Builder b;
  b.input("x", {"n", -1});
  b.input("z", {"n", 4});
  add_node(b.graph(), "Add", {"x", "z"}, {"y"});
  b.output("y");
  const auto bounded = import_bytes(b.bytes(), {.bounds = {{"n", 8}, {"x[1]", 4}}});
  ASSERT_TRUE(bounded.ok()) << bounded.error().message;
  const Value& x = (*bounded)[bounded->inputs[0]];
  EXPECT_EQ(x.dims[0].bound, 8);
  EXPECT_EQ(x.dims[0], (*bounded)[bounded->inputs[1]].dims[0]);
  EXPECT_EQ(x.dims[1].bound, 4);

  const auto shaped = import_bytes(b.bytes(), {.shapes = {{"x", {2, 4}}}});
  ASSERT_TRUE(shaped.ok()) << shaped.error().message;
  EXPECT_EQ((*shaped)[shaped->inputs[1]].dims.text(), "[2,4]");

  expect_error(b.bytes(), Code::kInvalid, {"'q'", "x, z"}, {.shapes = {{"q", {1}}}});
  expect_error(b.bytes(), Code::kInvalid, {"'q'", "x[0]"}, {.bounds = {{"q", 1}}});
  expect_error(b.bytes(), Code::kInvalid, {"'z'", "given as 5", "has 4"},
               {.shapes = {{"z", {2, 5}}}});
  expect_error(b.bytes(), Code::kInvalid, {"'n'"}, {.shapes = {{"x", {2, 4}}, {"z", {3, 4}}}});
  expect_error(b.bytes(), Code::kInvalid, {"'z[1]'", "fixed to 4"}, {.bounds = {{"z[1]", 3}}});
  expect_error(b.bytes(), Code::kInvalid, {"'n'", "fixed to 9"},
               {.shapes = {{"x", {9, 4}}}, .bounds = {{"n", 8}}});
  expect_error(b.bytes(), Code::kInvalid, {"'x[1]'", "0 to 2^40"}, {.bounds = {{"x[1]", -1}}});
  expect_error(b.bytes(), Code::kInvalid, {"'x'", "twice"},
               {.shapes = {{"x", {1, 4}}, {"x", {2, 4}}}});
}

TEST(Onnx, BindingMakesAnInputConstant) {
  Builder b;
  b.input("x", {2}, TensorProto::INT32);
  b.input("k", {}, TensorProto::INT32);
  add_node(b.graph(), "Add", {"x", "k"}, {"y"});
  b.output("y");
  const auto graph = import_bytes(b.bytes(), {.bindings = {{"k", integers({7}, {1})}}});
  ASSERT_TRUE(graph.ok()) << graph.error().message;
  EXPECT_EQ(graph->inputs.size(), 1u);
  const Value& k = (*graph)[graph->nodes[0].inputs[1]];
  EXPECT_EQ(k.dims.rank(), 0);
  EXPECT_EQ(elements<std::int32_t>(k), std::vector<std::int32_t>{7});
  expect_error(b.bytes(), Code::kInvalid, {"'k'", "does not fit i32"},
               {.bindings = {{"k", integers({std::int64_t(1) << 40}, {1})}}});
  expect_error(b.bytes(), Code::kInvalid, {"'x'", "[3]"},
               {.bindings = {{"x", integers({1, 2, 3}, {3})}}});
}

TEST(Onnx, SortsNodesAndFoldsConstants) {
  Builder b;
  b.input("x", {2, 2});
  add_node(b.graph(), "Add", {"x", "s"}, {"y"});
  add_node(b.graph(), "Add", {"a", "a"}, {"s"});
  attribute(add_node(b.graph(), "Constant", {}, {"a"}), "value_float", AttributeProto::FLOAT)
      .set_f(1.5f);
  b.output("y");
  const auto graph = import_bytes(b.bytes());
  ASSERT_TRUE(graph.ok()) << graph.error().message;
  ASSERT_EQ(graph->nodes.size(), 1u);
  EXPECT_EQ(elements<float>((*graph)[graph->nodes[0].inputs[1]]), std::vector<float>{3});
}

TEST(Onnx, ReadsEveryTypedField) {
  Builder b;
  b.input("x", {1});
  const auto add = [&](const std::string& name, int type) -> TensorProto& {
    TensorProto& t = *b.graph().add_initializer();
    t.set_name(name);
    t.set_data_type(TensorProto::DataType(type));
    t.add_dims(2);
    b.output(name);
    return t;
  };
  TensorProto& f = add("f", TensorProto::FLOAT);
  TensorProto& d = add("d", TensorProto::DOUBLE);
  TensorProto& i8 = add("i8", TensorProto::INT8);
  TensorProto& u16 = add("u16", TensorProto::UINT16);
  TensorProto& h = add("h", TensorProto::FLOAT16);
  TensorProto& flag = add("flag", TensorProto::BOOL);
  TensorProto& i64 = add("i64", TensorProto::INT64);
  TensorProto& u32 = add("u32", TensorProto::UINT32);
  for (const int v : {1, 200}) {
    f.add_float_data(float(v));
    d.add_double_data(v);
    i8.add_int32_data(v - 128);
    u16.add_int32_data(v * 300);
    h.add_int32_data(0x3c00 + v);
    flag.add_int32_data(v);
    i64.add_int64_data(-v);
    u32.add_uint64_data(std::uint64_t(v) << 24);
  }
  const auto graph = import_bytes(b.bytes());
  ASSERT_TRUE(graph.ok()) << graph.error().message;
  const auto value = [&](int i) { return (*graph)[graph->outputs[std::size_t(i)]]; };
  EXPECT_EQ(elements<float>(value(0)), (std::vector<float>{1, 200}));
  EXPECT_EQ(elements<double>(value(1)), (std::vector<double>{1, 200}));
  EXPECT_EQ(elements<std::int8_t>(value(2)), (std::vector<std::int8_t>{-127, 72}));
  EXPECT_EQ(elements<std::uint16_t>(value(3)), (std::vector<std::uint16_t>{300, 60000}));
  EXPECT_EQ(elements<std::uint16_t>(value(4)), (std::vector<std::uint16_t>{0x3c01, 0x3cc8}));
  EXPECT_EQ(elements<std::uint8_t>(value(5)), (std::vector<std::uint8_t>{1, 1}));
  EXPECT_EQ(elements<std::int64_t>(value(6)), (std::vector<std::int64_t>{-1, -200}));
  EXPECT_EQ(elements<std::uint32_t>(value(7)), (std::vector<std::uint32_t>{1u << 24, 200u << 24}));
}

TEST(Onnx, ReadsSparseTensors) {
  Builder b;
  auto& sparse = *b.graph().add_sparse_initializer();
  sparse.add_dims(2);
  sparse.add_dims(3);
  sparse.mutable_values()->set_name("w");
  sparse.mutable_values()->set_data_type(TensorProto::FLOAT);
  sparse.mutable_values()->add_dims(2);
  sparse.mutable_values()->add_float_data(5);
  sparse.mutable_values()->add_float_data(7);
  sparse.mutable_indices()->set_data_type(TensorProto::INT64);
  sparse.mutable_indices()->add_dims(2);
  sparse.mutable_indices()->add_int64_data(1);
  sparse.mutable_indices()->add_int64_data(5);
  b.output("w");
  const auto graph = import_bytes(b.bytes());
  ASSERT_TRUE(graph.ok()) << graph.error().message;
  EXPECT_EQ(elements<float>((*graph)[graph->outputs[0]]), (std::vector<float>{0, 5, 0, 0, 0, 7}));
  sparse.mutable_indices()->set_int64_data(1, 6);
  expect_error(b.bytes(), Code::kCorrupt, {"index 6", "0..5"});
}

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

TEST(OnnxBadInput, SparseTensorsAreCappedInAll) {
  Builder b;
  for (int i = 0; i < 5; ++i) {
    auto& sparse = *b.graph().add_sparse_initializer();
    sparse.add_dims(std::int64_t(1) << 22);
    sparse.mutable_values()->set_name("s" + std::to_string(i));
    sparse.mutable_values()->set_data_type(TensorProto::INT8);
    sparse.mutable_values()->add_dims(0);
    sparse.mutable_indices()->set_data_type(TensorProto::INT64);
    sparse.mutable_indices()->add_dims(0);
    b.output("s" + std::to_string(i));
  }
  expect_error(b.bytes(), Code::kExhausted, {"2^24 elements in all"});
}

TEST(OnnxBadInput, PortsAndAttributesAreCapped) {
  Builder b = add_model();
  for (int i = 0; i < 5000; ++i) b.input("z" + std::to_string(i), {1});
  expect_error(b.bytes(), Code::kExhausted, {"inputs"});
  Builder attributes = add_model();
  for (int i = 0; i < 1000; ++i) {
    attribute(*attributes.graph().mutable_node(0), "a" + std::to_string(i), AttributeProto::INT);
  }
  expect_error(attributes.bytes(), Code::kExhausted, {"attributes"});
}

// Weights that old exporters list as inputs too are not ports.
TEST(Onnx, InputsWithInitializersAreNotCounted) {
  Builder b = add_model();
  for (int i = 0; i < 5000; ++i) {
    b.input("w" + std::to_string(i), {1});
    b.floats("w" + std::to_string(i), {1}, {1});
  }
  const auto graph = import_bytes(b.bytes());
  ASSERT_TRUE(graph.ok()) << graph.error().message;
  EXPECT_EQ(graph->inputs.size(), 1u);
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

// y = Resize(x) of x [1,1,4,4] by these scales.
Builder resize_model(const std::vector<float>& scales) {
  Builder b;
  b.input("x", {1, 1, 4, 4});
  b.floats("scales", {std::int64_t(scales.size())}, scales);
  add_node(b.graph(), "Resize", {"x", "", "scales"}, {"y"});
  b.output("y");
  return b;
}

TEST(OnnxBadInput, ScalesAreAboveZero) {
  for (const float scale : {0.f, -2.f, std::numeric_limits<float>::quiet_NaN(),
                            std::numeric_limits<float>::infinity()}) {
    expect_error(resize_model({1, 1, scale, 2}).bytes(), Code::kInvalid,
                 {"Resize_1", "input 2 (scales)", "axis 2", "above 0"});
  }
  expect_error(resize_model({1, 1, 1e20f, 1e20f}).bytes(), Code::kExhausted, {"2^40"});
  const auto good = import_bytes(resize_model({1, 1, 0.5f, 2}).bytes());
  ASSERT_TRUE(good.ok()) << good.error().message;
  EXPECT_EQ((*good)[good->outputs[0]].dims.text(), "[1,1,2,8]");
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

TEST(Onnx, NamesTheAxesOfSlicesAndPads) {
  Builder b(13);
  b.input("x", {4, 5});
  const auto ints = [&](const char* name, const std::vector<std::int64_t>& elements) {
    TensorProto& tensor = *b.graph().add_initializer();
    tensor.set_name(name);
    tensor.set_data_type(TensorProto::INT64);
    tensor.add_dims(std::int64_t(elements.size()));
    for (const std::int64_t element : elements) tensor.add_int64_data(element);
  };
  ints("starts", {1});
  ints("ends", {3});
  ints("pads", {0, 1, 2, 0});
  add_node(b.graph(), "Slice", {"x", "starts", "ends"}, {"y"});
  add_node(b.graph(), "Pad", {"y", "pads"}, {"z"});
  b.output("z");
  const auto graph = import_bytes(b.bytes());
  ASSERT_TRUE(graph.ok()) << graph.error().message;
  ASSERT_EQ(graph->nodes.size(), 2u);
  EXPECT_EQ(graph->nodes[0].attrs.integers("axes"), (std::vector<std::int64_t>{0}));
  EXPECT_EQ(graph->nodes[1].attrs.integers("axes"), (std::vector<std::int64_t>{0, 1}));
  const Dims& dims = (*graph)[graph->outputs[0]].dims;
  EXPECT_TRUE(dims[0].is(4) && dims[1].is(6)) << dims.text();
}

TEST(Onnx, ListsAllUnsupportedOperatorsAtOnce) {
  Builder b;
  b.input("x", {2});
  add_node(b.graph(), "FooBar", {"x"}, {"a"});
  add_node(b.graph(), "FooBar", {"a"}, {"b"});
  add_node(b.graph(), "Baz", {"b"}, {"y"}).set_domain("com.example");
  b.output("y");
  expect_error(b.bytes(), Code::kUnsupported,
               {"node 'FooBar_1' (FooBar, opset 17)", "FooBar (2 nodes", "com.example.Baz",
                "docs/onnx-operators.md"});
}

TEST(Onnx, OutsideTensorsStayInTheFolder) {
  char folder[] = "/tmp/polder_onnx_XXXXXX";
  ASSERT_NE(mkdtemp(folder), nullptr);
  const std::string base = folder;
  Builder b = add_model();
  TensorProto& w = *b.graph().mutable_initializer(0);
  w.clear_raw_data();
  w.set_data_location(TensorProto::EXTERNAL);
  const auto entry = [&](const std::string& key, const std::string& value) {
    auto& e = *w.add_external_data();
    e.set_key(key);
    e.set_value(value);
  };
  const auto import_with = [&](const std::string& location, const std::string& offset) {
    w.clear_external_data();
    entry("location", location);
    entry("offset", offset);
    std::ofstream(base + "/in/m.onnx") << b.bytes();
    return import_onnx(base + "/in/m.onnx");
  };
  std::filesystem::create_directory(base + "/in");
  const float data[] = {0, 1, 2, 3};
  std::ofstream(base + "/in/w.bin").write(reinterpret_cast<const char*>(data), sizeof(data));
  std::ofstream(base + "/w.bin").write(reinterpret_cast<const char*>(data), sizeof(data));
  std::filesystem::create_symlink(base + "/w.bin", base + "/in/link.bin");

  const auto good = import_with("w.bin", "4");
  ASSERT_TRUE(good.ok()) << good.error().message;
  EXPECT_EQ(elements<float>((*good)[good->nodes[0].inputs[1]]), (std::vector<float>{1, 2, 3}));
  EXPECT_EQ(import_with("w.bin", "8").error().code, Code::kCorrupt);
  EXPECT_EQ(import_with("w.bin", "99999999999999999999").error().code, Code::kCorrupt);
  EXPECT_EQ(import_with("../w.bin", "4").error().code, Code::kDenied);
  EXPECT_EQ(import_with(base + "/w.bin", "4").error().code, Code::kDenied);
  EXPECT_EQ(import_with("link.bin", "4").error().code, Code::kDenied);
  EXPECT_EQ(import_with("none.bin", "4").error().code, Code::kNotFound);
  expect_error(b.bytes(), Code::kUnsupported, {"'w'", "from memory"});
  std::filesystem::remove_all(base);
}

TEST(OnnxBadInput, NotAModel) {
  EXPECT_EQ(import_onnx("/nonexistent/model.onnx").error().code, Code::kNotFound);
  expect_error("", Code::kCorrupt, {"empty"});
  expect_error("hello, I am no model at all", Code::kCorrupt, {"not an ONNX model"});
  expect_error(ModelProto().SerializeAsString() + "x", Code::kCorrupt, {"not an ONNX model"});
  ModelProto no_graph;
  no_graph.set_ir_version(8);
  expect_error(no_graph.SerializeAsString(), Code::kCorrupt, {"no graph"});
}

TEST(OnnxBadInput, TruncatedAnywhere) {
  const std::string whole = add_model().bytes();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto graph = import_bytes(whole.substr(0, size));
    if (graph.ok()) continue;
    EXPECT_FALSE(graph.error().message.empty());
  }
}

TEST(OnnxBadInput, AnyByteChanged) {
  const std::string whole = add_model().bytes();
  std::mt19937 random(1);
  for (int i = 0; i < 5000; ++i) {
    std::string bytes = whole;
    for (int k = 0; k < 1 + i % 3; ++k) bytes[random() % bytes.size()] = char(random());
    const auto graph = import_bytes(bytes);
    if (!graph.ok()) continue;
    EXPECT_TRUE(graph->verify().ok());
  }
}

TEST(OnnxBadInput, WrongDataLength) {
  Builder b = add_model();
  b.graph().mutable_initializer(0)->set_raw_data("12345678");
  expect_error(b.bytes(), Code::kCorrupt,
               {"tensor 'w'", "12 bytes expected for [3] f32", "holds 8"});
  b.graph().mutable_initializer(0)->clear_raw_data();
  expect_error(b.bytes(), Code::kCorrupt, {"tensor 'w'", "3 elements expected", "holds 0"});
}

TEST(OnnxBadInput, HugeExtents) {
  Builder b = add_model();
  TensorProto& w = *b.graph().mutable_initializer(0);
  w.set_dims(0, std::int64_t(1) << 39);  // claims 2 TB
  expect_error(b.bytes(), Code::kCorrupt, {"tensor 'w'", "bytes expected"});
  w.add_dims(std::int64_t(1) << 39);
  expect_error(b.bytes(), Code::kExhausted, {"tensor 'w'", "2^40"});
  w.set_dims(0, -5);
  expect_error(b.bytes(), Code::kCorrupt, {"negative"});
  w.clear_dims();
  for (int i = 0; i < 9; ++i) w.add_dims(1);
  expect_error(b.bytes(), Code::kUnsupported, {"rank 9"});

  Builder inputs;
  inputs.input("x", {std::int64_t(1) << 31, std::int64_t(1) << 31});
  add_node(inputs.graph(), "Add", {"x", "x"}, {"y"});
  inputs.output("y");
  expect_error(inputs.bytes(), Code::kExhausted, {"input 'x'", "2^40"});
  inputs.graph().clear_input();
  inputs.input("x", {std::numeric_limits<std::int64_t>::max()});
  expect_error(inputs.bytes(), Code::kExhausted, {"input 'x'", "2^40"});
}

TEST(OnnxBadInput, CyclesAndMissingNames) {
  Builder cycle;
  cycle.input("x", {2});
  add_node(cycle.graph(), "Add", {"x", "b"}, {"a"});
  add_node(cycle.graph(), "Add", {"a", "x"}, {"b"});
  cycle.output("b");
  expect_error(cycle.bytes(), Code::kCorrupt, {"Add_1", "cycle"});

  Builder missing = add_model();
  missing.graph().mutable_node(0)->set_input(1, "nothing");
  expect_error(missing.bytes(), Code::kCorrupt, {"Add_1", "'nothing' is made by no node"});
  Builder output = add_model();
  output.output("nothing");
  expect_error(output.bytes(), Code::kCorrupt, {"output 'nothing'"});
  Builder none = add_model();
  none.graph().clear_output();
  expect_error(none.bytes(), Code::kCorrupt, {"no outputs"});
}

TEST(OnnxBadInput, NamesMadeTwice) {
  Builder twice = add_model();
  add_node(twice.graph(), "Add", {"x", "x"}, {"y"});
  expect_error(twice.bytes(), Code::kCorrupt, {"'y' is made twice"});
  Builder input = add_model();
  input.input("x", {1});
  expect_error(input.bytes(), Code::kCorrupt, {"'x' is made twice"});
  Builder unnamed = add_model();
  unnamed.input("", {1});
  expect_error(unnamed.bytes(), Code::kCorrupt, {"without a name"});
  Builder no_output = add_model();
  no_output.graph().mutable_node(0)->clear_output();
  expect_error(no_output.bytes(), Code::kInvalid, {"outputs"});
}

TEST(OnnxBadInput, NewerOperatorSet) {
  Builder b = add_model();
  b.model.mutable_opset_import(0)->set_version(99);
  expect_error(b.bytes(), Code::kIncompatible, {"99", "opset_version"});
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
  const auto result = import_bytes(b.bytes());
  ASSERT_FALSE(result.ok());
  EXPECT_FALSE(result.error().message.empty());
}

TEST(OnnxBadInput, ControlCharactersAndHugeNamesAreNotPrinted) {
  Builder b;
  b.input("x", {2});
  add_node(b.graph(), std::string("Ev\x1b[31mil\n") + std::string(100000, 'z'), {"x"}, {"y"});
  b.output("y");
  const auto graph = import_bytes(b.bytes());
  ASSERT_FALSE(graph.ok());
  EXPECT_LT(graph.error().message.size(), 10000u);
  EXPECT_EQ(graph.error().message.find('\x1b'), std::string::npos);
  EXPECT_EQ(graph.error().message.find('\n'), std::string::npos);
}

// A GRU of hidden size 2 with these activations.
Builder gru_model(const std::vector<std::string>& activations) {
  Builder b;
  b.input("x", {3, 1, 4});
  b.floats("w", {1, 6, 4}, std::vector<float>(24, 0.5f));
  b.floats("r", {1, 6, 2}, std::vector<float>(12, 0.5f));
  NodeProto& node = add_node(b.graph(), "GRU", {"x", "w", "r"}, {"y"});
  attribute(node, "hidden_size", AttributeProto::INT).set_i(2);
  AttributeProto& names = attribute(node, "activations", AttributeProto::STRINGS);
  for (const std::string& name : activations) names.add_strings(name);
  attribute(node, "activation_alpha", AttributeProto::FLOATS).add_floats(0.25f);
  attribute(node, "activation_beta", AttributeProto::FLOATS).add_floats(0.75f);
  b.output("y");
  return b;
}

TEST(Onnx, ReadsTheActivationsOfARecurrence) {
  const auto graph = import_bytes(gru_model({"Softsign", "hardSigmoid"}).bytes());
  ASSERT_TRUE(graph.ok()) << graph.error().message;
  const Attrs& attrs = graph->nodes[0].attrs;
  EXPECT_EQ(attrs.text("activation_f", ""), "softsign");
  EXPECT_EQ(attrs.text("activation_g", ""), "hard_sigmoid");
  EXPECT_EQ(attrs.reals("alphas"), (std::vector<double>{0, 0.25}));
  EXPECT_EQ(attrs.reals("betas"), (std::vector<double>{0, 0.75}));
}

TEST(OnnxBadInput, ListsOfTextsHoldNoCommas) {
  expect_error(gru_model({"Sigmoid,Tanh"}).bytes(), Code::kInvalid, {"GRU", "'activations'"});
  expect_error(gru_model({"Sigmoid", ""}).bytes(), Code::kInvalid, {"GRU", "'activations'"});
  expect_error(gru_model({"Sigmoid"}).bytes(), Code::kInvalid, {"1 activations; 2 expected"});
  expect_error(gru_model({"Sigmoid", "Tan"}).bytes(), Code::kUnsupported, {"activation 'tan'"});
}

TEST(Onnx, ReadsTestTensors) {
  TensorProto t;
  t.set_name("in");
  t.set_data_type(TensorProto::FLOAT);
  t.add_dims(1);
  t.add_float_data(4);
  std::string name;
  const std::string bytes = t.SerializeAsString();
  const auto tensor = read_onnx_tensor(std::as_bytes(std::span(bytes)), &name);
  ASSERT_TRUE(tensor.ok());
  EXPECT_EQ(name, "in");
  EXPECT_EQ(tensor->shape, Shape{1});
  EXPECT_FALSE(read_onnx_tensor(std::as_bytes(std::span("\xff\xff\xff"))).ok());
}

}  // namespace
}  // namespace polder
