#include "import/tflite.h"

#include <gtest/gtest.h>

#include <cstring>

#include "tflite_generated.h"

namespace polder {
namespace {

using namespace tflite;

// A model of f32 inputs and one ABS after another, from the first input on.
struct Builder {
  flatbuffers::FlatBufferBuilder flat;
  std::vector<flatbuffers::Offset<Tensor>> tensors;
  std::vector<std::int32_t> inputs, outputs;
  std::vector<flatbuffers::Offset<Operator>> operators;
  std::vector<flatbuffers::Offset<Buffer>> buffers;  // none: the empty one that all share

  // `signature`: the shape with -1 where it is free; empty: as `shape`.
  std::int32_t tensor(const std::string& name, const std::vector<std::int32_t>& shape,
                      const std::vector<std::int32_t>& signature = {}) {
    tensors.push_back(CreateTensorDirect(flat, &shape, TensorType::FLOAT32, 0, name.c_str(), 0,
                                         false, 0, signature.empty() ? nullptr : &signature));
    return std::int32_t(tensors.size() - 1);
  }
  void input(const std::string& name, const std::vector<std::int32_t>& shape,
             const std::vector<std::int32_t>& signature = {}) {
    inputs.push_back(tensor(name, shape, signature));
  }
  std::int32_t abs(std::int32_t x, const std::string& name) {
    const std::vector<std::int32_t> in{x}, out{tensor(name, {})};
    operators.push_back(CreateOperatorDirect(flat, 0, &in, &out));
    return out[0];
  }
  std::string finish() {
    const std::vector codes{CreateOperatorCodeDirect(flat, std::int8_t(BuiltinOperator::ABS),
                                                     nullptr, 1, BuiltinOperator::ABS)};
    const std::vector graphs{
        CreateSubGraphDirect(flat, &tensors, &inputs, &outputs, &operators, "main")};
    if (buffers.empty()) buffers = {CreateBuffer(flat)};
    flat.Finish(CreateModelDirect(flat, 3, &codes, &graphs, nullptr, &buffers), "TFL3");
    return {reinterpret_cast<const char*>(flat.GetBufferPointer()), flat.GetSize()};
  }
};

// image [?,4], and flag [1] of which nobody makes use.
std::string free_model(const std::string& name = "image") {
  Builder b;
  b.input(name, {1, 4}, {-1, 4});
  b.input("flag", {1});
  b.outputs = {b.abs(0, "y")};
  return b.finish();
}

Result<Graph> import_bytes(const std::string& bytes, const ImportOptions& options = {}) {
  const auto owner = std::make_shared<std::string>(bytes);
  return import_tflite(owner, std::as_bytes(std::span(*owner)), "test.tflite", options);
}

// x [3] -> ABS, and constants that nobody reads: 1-D f32 in turn of `counts` elements, each of
// whose buffers begins at the same odd byte behind the FlatBuffer.
std::string misaligned_model(int tensors, const std::vector<std::int32_t>& counts) {
  constexpr std::uint64_t kOffset = (1 << 16) + 1;
  Builder b;
  b.input("x", {3});
  b.outputs = {b.abs(0, "y")};
  for (int i = 0; i < tensors; ++i) {
    const std::size_t which = std::size_t(i) % counts.size();
    const std::vector<std::int32_t> shape{counts[which]};
    b.tensors.push_back(
        CreateTensorDirect(b.flat, &shape, TensorType::FLOAT32, std::uint32_t(which + 1), "c"));
  }
  b.buffers = {CreateBuffer(b.flat)};
  std::uint64_t end = kOffset;
  for (const std::int32_t count : counts) {
    const std::uint64_t bytes = std::uint64_t(count) * sizeof(float);
    b.buffers.push_back(CreateBuffer(b.flat, 0, kOffset, bytes));
    end = std::max(end, kOffset + bytes);
  }
  std::string file = b.finish();
  EXPECT_LT(file.size(), kOffset);
  file.resize(end);
  return file;
}

TEST(Tflite, TensorsOfOneMisalignedBufferShareItsCopy) {
  for (const std::vector<std::int32_t>& counts :
       {std::vector<std::int32_t>{4096}, std::vector<std::int32_t>{1024, 1023}}) {
    const auto graph = import_bytes(misaligned_model(100, counts));
    ASSERT_TRUE(graph.ok()) << graph.error().message;
  }
}

TEST(Tflite, CopiesAreNoLargerThanTheFile) {
  std::vector<std::int32_t> counts;
  for (int i = 0; i < 100; ++i) counts.push_back(10000 - i);
  const auto graph = import_bytes(misaligned_model(100, counts));
  ASSERT_FALSE(graph.ok());
  EXPECT_EQ(graph.error().code, Code::kExhausted);
  EXPECT_NE(graph.error().message.find("overlap"), std::string::npos) << graph.error().message;
}

void expect_error(const std::string& bytes, Code code, std::initializer_list<std::string> parts,
                  const ImportOptions& options = {}) {
  const auto graph = import_bytes(bytes, options);
  ASSERT_FALSE(graph.ok());
  EXPECT_EQ(code_name(graph.error().code), code_name(code)) << graph.error().message;
  for (const std::string& part : parts) {
    EXPECT_NE(graph.error().message.find(part), std::string::npos) << graph.error().message;
  }
  EXPECT_EQ(graph.error().message.find("test.tflite"), 0u) << graph.error().message;
}

OwnedTensor scalar(std::int64_t x) {
  return {DataType::kI64, Shape{1}, Bytes::copy_of(std::as_bytes(std::span(&x, 1)))};
}

TEST(Tflite, AFreeDimensionIsAsConvertedUnlessTheOptionsSay) {
  const auto plain = import_bytes(free_model());
  ASSERT_TRUE(plain.ok()) << plain.error().message;
  EXPECT_EQ((*plain)[plain->inputs[0]].dims.text(), "[1,4]");
  const auto shaped = import_bytes(free_model(), {.shapes = {{"image", {7, -1}}}});
  ASSERT_TRUE(shaped.ok()) << shaped.error().message;
  EXPECT_EQ((*shaped)[shaped->outputs[0]].dims.text(), "[7,4]");
  const auto bounded = import_bytes(free_model(), {.bounds = {{"image[0]", 9}, {"image[1]", 4}}});
  ASSERT_TRUE(bounded.ok()) << bounded.error().message;
  const Dim dim = (*bounded)[bounded->outputs[0]].dims[0];
  EXPECT_FALSE(dim.known());
  EXPECT_EQ(dim.bound, 9);
  ASSERT_EQ(bounded->symbol_names.size(), 1u);
  EXPECT_EQ(bounded->symbol_names[0].second, "image[0]");
  const auto bound = import_bytes(free_model(), {.bindings = {{"flag", scalar(1)}}});
  ASSERT_TRUE(bound.ok()) << bound.error().message;
  EXPECT_EQ(bound->inputs.size(), 1u);
}

TEST(TfliteBadInput, OptionsNameWhatTheModelHas) {
  const std::string model = free_model();
  expect_error(model, Code::kInvalid, {"'imag'", "flag, image"}, {.shapes = {{"imag", {1, 4}}}});
  expect_error(model, Code::kInvalid, {"'imag'", "flag, image"},
               {.bindings = {{"imag", scalar(1)}}});
  expect_error(model, Code::kInvalid, {"'batch'", "image[0]"}, {.bounds = {{"batch", 4}}});
  expect_error(model, Code::kInvalid, {"'image[2]'"}, {.bounds = {{"image[2]", 4}}});
}

TEST(TfliteBadInput, OptionsGiveNumbersThatExtentsCanBe) {
  const std::string model = free_model();
  const std::int64_t huge = std::int64_t(1) << 41;
  for (const std::int64_t bound : {std::int64_t(-1), huge})
    expect_error(model, Code::kInvalid, {"image[0]", "0 to 2^40"},
                 {.bounds = {{"image[0]", bound}}});
  for (const std::int64_t extent : {std::int64_t(-2), huge})
    expect_error(model, Code::kInvalid, {"image", "0 to 2^40"},
                 {.shapes = {{"image", {extent, 4}}}});
  expect_error(model, Code::kInvalid, {"image[1]", "fixed to 4"}, {.bounds = {{"image[1]", 3}}});
  expect_error(model, Code::kInvalid, {"image[0]", "fixed to 5"},
               {.shapes = {{"image", {5, 4}}}, .bounds = {{"image[0]", 4}}});
  expect_error(model, Code::kInvalid, {"image", "twice"},
               {.shapes = {{"image", {5, 4}}, {"image", {6, 4}}}});
  const std::vector<std::int64_t> three{1, 2, 3};
  const OwnedTensor list{DataType::kI64, {3}, Bytes::copy_of(std::as_bytes(std::span(three)))};
  expect_error(model, Code::kInvalid, {"input 'flag'", "[3]"}, {.bindings = {{"flag", list}}});
}

TEST(TfliteBadInput, NamesAreNotPrintedAsTheyAre) {
  expect_error(free_model("a\x1b[31m\n"), Code::kInvalid, {"a?[31m?"}, {.shapes = {{"q", {1}}}});
  Builder b;
  b.input(std::string(100'000, 'z'), {1});
  b.outputs = {1};
  b.abs(1, "y\x1b");  // reads itself
  const auto graph = import_bytes(b.finish());
  ASSERT_FALSE(graph.ok());
  EXPECT_EQ(graph.error().message.find('\x1b'), std::string::npos);
  EXPECT_LT(graph.error().message.size(), 1000u);
}

// 2^17 tensors may have one name of 64 kB.
TEST(TfliteBadInput, SharedNamesAreCapped) {
  Builder b;
  b.input("x", {1});
  b.outputs = {b.abs(0, "y")};
  const std::vector<std::int32_t> shape{1};
  const auto name = b.flat.CreateString(std::string(1 << 16, 'n'));
  const auto extents = b.flat.CreateVector(shape);
  for (int i = 0; i < 1 << 15; ++i)
    b.tensors.push_back(CreateTensor(b.flat, extents, TensorType::FLOAT32, 0, name));
  expect_error(b.finish(), Code::kExhausted, {"names"});
}

TEST(TfliteBadInput, PortsAreCapped) {
  Builder b;
  for (int i = 0; i < kMaxGraphPorts + 1; ++i) b.input("x" + std::to_string(i), {1});
  b.outputs = {b.abs(0, "y")};
  expect_error(b.finish(), Code::kExhausted, {"inputs"});
}

}  // namespace
}  // namespace polder
