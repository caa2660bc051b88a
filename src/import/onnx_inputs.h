// The inputs of an ONNX model, as the options of the import make them: free, given, or bound.
#pragma once

#include <onnx.pb.h>

#include <map>
#include <string>

#include "base/fail.h"
#include "import/options.h"

namespace polder {

class OnnxInputs {
 public:
  // Both are borrowed.
  OnnxInputs(const ImportOptions& options, Graph& graph) : options_(options), graph_(graph) {}

  // Checks that every option names something, and settles the dimensions that the model names.
  Status check_options(const onnx::GraphProto& model);
  // An input with an initializer of the same name is no input, unless the caller binds it.
  bool is_default(const onnx::GraphProto& model, const std::string& name) const;
  // Adds the value: an input of the graph, or a constant when it is bound.
  Result<ValueId> add(const onnx::ValueInfoProto& input);

 private:
  Status check_names(const onnx::GraphProto& model) const;
  Result<ValueId> add_unnamed(const onnx::ValueInfoProto& input);
  Result<Dims> dims_of(const onnx::ValueInfoProto& input);
  Dim free_dim(const onnx::ValueInfoProto& input, int axis);
  std::int64_t bound_of(const std::string& name) const;

  const ImportOptions& options_;
  Graph& graph_;
  std::map<std::string, Dim> named_;  // dimensions by the names that the model gives them
};

}  // namespace polder
