// The reading of an ONNX model into a graph: of its nodes one by one, and of what is nested in
// them. onnx_importer.cpp holds the graph and its names, onnx_attributes.cpp attributes and
// constants, onnx_functions.cpp the model's own functions, onnx_bodies.cpp If, Loop and Scan.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "import/onnx_model.h"
#include "import/onnx_order.h"
#include "import/options.h"
#include "ops/tools.h"

namespace polder {

// Bodies, branches and functions within each other.
inline constexpr int kMaxOnnxDepth = 64;
// Nodes read in total, those of functions and bodies counted each time.
inline constexpr int kMaxOnnxNodes = 200'000;
// What is read again of functions and bodies, in bytes of the model.
inline constexpr std::size_t kMaxOnnxRepeatedBytes = std::size_t(1) << 30;
// Attributes as they lie in memory, each reading of them counted.
inline constexpr std::size_t kMaxOnnxAttributeBytes = std::size_t(1) << 28;
// Of a node: records of attributes are searched from the front.
inline constexpr int kMaxOnnxAttributes = 256;

class OnnxImporter {
 public:
  // Both are borrowed.
  OnnxImporter(OnnxModel& model, const ImportOptions& options)
      : model_(model), options_(options), tensors_(model) {}

  Result<Graph> import();

 private:
  using Opsets = std::map<std::string, std::int64_t>;
  using Arguments = std::unordered_map<std::string, const onnx::AttributeProto*>;

  // Where names are looked up: a graph, a body, an inlined branch or an inlined function.
  struct Scope {
    Scope* parent = nullptr;  // whose names are seen too; none for the model and for functions
    Graph* graph = nullptr;
    bool is_body = false;  // `graph` is not the parent's: what is found there is captured
    const Opsets* opsets = nullptr;
    const Arguments* arguments = nullptr;  // of the call of the function around
    std::unordered_map<std::string, ValueId> names = {};
    std::vector<ValueId> captures = {};                 // of a body: values of the parent's graph
    std::map<std::int32_t, std::int32_t> symbols = {};  // of a body: the parent's -> its own

    Dim translate(Dim dim);
    Dims translate(const Dims& dims);
  };
  struct Formal {
    DataType type = DataType::kNone;
    Dims dims = {};  // in symbols of the graph around
  };
  // What a body's own inputs are, by the operator around it; the values carried from one run of a
  // Loop's body to the next are formals 2 and up, those of a Scan's formals 0 and up.
  struct Bodies {
    std::vector<Formal> formals;
    std::size_t carried_from = 0, carried = 0;  // formals
    std::size_t results_from = 0;               // outputs of the body that become them
  };
  // While it lives, the reading is one level deeper.
  class Deeper {
   public:
    explicit Deeper(int& depth) : depth_(++depth) {}
    ~Deeper() { --depth_; }

   private:
    int& depth_;
  };

  // The graph and its names.
  static Status read_opsets(
      const google::protobuf::RepeatedPtrField<onnx::OperatorSetIdProto>& imports, Opsets& opsets);
  static std::int64_t opset_of(const Opsets& opsets, const std::string& domain);
  Status read_inputs_of_graph(const onnx::GraphProto& source, Scope& scope);
  Status read_initializers(onnx::GraphProto& source, Scope& scope);
  Status read_nodes(google::protobuf::RepeatedPtrField<onnx::NodeProto>& nodes, Scope& scope);
  Status read_node(onnx::NodeProto& source, Scope& scope);
  void note_misfit(const Graph& graph, std::size_t nodes_before);
  Status read_operator(onnx::NodeProto& source, Scope& scope);
  Status read_inputs(onnx::NodeProto& source, Scope& scope, ops::ImportContext& node);
  Status define_outputs(onnx::NodeProto& source, Scope& scope, ops::ImportContext& node);
  Status read_outputs(const onnx::GraphProto& source, Scope& scope, Graph& graph);
  static Status rename_output(const std::string& name, Graph& graph, ValueId& id);
  Status define(const std::string& name, ValueId id, Scope& scope);
  ValueId resolve(const std::string& name, Scope& scope);
  static ValueId capture(const std::string& name, ValueId outer, Scope& scope);
  const ops::OnnxMatch& match(const std::string& domain, const std::string& op_type);

  // Attributes and constants.
  Status read_attributes(onnx::NodeProto& source, Scope& scope, ops::ImportContext& node);
  Status read_attribute(onnx::AttributeProto& source, const std::string& name,
                        ops::ImportContext& node);
  Status read_constant(onnx::NodeProto& source, Scope& scope);
  Result<ValueId> constant_of(const std::string& kind, onnx::AttributeProto& attribute,
                              const std::string& name, Graph& graph);
  Result<ValueId> add_tensor(std::string_view name, onnx::TensorProto& tensor, Graph& graph,
                             std::span<const std::byte> raw = {});
  Result<ValueId> add_sparse(std::string_view name, onnx::SparseTensorProto& tensor, Graph& graph);
  // The attribute itself, or what the call of the function around gives for it; null: not given.
  static onnx::AttributeProto* actual(onnx::AttributeProto& attribute, const Scope& scope);
  // Counts what reading the attribute takes in memory: nodes may share one, given by a call.
  Status count(const onnx::AttributeProto& attribute);

  // Functions of the model.
  void index_functions();
  onnx::FunctionProto* find_function(const std::string& domain, const std::string& op_type) const;
  Status read_call(onnx::FunctionProto& function, onnx::NodeProto& source, Scope& scope);
  // Counts a reading of a function or a body against the caps.
  Status enter(const google::protobuf::MessageLite& message);
  Error unsupported_operators();
  void list_unsupported(const OnnxNodes& nodes,
                        std::map<std::string, std::pair<int, std::string>>& found);

  // Control flow.
  Status read_if(onnx::NodeProto& source, Scope& scope);
  Status read_known_branch(onnx::GraphProto& branch, onnx::NodeProto& source, Scope& scope);
  Status read_branch(onnx::GraphProto& branch, onnx::NodeProto& source, Scope& scope,
                     std::vector<ValueId>& results);
  Status read_only_branch(onnx::GraphProto& branch, onnx::NodeProto& source, Scope& scope,
                          bool taken_when, ops::ImportContext& node);
  static Result<Bodies> formals_of(const ops::ImportContext& node);
  static Status scan_formals(const ops::ImportContext& node, Bodies& bodies);
  static Formal formal_of(const ops::ImportContext& node, std::size_t input);
  Status read_body(onnx::GraphProto& source, std::string_view name, Scope& scope,
                   ops::ImportContext& node);
  static Result<bool> free_what_changes(const Graph& body, Graph& around, Bodies& bodies,
                                        std::vector<bool>& freed);
  Status read_body_once(onnx::GraphProto& source, Scope& scope, std::vector<Formal>& formals,
                        Graph& body, std::vector<ValueId>& captures);

  OnnxModel& model_;
  const ImportOptions& options_;
  OnnxTensors tensors_;
  OnnxOrder order_;
  Opsets opsets_;
  std::unordered_map<std::string, onnx::FunctionProto*> functions_;  // "domain:name"
  std::unordered_map<std::string, ops::OnnxMatch> matches_;          // "domain:op_type"
  std::unordered_set<const void*> read_;                             // functions and bodies
  std::size_t repeated_bytes_ = 0;
  std::size_t attribute_bytes_ = 0;
  int depth_ = 0;
  int body_depth_ = 0;
  int nodes_ = 0;
  bool misfit_ = false;  // the error that is on its way came from inference of shapes
};

// "" is ONNX's own.
std::string onnx_domain(const std::string& domain);

}  // namespace polder
