// The inputs of an ONNX model, as the options of the import make them: free, given, or bound.
#pragma once

#include <onnx.pb.h>

#include <map>
#include <string>
#include <string_view>
#include <unordered_set>

#include "base/fail.h"
#include "import/option_names.h"

namespace polder {

class OnnxInputs {
 public:
  // All are borrowed.
  OnnxInputs(const ImportOptions& options, const onnx::GraphProto& model, Graph& graph);

  // Checks that every option names something, and settles the dimensions that the model names.
  Status check_options();
  // An input with an initializer of the same name is no input, unless the caller binds it.
  bool is_default(const std::string& name) const;
  // Adds the value: an input of the graph, or a constant when it is bound.
  Result<ValueId> add(const onnx::ValueInfoProto& input);

 private:
  Status check_sizes() const;
  OptionNames names() const;
  Result<ValueId> add_unnamed(const onnx::ValueInfoProto& input);
  Result<Dims> dims_of(const onnx::ValueInfoProto& input);
  Dim free_dim(const onnx::ValueInfoProto& input, int axis);

  ImportOptions options_;
  const onnx::GraphProto& model_;
  Graph& graph_;
  std::unordered_set<std::string_view> initializers_;
  std::map<std::string, Dim> named_;  // dimensions by the names that the model gives them
};

}  // namespace polder
