#include "import/testing.h"

#include <limits>
#include <random>

namespace polder {
namespace {

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

// A name of 1 MB for each of 200,000 named dimensions would be 200 GB to write.
TEST(OnnxBadInput, RankIsHeldToItsCapBeforeDimensionsAreNamed) {
  Builder b;
  b.input(std::string(1 << 20, 'n'), std::vector<Builder::Extent>(200000, "a"));
  b.output("y");
  expect_error(b.bytes(), Code::kUnsupported, {"input 'nnn", "rank 200000"});
  expect_error(b.bytes(), Code::kUnsupported, {"rank 200000"}, {.bounds = {{"a", 4}}});
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

TEST(OnnxBadInput, NotAModel) {
  EXPECT_EQ(import_onnx("/nonexistent/model.onnx").error().code, Code::kNotFound);
  expect_error("", Code::kCorrupt, {"empty"});
  expect_error("hello, I am no model at all", Code::kCorrupt, {"nor ONNX"});
  expect_error(ModelProto().SerializeAsString() + "x", Code::kCorrupt, {"nor ONNX"});
  ModelProto no_graph;
  no_graph.set_ir_version(8);
  expect_error(no_graph.SerializeAsString(), Code::kCorrupt, {"no graph"});
}

// What is left of a file is refused, or is a model in itself: the end of the file may be left out.
TEST(OnnxBadInput, TruncatedAnywhere) {
  const std::string whole = add_model().bytes();
  std::size_t refused = 0;
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto graph = import_bytes(whole.substr(0, size));
    if (graph.ok()) {
      EXPECT_TRUE(graph->verify().ok()) << size;
      continue;
    }
    ++refused;
    EXPECT_FALSE(graph.error().message.empty()) << size;
  }
  EXPECT_GT(refused, whole.size() * 9 / 10);
}

TEST(OnnxBadInput, AnyByteChanged) {
  const std::string whole = add_model().bytes();
  std::mt19937 random(1);
  int refused = 0;
  for (int i = 0; i < 5000; ++i) {
    std::string bytes = whole;
    for (int k = 0; k < 1 + i % 3; ++k) bytes[random() % bytes.size()] = char(random());
    const auto graph = import_bytes(bytes);
    if (graph.ok()) {
      EXPECT_TRUE(graph->verify().ok());
      continue;
    }
    ++refused;
    EXPECT_FALSE(graph.error().message.empty());
  }
  EXPECT_GT(refused, 1000);
  EXPECT_LT(refused, 5000);
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

}  // namespace
}  // namespace polder
