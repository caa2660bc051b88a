// For tests: plans made by hand.
#pragma once

#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "ops/op.h"
#include "plan_generated.h"
#include "runtime/plan.h"

namespace polder::handmade {

inline std::unique_ptr<plan::TensorT> tensor(plan::Storage storage, std::vector<std::int64_t> dims,
                                             std::uint64_t offset = 0) {
  auto made = std::make_unique<plan::TensorT>();
  made->type = std::uint8_t(DataType::kF32);
  made->storage = storage;
  made->bytes = 4;
  for (const std::int64_t dim : dims) made->bytes *= std::uint64_t(dim);
  made->dims = std::move(dims);
  made->offset = offset;
  return made;
}

inline std::unique_ptr<plan::NodeT> node(std::uint16_t op, std::vector<std::int32_t> inputs,
                                         std::vector<std::int32_t> outputs) {
  auto made = std::make_unique<plan::NodeT>();
  made->op = op;
  made->name = "n";
  made->inputs = std::move(inputs);
  made->outputs = std::move(outputs);
  return made;
}

// y = |x| - |x|^T for x [4,4]; operators Abs, Transpose, Sub.
inline plan::ProgramT difference() {
  plan::ProgramT program;
  for (const char* name : {"Abs", "Transpose", "Sub"}) {
    auto op = std::make_unique<plan::OperatorT>();
    op->name = name;
    op->version = std::uint16_t(ops::find_op(name)->version);
    program.operators.push_back(std::move(op));
  }
  auto graph = std::make_unique<plan::GraphT>();
  graph->tensors.push_back(tensor(plan::Storage::Input, {4, 4}));
  for (const std::uint64_t offset : {0, 64, 128})
    graph->tensors.push_back(tensor(plan::Storage::Arena, {4, 4}, offset));
  graph->nodes.push_back(node(0, {0}, {1}));
  graph->nodes.push_back(node(1, {1}, {2}));
  graph->nodes.push_back(node(2, {1, 2}, {3}));
  auto perm = std::make_unique<plan::AttrT>();
  perm->name = "perm";
  perm->kind = plan::AttrKind::Integers;
  perm->integers = {1, 0};
  graph->nodes[1]->attrs.push_back(std::move(perm));
  graph->inputs = {0};
  graph->outputs = {3};
  graph->arena_bytes = 192;
  program.graphs.push_back(std::move(graph));
  return program;
}

inline std::vector<std::byte> file_of(const plan::ProgramT& program) {
  flatbuffers::FlatBufferBuilder builder;
  builder.Finish(plan::Program::Pack(builder, &program));
  const auto bytes = std::as_bytes(std::span(builder.GetBufferPointer(), builder.GetSize()));
  const PlanHeader header = plan_header(bytes, {});
  std::vector<std::byte> file(header.file_bytes);
  std::memcpy(file.data(), &header, sizeof header);
  std::memcpy(file.data() + sizeof header, bytes.data(), bytes.size());
  return file;
}

}  // namespace polder::handmade
