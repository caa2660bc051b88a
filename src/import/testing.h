// Models under construction, for the tests of the ONNX importer.
#pragma once

#include <gtest/gtest.h>
#include <onnx.pb.h>

#include <cstring>
#include <string>
#include <vector>

#include "import/onnx.h"

namespace polder {

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

inline NodeProto& add_node(GraphProto& graph, const std::string& op,
                           const std::vector<std::string>& in,
                           const std::vector<std::string>& out) {
  NodeProto& node = *graph.add_node();
  node.set_op_type(op);
  node.set_name(op + "_" + std::to_string(graph.node_size()));
  for (const auto& name : in) node.add_input(name);
  for (const auto& name : out) node.add_output(name);
  return node;
}

inline AttributeProto& attribute(NodeProto& node, const std::string& name,
                                 AttributeProto::AttributeType type) {
  AttributeProto& a = *node.add_attribute();
  a.set_name(name);
  a.set_type(type);
  return a;
}

inline Result<Graph> import_bytes(const std::string& bytes, const ImportOptions& options = {}) {
  return import_onnx(std::as_bytes(std::span(bytes)), "test.onnx", options);
}

// The import fails with `code` and a message that holds each of `parts`, and the model's name.
inline void expect_error(const std::string& bytes, Code code,
                         std::initializer_list<std::string> parts,
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

inline OwnedTensor integers(const std::vector<std::int64_t>& values, Shape shape) {
  return {DataType::kI64, shape, Bytes::copy_of(std::as_bytes(std::span(values)))};
}

// y = x + w
inline Builder add_model() {
  Builder b;
  b.input("x", {"batch", 3});
  b.floats("w", {3}, {1, 2, 3});
  add_node(b.graph(), "Add", {"x", "w"}, {"y"});
  b.output("y");
  return b;
}

}  // namespace polder
