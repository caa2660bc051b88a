// Plans that are not what they should be: each is refused with its reason.
#include "runtime/plan.h"

#include <gtest/gtest.h>

#include <cstring>

#include "runtime/session.h"
#include "runtime/testing.h"

namespace polder {
namespace {

using handmade::difference;
using handmade::file_of;
using handmade::node;
using handmade::tensor;
using plan::Storage;

Result<Plan> read(std::span<const std::byte> bytes) {
  const Bytes file = Bytes::copy_of(bytes);
  return Plan::from_bytes(file.owner, file.view);
}

Result<std::unique_ptr<Session>> open(const plan::ProgramT& program) {
  TRY_VALUE(Plan plan, read(file_of(program)));
  return Session::open(std::move(plan));
}

template <class T>
void expect_error(const Result<T>& result, Code code, const std::string& part) {
  ASSERT_FALSE(result.ok()) << part;
  EXPECT_EQ(code_name(result.error().code), code_name(code)) << result.error().message;
  EXPECT_NE(result.error().message.find(part), std::string::npos) << result.error().message;
}

TEST(PlanFile, RunsWhenNothingIsWrong) {
  auto session = open(difference());
  ASSERT_TRUE(session.ok()) << session.error().message;
  std::vector<float> x(16);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = -float(i);
  const TensorView input{x.data(), DataType::kF32, {4, 4}};
  ASSERT_TRUE((*session)->run({&input, 1}).ok());
  EXPECT_EQ((*session)->output(0).as<float>()[1], 1 - 4);
}

TEST(PlanFile, NotAPlanOrDamaged) {
  const std::vector<std::byte> file = file_of(difference());
  expect_error(Plan::open("/nonexistent/a.plan"), Code::kNotFound, "/nonexistent/a.plan");
  expect_error(read({}), Code::kCorrupt, "not a plan");
  for (std::size_t size = 8; size < file.size(); ++size)
    expect_error(read(std::span(file).first(size)), Code::kCorrupt, "truncated");
  for (std::size_t i = 0; i < file.size(); ++i) {
    std::vector<std::byte> changed = file;
    changed[i] ^= std::byte(0x10);
    EXPECT_FALSE(read(changed).ok()) << i;
  }
  std::vector<std::byte> changed = file;
  changed.back() ^= std::byte(1);
  expect_error(read(changed), Code::kCorrupt, "checksum");
}

TEST(PlanFile, NumbersThatAreNotAligned) {
  flatbuffers::FlatBufferBuilder builder;
  const plan::ProgramT program = difference();
  builder.Finish(plan::Program::Pack(builder, &program));
  auto* read = flatbuffers::GetMutableRoot<plan::Program>(builder.GetBufferPointer());
  ASSERT_TRUE(
      verified_program(std::as_bytes(std::span(builder.GetBufferPointer(), builder.GetSize()))));
  // The list starts 4 bytes later: its first number becomes its length.
  const void* tensor = read->graphs()->Get(0)->tensors()->Get(0);
  auto* table = static_cast<flatbuffers::Table*>(const_cast<void*>(tensor));
  std::uint8_t* offset = table->GetAddressOf(plan::Tensor::VT_DIMS);
  flatbuffers::WriteScalar(offset, flatbuffers::ReadScalar<flatbuffers::uoffset_t>(offset) + 4);
  EXPECT_FALSE(
      verified_program(std::as_bytes(std::span(builder.GetBufferPointer(), builder.GetSize()))));
}

TEST(PlanFile, OfAnotherFormatMachineOrOperatorSet) {
  std::vector<std::byte> file = file_of(difference());
  file[8] = std::byte(9);
  expect_error(read(file), Code::kIncompatible, "plan format 9; this build runs format 1");

  plan::ProgramT program = difference();
  program.target = 99;
  expect_error(open(program), Code::kIncompatible, "instruction set number 99");
  const auto other =
      kernel::kernels_for(kernel::Isa::kArm64Neon) ? kernel::Isa::kX86V3 : kernel::Isa::kArm64Neon;
  program.target = std::uint8_t(other);
  expect_error(open(program), Code::kIncompatible, "compile with --target");

  program = difference();
  program.operators[0]->version += 1;
  program.operators[2]->name = "FooBar";
  expect_error(open(program), Code::kIncompatible, "Abs version 2, FooBar version 1");
}

TEST(PlanFile, MemoryThatOverlaps) {
  plan::ProgramT program = difference();
  program.graphs[0]->tensors[2]->offset = 0;  // a transpose over its input
  expect_error(open(program), Code::kCorrupt, "input 0 shares memory");
  program = difference();
  program.graphs[0]->tensors[3]->offset = 64;  // a difference may lie over either of its inputs
  EXPECT_TRUE(open(program).ok());
  program.graphs[0]->nodes[1]->workspace_bytes = 64;
  expect_error(open(program), Code::kCorrupt, "shares memory");
  program.graphs[0]->nodes[1]->workspace_offset = 64;
  expect_error(open(program), Code::kCorrupt, "share memory");
}

TEST(PlanFile, PlacesOutsideOfTheFileOrTheArena) {
  plan::ProgramT program = difference();
  program.graphs[0]->arena_bytes = 191;
  expect_error(open(program), Code::kCorrupt, "tensor 3");
  program.graphs[0]->arena_bytes = std::uint64_t(1) << 40;
  expect_error(open(program), Code::kExhausted, "arena");
  program = difference();
  program.graphs[0]->tensors[1]->storage = Storage::Constant;
  expect_error(open(program), Code::kCorrupt, "outside the constants");
  program = difference();
  program.graphs[0]->tensors[1]->dims = {std::int64_t(1) << 39, 4};
  expect_error(open(program), Code::kExhausted, "2^36 bytes");
  program.graphs[0]->tensors[1]->dims = {std::int64_t(1) << 39, std::int64_t(1) << 39};
  expect_error(open(program), Code::kExhausted, "2^36 bytes");
}

TEST(PlanFile, NodesThatDoNotFit) {
  plan::ProgramT program = difference();
  program.graphs[0]->tensors[3]->dims = {2, 4};
  expect_error(open(program), Code::kCorrupt, "where the operator makes [4,4]");
  program = difference();
  program.graphs[0]->nodes[2]->inputs = {1, 9};
  expect_error(open(program), Code::kCorrupt, "no tensor 9");
  program = difference();
  program.graphs[0]->nodes[0]->op = 3;
  expect_error(open(program), Code::kCorrupt, "no operator 3");
  program = difference();
  program.graphs[0]->nodes[1]->attrs[0]->integers = {1, 1};
  EXPECT_FALSE(open(program).ok());
  program = difference();
  program.graphs[0]->nodes[0]->outputs = {0};
  expect_error(open(program), Code::kCorrupt, "not in the arena");
}

// An If on a flag and a value, whose branches take what they like and hand their first input on.
plan::ProgramT choice(const std::vector<DataType>& taken) {
  plan::ProgramT program = difference();
  program.operators[0]->name = "If";
  program.operators[0]->version = std::uint16_t(ops::find_op("If")->version);
  plan::GraphT& graph = *program.graphs[0];
  graph.tensors[0]->type = std::uint8_t(DataType::kBool);
  graph.tensors[0]->dims.clear();
  graph.tensors.resize(1);
  graph.tensors.push_back(tensor(Storage::Input, {4}));
  graph.tensors.push_back(tensor(Storage::Arena, {4}));
  graph.nodes.resize(1);
  graph.nodes[0] = node(0, {0, 1, 1}, {2});
  auto then_inputs = std::make_unique<plan::AttrT>();
  then_inputs->name = "then_inputs";
  then_inputs->kind = plan::AttrKind::Integer;
  then_inputs->integer = 1;
  graph.nodes[0]->attrs.push_back(std::move(then_inputs));
  graph.nodes[0]->bodies = {1, 1};
  graph.nodes[0]->body_offsets = {64, 64};
  graph.inputs = {0, 1};
  graph.outputs = {2};
  auto body = std::make_unique<plan::GraphT>();
  for (const DataType type : taken) {
    body->inputs.push_back(int(body->tensors.size()));
    body->tensors.push_back(tensor(Storage::Input, {4}));
    body->tensors.back()->type = std::uint8_t(type);
  }
  body->outputs = {0};
  program.graphs.push_back(std::move(body));
  return program;
}

TEST(PlanFile, BodiesThatDoNotFitTheirNode) {
  const auto opened = open(choice({DataType::kF32}));
  EXPECT_TRUE(opened.ok()) << opened.error().message;
  expect_error(open(choice({DataType::kF32, DataType::kF32})), Code::kCorrupt, "takes 2 inputs");
  expect_error(open(choice({DataType::kI32})), Code::kCorrupt, "input 0 of a body is i32");
}

// Each graph uses the next one twice: a small file, but 2^n graphs to load.
TEST(PlanFile, BodiesThatMultiply) {
  plan::ProgramT program = difference();
  program.operators[0]->name = "If";
  program.operators[0]->version = std::uint16_t(ops::find_op("If")->version);
  program.graphs.clear();
  for (std::uint16_t level = 0; level < 40; ++level) {
    auto graph = std::make_unique<plan::GraphT>();
    graph->tensors.push_back(tensor(Storage::Input, {}));
    graph->tensors[0]->type = std::uint8_t(DataType::kBool);
    graph->tensors.push_back(tensor(Storage::Arena, {1}));
    graph->inputs = {0};
    graph->outputs = {1};
    graph->arena_bytes = 64;
    graph->nodes.push_back(node(0, {0}, {1}));
    graph->nodes[0]->bodies = {std::uint16_t(level + 1), std::uint16_t(level + 1)};
    graph->nodes[0]->body_offsets = {0, 0};
    program.graphs.push_back(std::move(graph));
  }
  expect_error(open(program), Code::kExhausted, "nested deeper");
}

}  // namespace
}  // namespace polder
