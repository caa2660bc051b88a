// A sample of an operator as a graph: for tests and seeds of what takes graphs.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "base/fail.h"
#include "graph/graph.h"
#include "ops/tools.h"

namespace polder::ops {

// Elements as the sample gives them, or small numbers that differ.
inline Bytes elements_of(const SampleInput& input) {
  const TensorView shape{nullptr, input.type, input.shape};
  std::span<std::byte> bytes;
  Bytes data = Bytes::allocate(shape.bytes(), &bytes);
  const auto put = [&]<class T>(T*) {
    T* out = reinterpret_cast<T*>(bytes.data());
    for (std::size_t i = 0; i < bytes.size() / sizeof(T); ++i) {
      const double x = i < input.values.size() ? input.values[i] : double(i % 3);
      if constexpr (std::is_floating_point_v<T>) out[i] = T(x);
      else out[i] = T(std::int64_t(std::clamp(x, -1e15, 1e15)));
      if (input.type == DataType::kBool) out[i] = out[i] != T(0);
    }
  };
  switch (input.type) {
    case DataType::kF32: put(static_cast<float*>(nullptr)); break;
    case DataType::kF64: put(static_cast<double*>(nullptr)); break;
    case DataType::kI64:
    case DataType::kU64: put(static_cast<std::int64_t*>(nullptr)); break;
    case DataType::kI32:
    case DataType::kU32: put(static_cast<std::int32_t*>(nullptr)); break;
    case DataType::kI8:
    case DataType::kU8:
    case DataType::kBool: put(static_cast<std::uint8_t*>(nullptr)); break;
    default: put(static_cast<std::uint16_t*>(nullptr)); break;
  }
  return data;
}

// Of values that the sample names: they are what inference wants to know.
inline bool is_fixed(const SampleInput& input) { return input.constant || !input.values.empty(); }

// A graph of one node; what is not fixed is an input of it, in the sample's order. With `free`,
// extents other than 1 are known in a run only.
inline Graph sample_graph(const OpDef& def, const Sample& sample, bool free) {
  Graph graph;
  Node node;
  node.op = def.name;
  node.name = "node";
  node.attrs = sample.attrs;
  for (const SampleInput& input : sample.inputs) {
    if (input.type == DataType::kNone) {
      node.inputs.push_back(kNoValue);
      continue;
    }
    const std::string name = fmt::format("in{}", node.inputs.size());
    if (is_fixed(input)) {
      node.inputs.push_back(graph.add_constant(name, input.type, input.shape, elements_of(input)));
      continue;
    }
    Dims dims(input.shape);
    for (int axis = 0; free && axis < dims.rank(); ++axis) {
      if (!dims[axis].is(1)) dims[axis] = graph.new_dim(dims[axis].bound);
    }
    node.inputs.push_back(graph.add_value(name, input.type, dims));
    graph.inputs.push_back(node.inputs.back());
  }
  for (std::size_t i = 0; i < sample.outputs(); ++i)
    node.outputs.push_back(graph.add_value(fmt::format("out{}", i)));
  graph.outputs = node.outputs;
  graph.nodes.push_back(std::move(node));
  return graph;
}

}  // namespace polder::ops
