#include "import/testing.h"

#include <stdlib.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <optional>

namespace polder {
namespace {

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

// "v" is its only dimension, unless the model calls another one so.
TEST(Onnx, ABoundMayNameAVector) {
  Builder b;
  b.input("v", {-1});
  b.input("m", {-1, "w"});
  b.input("w", {-1});
  add_node(b.graph(), "Abs", {"v"}, {"y"});
  b.output("y");
  const auto graph = import_bytes(b.bytes(), {.bounds = {{"v", 6}, {"w", 7}}});
  ASSERT_TRUE(graph.ok()) << graph.error().message;
  EXPECT_EQ((*graph)[graph->inputs[0]].dims[0].bound, 6);
  EXPECT_EQ((*graph)[graph->inputs[1]].dims[1].bound, 7);
  EXPECT_EQ((*graph)[graph->inputs[2]].dims[0].bound, kUnbounded);
  expect_error(b.bytes(), Code::kInvalid, {"'m'"}, {.bounds = {{"m", 6}}});
  expect_error(b.bytes(), Code::kInvalid, {"'v[0]'", "twice"}, {.bounds = {{"v", 6}, {"v[0]", 7}}});
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

// Binds `element` to an input k of this type: what the constant holds, or nothing when refused.
template <class To, class From>
std::optional<To> bound_as(int onnx_type, DataType type, From element) {
  Builder b;
  b.input("k", {}, onnx_type);
  b.output("k");
  const OwnedTensor given{type, Shape{}, Bytes::copy_of(std::as_bytes(std::span(&element, 1)))};
  const auto graph = import_bytes(b.bytes(), {.bindings = {{"k", given}}});
  if (!graph.ok()) {
    EXPECT_NE(graph.error().message.find("does not fit"), std::string::npos);
    return {};
  }
  return elements<To>((*graph)[graph->outputs[0]]).at(0);
}

TEST(Onnx, BindingRoundsRealsButChangesNoInteger) {
  constexpr double kInf = std::numeric_limits<double>::infinity();
  const auto real = [](double x) { return bound_as<float>(TensorProto::FLOAT, DataType::kF64, x); };
  EXPECT_EQ(real(0.1), 0.1f);
  EXPECT_EQ(real(1e300), std::nullopt);
  EXPECT_EQ(real(-1e39), std::nullopt);
  EXPECT_EQ(real(-kInf), -std::numeric_limits<float>::infinity());
  EXPECT_TRUE(std::isnan(real(std::nan("")).value()));
  const auto whole = [](std::int64_t x) {
    return bound_as<float>(TensorProto::FLOAT, DataType::kI64, x);
  };
  EXPECT_EQ(whole(16777216), 16777216.0f);
  EXPECT_EQ(whole(16777217), std::nullopt);
  EXPECT_EQ(whole(std::numeric_limits<std::int64_t>::min()), -0x1p63f);
  EXPECT_EQ(whole(std::numeric_limits<std::int64_t>::max()), std::nullopt);
  const auto natural = [](double x) {
    return bound_as<std::uint64_t>(TensorProto::UINT64, DataType::kF64, x);
  };
  EXPECT_EQ(natural(3.0), 3u);
  EXPECT_EQ(natural(-1.0), std::nullopt);
  EXPECT_EQ(natural(0.5), std::nullopt);
  EXPECT_EQ(natural(kInf), std::nullopt);
  const auto truth = [](std::int64_t x) {
    return bound_as<std::uint8_t>(TensorProto::BOOL, DataType::kI64, x);
  };
  EXPECT_EQ(truth(1), 1);
  EXPECT_EQ(truth(2), std::nullopt);
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

// A model whose initializers are these bytes (offset, length) of a file of 8,192.
Result<Graph> import_stored(const std::vector<std::pair<std::int64_t, std::size_t>>& places,
                            TensorProto::DataType type, std::size_t element) {
  char folder[] = "/tmp/polder_onnx_XXXXXX";
  EXPECT_NE(mkdtemp(folder), nullptr);
  const std::string base = folder;
  Builder b;
  b.input("x", {1});
  for (const auto& [offset, bytes] : places) {
    const std::string name = "w" + std::to_string(b.graph().initializer_size());
    TensorProto& w = *b.graph().add_initializer();
    w.set_name(name);
    w.set_data_type(type);
    w.add_dims(std::int64_t(bytes / element));
    w.set_data_location(TensorProto::EXTERNAL);
    for (const auto& [key, value] : {std::pair<std::string, std::string>{"location", "w.bin"},
                                     {"offset", std::to_string(offset)}}) {
      auto& entry = *w.add_external_data();
      entry.set_key(key);
      entry.set_value(value);
    }
    b.output(name);
  }
  std::ofstream(base + "/w.bin") << std::string(8192, '\2');
  std::ofstream(base + "/m.onnx") << b.bytes();
  auto graph = import_onnx(base + "/m.onnx");
  std::filesystem::remove_all(base);
  return graph;
}

TEST(Onnx, OutsideTensorsOfOnePlaceShareItsCopy) {
  std::vector<std::pair<std::int64_t, std::size_t>> same(100, {1, 4096});
  const auto bools = import_stored(same, TensorProto::BOOL, 1);
  ASSERT_TRUE(bools.ok()) << bools.error().message;
  const auto halves = import_stored(same, TensorProto::FLOAT16, 2);
  ASSERT_TRUE(halves.ok()) << halves.error().message;
  const std::byte* first = nullptr;
  for (const Value& value : bools->values) {
    if (value.name != "w0" && value.name != "w99") continue;
    EXPECT_EQ(value.data.view[0], std::byte(1));  // 2 in the file
    if (!first) first = value.data.view.data();
    EXPECT_EQ(value.data.view.data(), first);
  }
  EXPECT_NE(first, nullptr);
}

TEST(Onnx, OutsideCopiesAreNoLargerThanTheirFile) {
  const auto overlapping = import_stored({{1, 4096}, {2, 4096}, {3, 4096}}, TensorProto::BOOL, 1);
  ASSERT_FALSE(overlapping.ok());
  EXPECT_EQ(overlapping.error().code, Code::kExhausted);
  EXPECT_NE(overlapping.error().message.find("overlap"), std::string::npos);
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
