#include "import/onnx_importer.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "import/onnx.h"
#include "import/onnx_inputs.h"
#include "ops/pack.h"

namespace polder {
namespace {

std::string title(const onnx::NodeProto& node, std::int64_t version) {
  return fmt::format("node '{}' ({}, opset {})", node_name(node), clipped(node.op_type()), version);
}

// Where given shapes may be why a node does not fit: says which they are.
Error with_shapes(Error error, const ImportOptions& options) {
  if (error.code != Code::kInvalid || options.shapes.empty()) return error;
  bool is_picture = false;
  std::string given;
  for (const auto& [name, extents] : options.shapes) {
    given +=
        fmt::format("{}{}={}", given.empty() ? "" : " ", clipped(name), fmt::join(extents, ","));
    is_picture = is_picture || extents.size() == 4;
  }
  error.message += fmt::format("; that is with the shapes {}: the model may take others only{}",
                               given, is_picture ? ", such as multiples of 32" : "");
  return error;
}

// Inference has named the node already where it is the same operator: once is enough.
Error at_node(Error error, const onnx::NodeProto& node, std::int64_t version) {
  const std::string own = fmt::format("node '{}' ({}): ", node_name(node), clipped(node.op_type()));
  if (error.message.starts_with(own)) error.message.erase(0, own.size());
  return std::move(error).at(title(node, version));
}

// Before operator set 7 broadcasting was asked for, and `axis` said where the second input begins;
// since then it is done as in NumPy: extents of 1 take the place of that attribute.
Status upgrade_broadcast(ops::ImportContext& node) {
  if (node.version >= 7 || !node.attrs.has("broadcast")) return {};
  node.attrs.erase("broadcast");
  if (!node.attrs.has("axis")) return {};
  if (!node.has(0) || !node.has(1)) return fail(Code::kCorrupt, "two inputs expected");
  const Dims& b = node.graph[node.in(1)].dims;
  const int rank = node.rank(0);
  std::int64_t axis = node.attrs.integer("axis", 0);
  node.attrs.erase("axis");
  if (axis < 0) axis += rank;
  if (axis < 0 || axis + b.rank() > rank) {
    return fail(Code::kInvalid, "attribute 'axis' is {}: input 1 {} does not fit input 0 there",
                axis, b.text());
  }
  std::vector<std::int64_t> axes;
  for (int i = b.rank(); i < rank - int(axis); ++i) axes.push_back(i);
  if (axes.empty()) return {};
  TRY_VALUE(node.inputs[1], node.emit("Unsqueeze", {node.in(1)}, {{"axes", axes}}));
  return {};
}

}  // namespace

std::string onnx_domain(const std::string& domain) { return domain == "ai.onnx" ? "" : domain; }

Dim OnnxImporter::Scope::translate(Dim dim) {
  if (dim.known()) return dim;
  const auto [at, is_new] = symbols.emplace(dim.symbol, 0);
  if (is_new) at->second = graph->new_dim(dim.bound).symbol;
  return Dim(dim.bound, at->second);
}

Dims OnnxImporter::Scope::translate(const Dims& dims) {
  Dims out;
  for (const Dim& dim : dims) out.push_back(translate(dim));
  return out;
}

// The opset of a domain; 1 where the model does not say.
std::int64_t OnnxImporter::opset_of(const Opsets& opsets, const std::string& domain) {
  const auto found = opsets.find(onnx_domain(domain));
  return found == opsets.end() ? 1 : found->second;
}

Result<Graph> OnnxImporter::import() {
  onnx::GraphProto& source = *model_.proto.mutable_graph();
  TRY(read_opsets(model_.proto.opset_import(), opsets_));
  index_functions();
  Graph graph;
  graph.name = source.name();
  Scope scope{.graph = &graph, .opsets = &opsets_};
  TRY(read_inputs_of_graph(source, scope));
  TRY(read_initializers(source, scope));
  if (Status status = read_nodes(*source.mutable_node(), scope); !status)
    return misfit_ ? with_shapes(std::move(status).error(), options_) : std::move(status).error();
  TRY(read_outputs(source, scope, graph));
  graph.prune();
  TRY(graph.verify());
  return graph;
}

Status OnnxImporter::read_inputs_of_graph(const onnx::GraphProto& source, Scope& scope) {
  Graph& graph = *scope.graph;
  OnnxInputs inputs(options_, source, graph);
  TRY(inputs.check_options());
  for (const auto& input : source.input()) {
    if (inputs.is_default(input.name())) continue;
    TRY_VALUE(const ValueId id, inputs.add(input));
    TRY(define(input.name(), id, scope));
  }
  return {};
}

Status OnnxImporter::read_opsets(
    const google::protobuf::RepeatedPtrField<onnx::OperatorSetIdProto>& imports, Opsets& opsets) {
  for (const auto& import : imports) {
    opsets[onnx_domain(import.domain())] = import.version();
  }
  const std::int64_t version = opset_of(opsets, "");
  if (version < 1 || version > kMaxOnnxOpset) {
    return fail(Code::kIncompatible,
                "ONNX operator set {}; 1 to {} are supported: export with opset_version={}",
                version, kMaxOnnxOpset, kMaxOnnxOpset);
  }
  return {};
}

Status OnnxImporter::define(const std::string& name, ValueId id, Scope& scope) {
  if (name.empty()) return fail(Code::kCorrupt, "a value without a name");
  if (scope.names.emplace(name, id).second) return {};
  return fail(Code::kCorrupt, "'{}' is made twice", clipped(name));
}

// The value, brought into the scope's graph; kNoValue when nothing has the name.
ValueId OnnxImporter::resolve(const std::string& name, Scope& scope) {
  if (const auto found = scope.names.find(name); found != scope.names.end()) return found->second;
  if (!scope.parent) return kNoValue;
  const ValueId outer = resolve(name, *scope.parent);
  if (outer == kNoValue || !scope.is_body) return outer;
  return capture(name, outer, scope);
}

// A value of the graph around, made an input of the body; a constant is handed in as one.
ValueId OnnxImporter::capture(const std::string& name, ValueId outer, Scope& scope) {
  const Value& value = (*scope.parent->graph)[outer];
  Graph& graph = *scope.graph;
  ValueId id;
  if (value.is_constant()) {
    id = graph.add_constant(name, value.type, value.dims.bounds(), value.data);
    graph[id].layout = value.layout;
  } else {
    id = graph.add_value(name, value.type, scope.translate(value.dims));
    if (value.ints) {
      IntList ints = *value.ints;
      for (int i = 0; i < ints.size(); ++i) ints[i] = scope.translate(ints[i]);
      graph[id].ints = std::make_shared<IntList>(ints);
    }
    graph.inputs.push_back(id);
    scope.captures.push_back(outer);
  }
  scope.names.emplace(name, id);
  return id;
}

Status OnnxImporter::read_initializers(onnx::GraphProto& source, Scope& scope) {
  const bool main = &source == model_.proto.mutable_graph();
  for (int i = 0; i < source.initializer_size(); ++i) {
    onnx::TensorProto& tensor = *source.mutable_initializer(i);
    if (main && scope.names.contains(tensor.name())) continue;  // bound by the caller
    const auto raw = main ? model_.raw[std::size_t(i)] : std::span<const std::byte>();
    TRY_VALUE(const ValueId id, add_tensor(tensor.name(), tensor, *scope.graph, raw));
    TRY(define(tensor.name(), id, scope));
  }
  for (auto& tensor : *source.mutable_sparse_initializer()) {
    const std::string& name = tensor.values().name();
    TRY_VALUE(const ValueId id, add_sparse(name, tensor, *scope.graph));
    TRY(define(name, id, scope));
  }
  return {};
}

Status OnnxImporter::read_nodes(google::protobuf::RepeatedPtrField<onnx::NodeProto>& nodes,
                                Scope& scope) {
  const Result<std::vector<int>>& order = order_.of(nodes);
  if (!order.ok()) return Error(order.error());
  for (const int n : *order) {
    onnx::NodeProto& node = nodes[n];
    if (++nodes_ > kMaxOnnxNodes) {
      return fail(Code::kExhausted,
                  "more than {} nodes, those of functions and bodies counted for each use",
                  kMaxOnnxNodes);
    }
    const std::size_t before = scope.graph->nodes.size();
    misfit_ = false;  // of a branch that is left out, say
    if (Status status = read_node(node, scope); !status) {
      note_misfit(*scope.graph, before);
      return at_node(std::move(status).error(), node, opset_of(*scope.opsets, node.domain()));
    }
  }
  return {};
}

// Whether it is inference that failed: the node was added, its attributes are right by themselves,
// and it has no output. What is wrong else no other shapes of inputs would mend.
void OnnxImporter::note_misfit(const Graph& graph, std::size_t nodes_before) {
  if (graph.nodes.size() <= nodes_before) return;
  const Node& node = graph.nodes.back();
  const ops::OpDef* def = ops::find_op(node.op);
  alignas(std::max_align_t) std::byte params[ops::kMaxParamsBytes] = {};
  const auto is_inferred = [&](ValueId id) {
    return id != kNoValue && graph[id].type != DataType::kNone;
  };
  misfit_ = misfit_ || (def && std::ranges::none_of(node.outputs, is_inferred) &&
                        def->parse(node.attrs, params).ok());
}

Status OnnxImporter::read_node(onnx::NodeProto& source, Scope& scope) {
  if (onnx::FunctionProto* function = find_function(source.domain(), source.op_type())) {
    return read_call(*function, source, scope);
  }
  if (onnx_domain(source.domain()).empty()) {
    if (source.op_type() == "Constant") return read_constant(source, scope);
    if (source.op_type() == "If" && source.input_size() == 1) return read_if(source, scope);
  }
  return read_operator(source, scope);
}

Status OnnxImporter::read_operator(onnx::NodeProto& source, Scope& scope) {
  const auto [def, rule] = match(source.domain(), source.op_type());
  if (!def) return unsupported_operators();

  ops::ImportContext node(*scope.graph);
  TRY(read_inputs(source, scope, node));
  TRY(read_attributes(source, scope, node));
  TRY(define_outputs(source, scope, node));
  TRY(upgrade_broadcast(node));
  if (node.outputs.empty()) return fail(Code::kInvalid, "0 outputs; at least 1 expected");
  // Only a Loop can do without its first input.
  if (!node.has(0) && node.op_type != "Loop" && (!node.inputs.empty() || def->min_inputs > 0))
    return fail(Code::kCorrupt, "input 0 is absent");
  if (rule->import) return rule->import(node);
  if (!node.bodies.empty()) return fail(Code::kCorrupt, "a graph as attribute of this operator");
  return node.finish(def->name, node.inputs, node.attrs);
}

Status OnnxImporter::read_inputs(onnx::NodeProto& source, Scope& scope, ops::ImportContext& node) {
  const std::int64_t version = opset_of(*scope.opsets, source.domain());
  node.op_type = source.op_type();
  node.node_name = node_name(source);
  node.version = int(std::min<std::int64_t>(version, kMaxOnnxOpset));
  for (const std::string& name : source.input()) {
    const ValueId id = name.empty() ? kNoValue : resolve(name, scope);
    if (!name.empty() && id == kNoValue) {
      return fail(Code::kCorrupt, "input '{}' is made by no node, input or initializer",
                  clipped(name));
    }
    node.inputs.push_back(id);
  }
  return {};
}

Status OnnxImporter::define_outputs(onnx::NodeProto& source, Scope& scope,
                                    ops::ImportContext& node) {
  for (const std::string& name : source.output()) {
    node.outputs.push_back(name.empty() ? kNoValue : scope.graph->add_value(name));
    if (!name.empty()) TRY(define(name, node.outputs.back(), scope));
  }
  return {};
}

Status OnnxImporter::read_outputs(const onnx::GraphProto& source, Scope& scope, Graph& graph) {
  if (source.output_size() > kMaxGraphPorts)
    return fail(Code::kExhausted, "more than {} outputs", kMaxGraphPorts);
  for (const auto& output : source.output()) {
    ValueId id = resolve(output.name(), scope);
    if (id == kNoValue) {
      return fail(Code::kCorrupt, "output '{}' is made by no node, input or initializer",
                  clipped(output.name()));
    }
    if (!scope.parent && graph[id].name != output.name())
      TRY(rename_output(output.name(), graph, id));
    TRY(ops::make_plain(graph[id]));
    graph.outputs.push_back(id);
  }
  if (graph.outputs.empty()) return fail(Code::kCorrupt, "the graph has no outputs");
  return {};
}

// An inlined branch or function made it under a name of its own.
Status OnnxImporter::rename_output(const std::string& name, Graph& graph, ValueId& id) {
  const bool shared = std::ranges::find(graph.inputs, id) != graph.inputs.end() ||
                      std::ranges::find(graph.outputs, id) != graph.outputs.end();
  if (!shared) {
    graph[id].name = name;
    return {};
  }
  ops::ImportContext copy(graph);
  copy.node_name = name;
  copy.outputs = {graph.add_value(name)};
  TRY(copy.finish("Identity", {id}));
  id = copy.outputs[0];
  return {};
}

}  // namespace polder
