#include "import/onnx.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include <algorithm>
#include <map>
#include <new>
#include <unordered_map>

#include "import/onnx_inputs.h"
#include "import/onnx_model.h"
#include "import/onnx_order.h"
#include "ops/pack.h"
#include "ops/tools.h"

namespace polder {
namespace {

// Bodies within bodies and functions within functions. Each level infers what is inside it again.
constexpr int kMaxDepth = 5;
// Nodes read in total, with the inlined ones counted each time.
constexpr int kMaxNodes = 200'000;
// Readings of a loop's body until the shapes that it carries settle.
constexpr int kMaxLoopReadings = 8;

using Opsets = std::map<std::string, std::int64_t>;
using Arguments = std::unordered_map<std::string, const onnx::AttributeProto*>;

std::string domain_of(const std::string& domain) { return domain == "ai.onnx" ? "" : domain; }

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

  Dim translate(Dim dim) {
    if (dim.known()) return dim;
    const auto [at, is_new] = symbols.emplace(dim.symbol, 0);
    if (is_new) at->second = graph->new_dim(dim.bound).symbol;
    return Dim(dim.bound, at->second);
  }
  Dims translate(const Dims& dims) {
    Dims out;
    for (const Dim& dim : dims) out.push_back(translate(dim));
    return out;
  }
};

struct Formal {
  DataType type = DataType::kNone;
  Dims dims = {};  // in symbols of the graph around
};

class Importer {
 public:
  Importer(OnnxModel& model, const ImportOptions& options)
      : model_(model), options_(options), tensors_(model) {}

  Result<Graph> import();

 private:
  Status read_opsets(const google::protobuf::RepeatedPtrField<onnx::OperatorSetIdProto>& imports,
                     Opsets& opsets);
  Status read_constants(onnx::GraphProto& source, Scope& scope);
  Status read_nodes(google::protobuf::RepeatedPtrField<onnx::NodeProto>& nodes, Scope& scope);
  Status read_node(onnx::NodeProto& source, Scope& scope);
  Status read_operator(onnx::NodeProto& source, Scope& scope, std::int64_t version);
  Status read_inputs(onnx::NodeProto& source, Scope& scope, std::int64_t version,
                     ops::ImportContext& node);
  Status define_outputs(onnx::NodeProto& source, Scope& scope, ops::ImportContext& node);
  Status read_constant(onnx::NodeProto& source, Scope& scope);
  Status read_attributes(onnx::NodeProto& source, Scope& scope, ops::ImportContext& node);
  Status read_attribute(onnx::AttributeProto& source, ops::ImportContext& node);
  Status read_outputs(const onnx::GraphProto& source, Scope& scope, Graph& graph);

  Status read_if(onnx::NodeProto& source, Scope& scope);
  Status read_branch(onnx::GraphProto& branch, onnx::NodeProto& source, Scope& scope,
                     std::vector<ValueId>& results);
  Status read_only_branch(onnx::GraphProto& branch, onnx::NodeProto& source, Scope& scope,
                          bool taken_when, ops::ImportContext& node);
  Status read_call(onnx::FunctionProto& function, onnx::NodeProto& source, Scope& scope);
  Status read_body(onnx::AttributeProto& source, Scope& scope, ops::ImportContext& node);
  Status read_body_once(onnx::GraphProto& source, Scope& scope, std::vector<Formal>& formals,
                        Graph& body, std::vector<ValueId>& captures);

  Result<ValueId> add_tensor(std::string_view name, onnx::TensorProto& tensor, Graph& graph,
                             std::span<const std::byte> raw = {});
  Status define(const std::string& name, ValueId id, Scope& scope);
  ValueId resolve(const std::string& name, Scope& scope);
  // The attribute itself, or what the call of the function around gives for it; null: not given.
  onnx::AttributeProto* actual(onnx::AttributeProto& attribute, const Scope& scope);
  onnx::FunctionProto* find_function(const std::string& domain, const std::string& op_type);
  Error unsupported_operators();
  void list_unsupported(const OnnxNodes& nodes,
                        std::map<std::string, std::pair<int, std::string>>&);

  OnnxModel& model_;
  const ImportOptions& options_;
  OnnxTensors tensors_;
  Opsets opsets_;
  std::unordered_map<std::string, ops::OnnxMatch> matches_;  // "domain:op_type"
  int depth_ = 0;
  int nodes_ = 0;
};

// The opset of a domain; 1 where the model does not say.
std::int64_t opset_of(const Opsets& opsets, const std::string& domain) {
  const auto found = opsets.find(domain_of(domain));
  return found == opsets.end() ? 1 : found->second;
}

std::string title(const onnx::NodeProto& node, std::int64_t version) {
  return fmt::format("node '{}' ({}, opset {})", node_name(node), clipped(node.op_type()), version);
}

Result<Graph> Importer::import() {
  onnx::GraphProto& source = *model_.proto.mutable_graph();
  TRY(read_opsets(model_.proto.opset_import(), opsets_));
  Graph graph;
  graph.name = source.name();
  Scope scope{.graph = &graph, .opsets = &opsets_};
  OnnxInputs inputs(options_, graph);
  TRY(inputs.check_options(source));
  for (const auto& input : source.input()) {
    if (inputs.is_default(source, input.name())) continue;
    TRY_VALUE(const ValueId id, inputs.add(input));
    TRY(define(input.name(), id, scope));
  }
  TRY(read_constants(source, scope));
  TRY(read_nodes(*source.mutable_node(), scope));
  TRY(read_outputs(source, scope, graph));
  graph.prune();
  TRY(graph.verify());
  return graph;
}

Status Importer::read_opsets(
    const google::protobuf::RepeatedPtrField<onnx::OperatorSetIdProto>& imports, Opsets& opsets) {
  for (const auto& import : imports) {
    opsets[domain_of(import.domain())] = import.version();
  }
  const std::int64_t version = opset_of(opsets, "");
  if (version < 1 || version > kMaxOnnxOpset) {
    return fail(Code::kIncompatible,
                "ONNX operator set {}; 1 to {} are supported: export with opset_version={}",
                version, kMaxOnnxOpset, kMaxOnnxOpset);
  }
  return {};
}

Status Importer::define(const std::string& name, ValueId id, Scope& scope) {
  if (name.empty()) return fail(Code::kCorrupt, "a value without a name");
  if (scope.names.emplace(name, id).second) return {};
  return fail(Code::kCorrupt, "'{}' is made twice", clipped(name));
}

// The value, brought into the scope's graph; kNoValue when nothing has the name.
ValueId Importer::resolve(const std::string& name, Scope& scope) {
  if (const auto found = scope.names.find(name); found != scope.names.end()) return found->second;
  if (!scope.parent) return kNoValue;
  const ValueId outer = resolve(name, *scope.parent);
  if (outer == kNoValue || !scope.is_body) return outer;
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

Result<ValueId> Importer::add_tensor(std::string_view name, onnx::TensorProto& tensor, Graph& graph,
                                     std::span<const std::byte> raw) {
  TRY_VALUE(OwnedTensor read, tensors_.read(tensor, raw));
  const ValueId id = graph.add_constant(name, read.type, read.shape, std::move(read.data));
  graph[id].layout = read.layout;
  return id;
}

Status Importer::read_constants(onnx::GraphProto& source, Scope& scope) {
  const bool main = &source == model_.proto.mutable_graph();
  for (int i = 0; i < source.initializer_size(); ++i) {
    onnx::TensorProto& tensor = *source.mutable_initializer(i);
    if (main && scope.names.contains(tensor.name())) continue;  // bound by the caller
    const auto raw = main ? model_.raw[std::size_t(i)] : std::span<const std::byte>();
    TRY_VALUE(const ValueId id, add_tensor(tensor.name(), tensor, *scope.graph, raw));
    TRY(define(tensor.name(), id, scope));
  }
  for (auto& tensor : *source.mutable_sparse_initializer()) {
    TRY_VALUE(OwnedTensor read, tensors_.read_sparse(tensor));
    const std::string& name = tensor.values().name();
    TRY(define(name, scope.graph->add_constant(name, read.type, read.shape, std::move(read.data)),
               scope));
  }
  return {};
}

Status Importer::read_nodes(google::protobuf::RepeatedPtrField<onnx::NodeProto>& nodes,
                            Scope& scope) {
  TRY_VALUE(const std::vector<int> order, order_of(nodes));
  for (const int n : order) {
    onnx::NodeProto& node = nodes[n];
    if (++nodes_ > kMaxNodes) return fail(Code::kExhausted, "more than {} nodes", kMaxNodes);
    if (Status status = read_node(node, scope); !status) {
      return std::move(status).error().at(title(node, opset_of(*scope.opsets, node.domain())));
    }
  }
  return {};
}

// A value of type bool that is known: its first element.
const std::uint8_t* known_bool(const Graph& graph, ValueId id) {
  if (id == kNoValue) return nullptr;
  const Value& value = graph[id];
  if (value.type != DataType::kBool || value.data.view.empty()) return nullptr;
  return reinterpret_cast<const std::uint8_t*>(value.data.view.data());
}

Status Importer::read_node(onnx::NodeProto& source, Scope& scope) {
  if (onnx::FunctionProto* function = find_function(source.domain(), source.op_type())) {
    return read_call(*function, source, scope);
  }
  if (domain_of(source.domain()).empty()) {
    if (source.op_type() == "Constant") return read_constant(source, scope);
    if (source.op_type() == "If" && source.input_size() == 1) return read_if(source, scope);
  }
  return read_operator(source, scope, opset_of(*scope.opsets, source.domain()));
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

Status Importer::read_operator(onnx::NodeProto& source, Scope& scope, std::int64_t version) {
  const std::string domain = domain_of(source.domain());
  const auto [match, is_new] = matches_.try_emplace(domain + ":" + source.op_type());
  if (is_new) match->second = ops::find_onnx(domain, source.op_type());
  if (!match->second.def) return unsupported_operators();

  ops::ImportContext node(*scope.graph);
  TRY(read_inputs(source, scope, version, node));
  TRY(read_attributes(source, scope, node));
  TRY(define_outputs(source, scope, node));
  TRY(upgrade_broadcast(node));
  const auto [def, rule] = match->second;
  if (node.outputs.empty()) return fail(Code::kInvalid, "0 outputs; at least 1 expected");
  // Only a Loop can do without its first input.
  if (!node.has(0) && node.op_type != "Loop" && (!node.inputs.empty() || def->min_inputs > 0))
    return fail(Code::kCorrupt, "input 0 is absent");
  if (rule->import) return rule->import(node);
  if (!node.bodies.empty()) return fail(Code::kCorrupt, "a graph as attribute of this operator");
  return node.finish(def->name, node.inputs, node.attrs);
}

Status Importer::read_inputs(onnx::NodeProto& source, Scope& scope, std::int64_t version,
                             ops::ImportContext& node) {
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

Status Importer::define_outputs(onnx::NodeProto& source, Scope& scope, ops::ImportContext& node) {
  for (const std::string& name : source.output()) {
    node.outputs.push_back(name.empty() ? kNoValue : scope.graph->add_value(name));
    if (!name.empty()) TRY(define(name, node.outputs.back(), scope));
  }
  return {};
}

Status Importer::read_attributes(onnx::NodeProto& source, Scope& scope, ops::ImportContext& node) {
  std::vector<onnx::AttributeProto*> bodies;
  for (auto& attribute : *source.mutable_attribute()) {
    onnx::AttributeProto* given = actual(attribute, scope);
    if (!given) continue;
    if (given->has_g()) {
      bodies.push_back(given);
    } else if (given == &attribute) {
      TRY(read_attribute(*given, node));
    } else {
      onnx::AttributeProto renamed = *given;
      renamed.set_name(attribute.name());
      TRY(read_attribute(renamed, node));
    }
  }
  // Last: what a body's inputs are depends on the other attributes.
  for (onnx::AttributeProto* body : bodies) TRY(read_body(*body, scope, node));
  return {};
}

Status Importer::read_attribute(onnx::AttributeProto& source, ops::ImportContext& node) {
  using Attribute = onnx::AttributeProto;
  const std::string& name = source.name();
  // Left by exporters of before opset 6; it says how memory may be shared.
  if (name == "consumed_inputs") return {};
  auto type = source.type();
  if (type == Attribute::UNDEFINED) {
    type = source.has_f()          ? Attribute::FLOAT
           : source.has_i()        ? Attribute::INT
           : source.has_s()        ? Attribute::STRING
           : source.has_t()        ? Attribute::TENSOR
           : source.floats_size()  ? Attribute::FLOATS
           : source.strings_size() ? Attribute::STRINGS
                                   : Attribute::INTS;
  }
  switch (type) {
    case Attribute::FLOAT: node.attrs.set(name, double(source.f())); return {};
    case Attribute::INT: node.attrs.set(name, source.i()); return {};
    case Attribute::STRING: node.attrs.set(name, source.s()); return {};
    case Attribute::FLOATS:
      node.attrs.set(name, std::vector<double>(source.floats().begin(), source.floats().end()));
      return {};
    case Attribute::INTS:
      node.attrs.set(name, std::vector<std::int64_t>(source.ints().begin(), source.ints().end()));
      return {};
    case Attribute::STRINGS:
      // Rules get them joined by commas; none of ONNX's own texts holds one.
      for (const std::string& text : source.strings()) {
        if (!text.empty() && text.find(',') == text.npos) continue;
        return fail(Code::kInvalid, "attribute '{}': '{}' in its list of texts", clipped(name),
                    clipped(text));
      }
      node.attrs.set(name, fmt::format("{}", fmt::join(source.strings(), ",")));
      return {};
    case Attribute::TENSOR: {
      TRY_VALUE(const ValueId id,
                add_tensor(node.node_name + "/" + name, *source.mutable_t(), node.graph));
      node.tensors.emplace_back(name, id);
      return {};
    }
    default:
      return fail(Code::kUnsupported, "attribute '{}' is of kind {}, which is not supported",
                  clipped(name), Attribute::AttributeType_Name(type));
  }
}

Status Importer::read_constant(onnx::NodeProto& source, Scope& scope) {
  if (source.output_size() != 1) return fail(Code::kCorrupt, "one output expected");
  const std::string& name = source.output(0);
  Graph& graph = *scope.graph;
  for (auto& given : *source.mutable_attribute()) {
    onnx::AttributeProto* attribute = actual(given, scope);
    if (!attribute) continue;
    const std::string& kind = given.name();
    const auto list = [&]<class T>(const auto& field, DataType type, bool scalar) {
      const std::vector<T> elements(field.begin(), field.end());
      const Shape shape = scalar ? Shape{} : Shape{std::int64_t(elements.size())};
      return define(name, graph.add_constant(name, type, shape, std::span<const T>(elements)),
                    scope);
    };
    if (kind == "value") {
      TRY_VALUE(const ValueId id, add_tensor(name, *attribute->mutable_t(), graph));
      return define(name, id, scope);
    }
    if (kind == "sparse_value") {
      TRY_VALUE(OwnedTensor read, tensors_.read_sparse(*attribute->mutable_sparse_tensor()));
      return define(name, graph.add_constant(name, read.type, read.shape, std::move(read.data)),
                    scope);
    }
    using Floats = std::vector<float>;
    using Ints = std::vector<std::int64_t>;
    if (kind == "value_float")
      return list.operator()<float>(Floats{attribute->f()}, DataType::kF32, true);
    if (kind == "value_floats")
      return list.operator()<float>(attribute->floats(), DataType::kF32, false);
    if (kind == "value_int")
      return list.operator()<std::int64_t>(Ints{attribute->i()}, DataType::kI64, true);
    if (kind == "value_ints")
      return list.operator()<std::int64_t>(attribute->ints(), DataType::kI64, false);
    return fail(Code::kUnsupported, "attribute '{}': constants of this kind are not supported",
                clipped(kind));
  }
  return fail(Code::kCorrupt, "no value");
}

Status Importer::read_outputs(const onnx::GraphProto& source, Scope& scope, Graph& graph) {
  for (const auto& output : source.output()) {
    ValueId id = resolve(output.name(), scope);
    if (id == kNoValue) {
      return fail(Code::kCorrupt, "output '{}' is made by no node, input or initializer",
                  clipped(output.name()));
    }
    if (!scope.parent && graph[id].name != output.name()) {
      // An inlined branch made it under a name of its own.
      const bool shared = std::ranges::find(graph.inputs, id) != graph.inputs.end() ||
                          std::ranges::find(graph.outputs, id) != graph.outputs.end();
      if (shared) {
        ops::ImportContext copy(graph);
        copy.node_name = output.name();
        copy.outputs = {graph.add_value(output.name())};
        TRY(copy.finish("Identity", {id}));
        id = copy.outputs[0];
      } else {
        graph[id].name = output.name();
      }
    }
    TRY(ops::make_plain(graph[id]));
    graph.outputs.push_back(id);
  }
  if (graph.outputs.empty()) return fail(Code::kCorrupt, "the graph has no outputs");
  return {};
}

// Counts how deep the reading is inside bodies and functions.
class Deeper {
 public:
  explicit Deeper(int& depth) : depth_(++depth) {}
  ~Deeper() { --depth_; }
  Status check() const {
    if (depth_ <= kMaxDepth) return {};
    return fail(Code::kExhausted, "bodies and functions nested deeper than {}", kMaxDepth);
  }

 private:
  int& depth_;
};

// True when the first `count` results of both bodies have the same types and ranks.
bool same_kinds(const Graph& a, const Graph& b, int count) {
  if (int(a.outputs.size()) < count || int(b.outputs.size()) < count)
    return true;  // If's rule says
  for (int i = 0; i < count; ++i) {
    const Value &x = a[a.outputs[std::size_t(i)]], &y = b[b.outputs[std::size_t(i)]];
    if (x.type != y.type || x.dims.rank() != y.dims.rank()) return false;
  }
  return true;
}

// A branch whose condition is known becomes part of the graph around, and the other is never looked
// at: it may use what Polder does not support. Otherwise both become bodies that the run chooses
// from, unless only one of them can be compiled: the other does not fit the shapes that were given
// (a network for another sampling rate), or makes results of another rank (exporters write a
// squeeze of an extent that may not be 1 so). Then one is taken, "then" of two, and the run fails
// where the model takes the other.
Status Importer::read_if(onnx::NodeProto& source, Scope& scope) {
  constexpr std::string_view kNames[] = {"then_branch", "else_branch"};
  onnx::AttributeProto* branches[2] = {};
  for (auto& attribute : *source.mutable_attribute()) {
    for (int i = 0; i < 2; ++i) {
      if (attribute.name() == kNames[i]) branches[i] = actual(attribute, scope);
    }
  }
  ops::ImportContext node(*scope.graph);
  TRY(read_inputs(source, scope, opset_of(*scope.opsets, source.domain()), node));
  const std::uint8_t* known = known_bool(*scope.graph, node.in(0));
  Status failures[2];
  for (int i = 0; i < 2; ++i) {
    if (known && i != (*known ? 0 : 1)) continue;
    if (!branches[i] || !branches[i]->has_g()) {
      return fail(Code::kCorrupt, "attribute '{}' is missing", kNames[i]);
    }
    if (known) {
      std::vector<ValueId> results;
      TRY(read_branch(*branches[i]->mutable_g(), source, scope, results));
      for (int k = 0; k < source.output_size(); ++k) {
        if (!source.output(k).empty())
          TRY(define(source.output(k), results[std::size_t(k)], scope));
      }
      return {};
    }
    failures[i] = read_body(*branches[i], scope, node);
    if (!failures[i] && failures[i].error().code != Code::kInvalid) return std::move(failures[i]);
  }
  if (!failures[0] && !failures[1]) return std::move(failures[0]);
  if (failures[0] && failures[1] &&
      same_kinds(node.bodies[0].second, node.bodies[1].second, source.output_size())) {
    TRY(define_outputs(source, scope, node));
    return ops::find_onnx("", "If").rule->import(node);
  }
  const int only = failures[0] ? 0 : 1;
  return read_only_branch(*branches[only]->mutable_g(), source, scope, only == 0, node);
}

Status Importer::read_only_branch(onnx::GraphProto& branch, onnx::NodeProto& source, Scope& scope,
                                  bool taken_when, ops::ImportContext& node) {
  std::vector<ValueId> results;
  TRY(read_branch(branch, source, scope, results));
  TRY(define_outputs(source, scope, node));
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (node.outputs[i] == kNoValue) continue;
    TRY(node.finish("Require", {results[i], node.in(0)}, {{"expected", std::int64_t(taken_when)}},
                    {node.outputs[i]}));
  }
  return {};
}

// The nodes of a branch in the graph around, and what makes its outputs: as many as the If has.
Status Importer::read_branch(onnx::GraphProto& branch, onnx::NodeProto& source, Scope& scope,
                             std::vector<ValueId>& results) {
  const Deeper deeper(depth_);
  TRY(deeper.check());
  if (branch.output_size() < source.output_size()) {
    return fail(Code::kCorrupt, "the branch has {} outputs; {} expected", branch.output_size(),
                source.output_size());
  }
  Scope inner{
      .parent = &scope, .graph = scope.graph, .opsets = scope.opsets, .arguments = scope.arguments};
  TRY(read_constants(branch, inner));
  TRY(read_nodes(*branch.mutable_node(), inner));
  for (int i = 0; i < source.output_size(); ++i) {
    results.push_back(source.output(i).empty() ? kNoValue
                                               : resolve(branch.output(i).name(), inner));
    if (results.back() == kNoValue && !source.output(i).empty()) {
      return fail(Code::kCorrupt, "output '{}' of the branch is made by no node",
                  clipped(branch.output(i).name()));
    }
  }
  return {};
}

onnx::FunctionProto* Importer::find_function(const std::string& domain,
                                             const std::string& op_type) {
  for (auto& function : *model_.proto.mutable_functions()) {
    if (function.name() == op_type && domain_of(function.domain()) == domain_of(domain)) {
      return &function;
    }
  }
  return nullptr;
}

onnx::AttributeProto* Importer::actual(onnx::AttributeProto& attribute, const Scope& scope) {
  if (attribute.ref_attr_name().empty()) return &attribute;
  if (!scope.arguments) return nullptr;
  const auto found = scope.arguments->find(attribute.ref_attr_name());
  return found == scope.arguments->end() ? nullptr
                                         : const_cast<onnx::AttributeProto*>(found->second);
}

// Fields that are younger than the schema and change what a function means: 11, attributes with
// defaults, and 13, overloads.
Status check_function(const onnx::FunctionProto& function) {
  const std::string& unknown = function.unknown_fields();
  google::protobuf::io::CodedInputStream stream(
      reinterpret_cast<const std::uint8_t*>(unknown.data()), int(unknown.size()));
  while (const std::uint32_t tag = stream.ReadTag()) {
    const int field = google::protobuf::internal::WireFormatLite::GetTagFieldNumber(tag);
    if (field == 11 || field == 13) {
      return fail(Code::kUnsupported,
                  "function '{}' has {}, which is not supported: inline the model's functions "
                  "(onnx.inliner)",
                  clipped(function.name()),
                  field == 11 ? "attributes with defaults" : "an overload");
    }
    if (!google::protobuf::internal::WireFormatLite::SkipField(&stream, tag)) break;
  }
  return {};
}

// A function of the model: its nodes become part of the graph around.
Status Importer::read_call(onnx::FunctionProto& function, onnx::NodeProto& source, Scope& scope) {
  const Deeper deeper(depth_);
  TRY(deeper.check());
  TRY(check_function(function));
  Opsets opsets;
  TRY(read_opsets(function.opset_import(), opsets));
  Arguments arguments;
  for (auto& attribute : *source.mutable_attribute()) {
    if (const auto* given = actual(attribute, scope)) arguments[attribute.name()] = given;
  }
  Scope inner{.graph = scope.graph, .opsets = &opsets, .arguments = &arguments};
  for (int i = 0; i < function.input_size() && i < source.input_size(); ++i) {
    if (source.input(i).empty()) continue;
    const ValueId id = resolve(source.input(i), scope);
    if (id == kNoValue) {
      return fail(Code::kCorrupt, "input '{}' is made by no node, input or initializer",
                  clipped(source.input(i)));
    }
    TRY(define(function.input(i), id, inner));
  }
  TRY(read_nodes(*function.mutable_node(), inner));
  for (int i = 0; i < source.output_size(); ++i) {
    if (source.output(i).empty()) continue;
    const ValueId id = i < function.output_size() ? resolve(function.output(i), inner) : kNoValue;
    if (id == kNoValue) return fail(Code::kCorrupt, "the function does not make output {}", i);
    TRY(define(source.output(i), id, scope));
  }
  return {};
}

// What a body's own inputs are, by the operator around it; the values carried from one run of a
// Loop's body to the next are formals 2 and up, those of a Scan's formals 0 and up.
struct Bodies {
  std::vector<Formal> formals;
  std::size_t carried_from = 0, carried = 0;  // formals
  std::size_t results_from = 0;               // outputs of the body that become them
};

Result<Bodies> formals_of(const ops::ImportContext& node) {
  const auto formal = [&](std::size_t i) {
    const ValueId id = node.inputs[i];
    return id == kNoValue ? Formal{} : Formal{node.graph[id].type, node.graph[id].dims};
  };
  Bodies bodies;
  if (node.op_type == "If") return bodies;
  if (node.op_type == "Loop") {
    bodies.formals = {{DataType::kI64}, {DataType::kBool}};
    for (std::size_t i = 2; i < node.inputs.size(); ++i) bodies.formals.push_back(formal(i));
    bodies.carried_from = 2;
    bodies.results_from = 1;
  } else if (node.op_type == "Scan") {
    if (node.version < 9) return fail(Code::kUnsupported, "Scan of operator set 8");
    const std::int64_t scans = node.attrs.integer("num_scan_inputs", 0);
    if (scans < 1 || scans > std::int64_t(node.inputs.size())) {
      return fail(Code::kCorrupt, "attribute 'num_scan_inputs' is {}; 1 to {} expected", scans,
                  node.inputs.size());
    }
    const auto axes = node.attrs.integers("scan_input_axes");
    const std::size_t states = node.inputs.size() - std::size_t(scans);
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      Formal f = formal(i);
      if (i >= states) {
        const int rank = f.dims.rank();
        std::int64_t axis = i - states < axes.size() ? axes[i - states] : 0;
        if (axis < 0) axis += rank;
        if (axis < 0 || axis >= rank) return fail(Code::kInvalid, "scan input {}: no axis", i);
        Dims dims;
        for (int a = 0; a < rank; ++a) {
          if (a != axis) dims.push_back(f.dims[a]);
        }
        f.dims = dims;
      }
      bodies.formals.push_back(f);
    }
    bodies.carried = states;
    return bodies;
  } else {
    return fail(Code::kUnsupported, "this operator's graphs are not supported");
  }
  bodies.carried = bodies.formals.size() - bodies.carried_from;
  return bodies;
}

Status Importer::read_body(onnx::AttributeProto& source, Scope& scope, ops::ImportContext& node) {
  const Deeper deeper(depth_);
  TRY(deeper.check());
  TRY_VALUE(Bodies bodies, formals_of(node));
  std::vector<bool> freed(bodies.carried * kMaxRank);
  for (int reading = 0; reading < kMaxLoopReadings; ++reading) {
    Graph body;
    std::vector<ValueId> captures;
    TRY(read_body_once(*source.mutable_g(), scope, bodies.formals, body, captures));
    // A carried extent that the body changes is free: the body is read again without knowing it.
    bool changed = false;
    for (std::size_t i = 0; i < bodies.carried; ++i) {
      const std::size_t result = bodies.results_from + i;
      if (result >= body.outputs.size())
        return fail(Code::kCorrupt, "the body has too few outputs");
      const Value& before = body[body.inputs[bodies.carried_from + i]];
      const Value& after = body[body.outputs[result]];
      if (before.type != after.type || before.dims.rank() != after.dims.rank()) {
        return fail(Code::kUnsupported,
                    "'{}' is {} {} before the body and {} {} after it; a type and a rank that stay "
                    "are supported",
                    clipped(before.name), type_name(before.type), before.dims.text(),
                    type_name(after.type), after.dims.text());
      }
      for (int axis = 0; axis < before.dims.rank(); ++axis) {
        auto is_free = freed[i * kMaxRank + std::size_t(axis)];
        if (before.dims[axis] == after.dims[axis] || is_free) continue;
        bodies.formals[bodies.carried_from + i].dims[axis] = node.graph.new_dim(kUnbounded);
        is_free = changed = true;
      }
    }
    if (changed) continue;
    node.bodies.emplace_back(source.name(), std::move(body));
    node.captures.push_back(std::move(captures));
    return {};
  }
  return fail(Code::kUnsupported, "the shapes that the body carries do not settle");
}

Status Importer::read_body_once(onnx::GraphProto& source, Scope& scope,
                                std::vector<Formal>& formals, Graph& body,
                                std::vector<ValueId>& captures) {
  if (source.input_size() != int(formals.size())) {
    return fail(Code::kCorrupt, "the body has {} inputs; {} expected", source.input_size(),
                formals.size());
  }
  body.name = source.name();
  Scope inner{.parent = &scope,
              .graph = &body,
              .is_body = true,
              .opsets = scope.opsets,
              .arguments = scope.arguments};
  for (int i = 0; i < source.input_size(); ++i) {
    const Formal& formal = formals[std::size_t(i)];
    const std::string& name = source.input(i).name();
    if (formal.type == DataType::kNone) return fail(Code::kUnsupported, "input {} is absent", i);
    const ValueId id = body.add_value(name, formal.type, inner.translate(formal.dims));
    body.inputs.push_back(id);
    TRY(define(name, id, inner));
  }
  TRY(read_constants(source, inner));
  TRY(read_nodes(*source.mutable_node(), inner));
  TRY(read_outputs(source, inner, body));
  TRY(body.verify());
  captures = std::move(inner.captures);
  return {};
}

void Importer::list_unsupported(const OnnxNodes& nodes,
                                std::map<std::string, std::pair<int, std::string>>& found) {
  for (const auto& node : nodes) {
    for (const auto& attribute : node.attribute()) {
      if (attribute.has_g()) list_unsupported(attribute.g().node(), found);
    }
    const std::string domain = domain_of(node.domain());
    if (domain.empty() && node.op_type() == "Constant") continue;
    if (find_function(domain, node.op_type()) || ops::find_onnx(domain, node.op_type()).def) {
      continue;
    }
    const std::string name = domain.empty() ? node.op_type() : domain + "." + node.op_type();
    const auto at = found.try_emplace(name, 0, node_name(node)).first;
    ++at->second.first;
  }
}

// Of the whole model, so that one look tells all.
Error Importer::unsupported_operators() {
  constexpr std::size_t kMost = 40;
  std::map<std::string, std::pair<int, std::string>> found;
  list_unsupported(model_.proto.graph().node(), found);
  for (const auto& function : model_.proto.functions()) list_unsupported(function.node(), found);
  std::vector<std::string> lines;
  for (const auto& [name, uses] : found) {
    if (lines.size() == kMost) {
      lines.push_back("...");
      break;
    }
    lines.push_back(uses.first == 1 ? fmt::format("{} (node '{}')", clipped(name), uses.second)
                                    : fmt::format("{} ({} nodes, the first is '{}')", clipped(name),
                                                  uses.first, uses.second));
  }
  return fail(Code::kUnsupported,
              "operator not supported; the model needs {} that Polder does not have: {}. Export it "
              "with other operators (docs/onnx-operators.md lists those that run)",
              found.size(), fmt::join(lines, ", "));
}

// Names come from the file: an error shows neither control characters nor megabytes.
Error presentable(Error error) {
  constexpr std::size_t kMost = 8000;
  if (error.message.size() > kMost) error.message.resize(kMost);
  for (char& c : error.message) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return error;
}

Result<Graph> import_model(std::span<const std::byte> bytes, OnnxModel& model,
                           const ImportOptions& options) {
  const auto attempt = [&]() -> Result<Graph> {
    TRY(parse_onnx(bytes, model));
    return Importer(model, options).import();
  };
  try {
    auto graph = attempt();
    if (graph.ok()) return graph;
    return presentable(std::move(graph).error().at(model.name));
  } catch (const std::bad_alloc&) {
    return fail(Code::kExhausted, "{}: not enough memory to read the model", model.name);
  }
}

}  // namespace

Result<Graph> import_onnx(const std::string& path, const ImportOptions& options) {
  TRY_VALUE(MappedFile mapped, MappedFile::open(path));
  OnnxModel model;
  model.name = path;
  model.folder = path.substr(0, path.find_last_of('/') + 1);
  model.in_file = true;
  model.file = std::make_shared<const MappedFile>(std::move(mapped));
  return import_model(model.file->bytes(), model, options);
}

Result<Graph> import_onnx(std::span<const std::byte> bytes, std::string_view name,
                          const ImportOptions& options) {
  OnnxModel model;
  model.name = name;
  return import_model(bytes, model, options);
}

Result<OwnedTensor> read_onnx_tensor(std::span<const std::byte> bytes, std::string* name) {
  constexpr std::size_t kMaxBytes = std::size_t(1) << 30;
  if (bytes.size() > kMaxBytes) return fail(Code::kExhausted, "a tensor of more than 1 GB");
  OnnxModel model;
  onnx::TensorProto tensor;
  try {
    if (!tensor.ParseFromArray(bytes.data(), int(bytes.size()))) {
      return fail(Code::kCorrupt, "not a serialized tensor");
    }
    if (name) *name = tensor.name();
    return OnnxTensors(model).read(tensor);
  } catch (const std::bad_alloc&) {
    return fail(Code::kExhausted, "not enough memory to read the tensor");
  }
}

}  // namespace polder
