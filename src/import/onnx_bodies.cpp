// If, Loop and Scan: branches that become part of the graph around, and bodies.
#include "import/onnx_importer.h"

namespace polder {
namespace {

// Readings of a loop's body until the shapes that it carries settle.
constexpr int kMaxLoopReadings = 8;

// A value of type bool that is known: its first element.
const std::uint8_t* known_bool(const Graph& graph, ValueId id) {
  if (id == kNoValue) return nullptr;
  const Value& value = graph[id];
  if (value.type != DataType::kBool || value.data.view.empty()) return nullptr;
  return reinterpret_cast<const std::uint8_t*>(value.data.view.data());
}

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

}  // namespace

// A branch whose condition is known becomes part of the graph around, and the other is never looked
// at: it may use what Polder does not support. Otherwise both become bodies that the run chooses
// from, unless only one of them can be compiled: the other does not fit the shapes that were given
// (a network for another sampling rate), or makes results of another rank (exporters write a
// squeeze of an extent that may not be 1 so). Then one is taken, "then" of two, and the run fails
// where the model takes the other.
Status OnnxImporter::read_if(onnx::NodeProto& source, Scope& scope) {
  constexpr std::string_view kNames[] = {"then_branch", "else_branch"};
  onnx::GraphProto* branches[2] = {};
  for (auto& attribute : *source.mutable_attribute()) {
    onnx::AttributeProto* given = actual(attribute, scope);
    for (int i = 0; i < 2; ++i) {
      if (given && given->has_g() && attribute.name() == kNames[i])
        branches[i] = given->mutable_g();
    }
  }
  ops::ImportContext node(*scope.graph);
  TRY(read_inputs(source, scope, node));
  if (const std::uint8_t* known = known_bool(*scope.graph, node.in(0))) {
    const int taken = *known ? 0 : 1;
    if (!branches[taken]) return fail(Code::kCorrupt, "attribute '{}' is missing", kNames[taken]);
    return read_known_branch(*branches[taken], source, scope);
  }
  Status failures[2];
  for (int i = 0; i < 2; ++i) {
    if (!branches[i]) return fail(Code::kCorrupt, "attribute '{}' is missing", kNames[i]);
    failures[i] = read_body(*branches[i], kNames[i], scope, node);
    if (!failures[i] && failures[i].error().code != Code::kInvalid) return std::move(failures[i]);
  }
  if (!failures[0] && !failures[1]) return std::move(failures[0]);
  if (failures[0] && failures[1] &&
      same_kinds(node.bodies[0].second, node.bodies[1].second, source.output_size())) {
    TRY(define_outputs(source, scope, node));
    return ops::find_onnx("", "If").rule->import(node);
  }
  const int only = failures[0] ? 0 : 1;
  return read_only_branch(*branches[only], source, scope, only == 0, node);
}

Status OnnxImporter::read_known_branch(onnx::GraphProto& branch, onnx::NodeProto& source,
                                       Scope& scope) {
  std::vector<ValueId> results;
  TRY(read_branch(branch, source, scope, results));
  for (int i = 0; i < source.output_size(); ++i) {
    if (!source.output(i).empty()) TRY(define(source.output(i), results[std::size_t(i)], scope));
  }
  return {};
}

Status OnnxImporter::read_only_branch(onnx::GraphProto& branch, onnx::NodeProto& source,
                                      Scope& scope, bool taken_when, ops::ImportContext& node) {
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
Status OnnxImporter::read_branch(onnx::GraphProto& branch, onnx::NodeProto& source, Scope& scope,
                                 std::vector<ValueId>& results) {
  const Deeper deeper(depth_);
  TRY(enter(branch));
  if (branch.output_size() < source.output_size()) {
    return fail(Code::kCorrupt, "the branch has {} outputs; {} expected", branch.output_size(),
                source.output_size());
  }
  Scope inner{
      .parent = &scope, .graph = scope.graph, .opsets = scope.opsets, .arguments = scope.arguments};
  TRY(read_initializers(branch, inner));
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

Result<OnnxImporter::Bodies> OnnxImporter::formals_of(const ops::ImportContext& node) {
  Bodies bodies;
  if (node.op_type == "If") return bodies;
  if (node.op_type == "Scan") {
    TRY(scan_formals(node, bodies));
    return bodies;
  }
  if (node.op_type != "Loop")
    return fail(Code::kUnsupported, "this operator's graphs are not supported");
  bodies.formals = {{DataType::kI64}, {DataType::kBool}};
  for (std::size_t i = 2; i < node.inputs.size(); ++i) bodies.formals.push_back(formal_of(node, i));
  bodies.carried_from = 2;
  bodies.carried = bodies.formals.size() - bodies.carried_from;
  bodies.results_from = 1;
  return bodies;
}

OnnxImporter::Formal OnnxImporter::formal_of(const ops::ImportContext& node, std::size_t input) {
  const ValueId id = node.inputs[input];
  return id == kNoValue ? Formal{} : Formal{node.graph[id].type, node.graph[id].dims};
}

// States as they are, then what is scanned without the axis along which it is.
Status OnnxImporter::scan_formals(const ops::ImportContext& node, Bodies& bodies) {
  if (node.version < 9) return fail(Code::kUnsupported, "Scan of operator set 8");
  const std::int64_t scans = node.attrs.integer("num_scan_inputs", 0);
  if (scans < 1 || scans > std::int64_t(node.inputs.size())) {
    return fail(Code::kCorrupt, "attribute 'num_scan_inputs' is {}; 1 to {} expected", scans,
                node.inputs.size());
  }
  const auto axes = node.attrs.integers("scan_input_axes");
  bodies.carried = node.inputs.size() - std::size_t(scans);
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    Formal f = formal_of(node, i);
    if (i >= bodies.carried) {
      const std::size_t scan = i - bodies.carried;
      const int rank = f.dims.rank();
      std::int64_t axis = scan < axes.size() ? axes[scan] : 0;
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
  return {};
}

Status OnnxImporter::read_body(onnx::GraphProto& source, std::string_view name, Scope& scope,
                               ops::ImportContext& node) {
  const Deeper deeper(depth_), body_deeper(body_depth_);
  if (body_depth_ > kMaxBodyDepth)
    return fail(Code::kExhausted, "bodies nested deeper than {}", kMaxBodyDepth);
  TRY_VALUE(Bodies bodies, formals_of(node));
  std::vector<bool> freed(bodies.carried * kMaxRank);
  for (int reading = 0; reading < kMaxLoopReadings; ++reading) {
    Graph body;
    std::vector<ValueId> captures;
    body.spent = node.graph.spent;
    Status status = read_body_once(source, scope, bodies.formals, body, captures);
    node.graph.spent = body.spent;
    if (!status) return status;
    TRY_VALUE(const bool changed, free_what_changes(body, node.graph, bodies, freed));
    if (changed) continue;
    node.bodies.emplace_back(name, std::move(body));
    node.captures.push_back(std::move(captures));
    return {};
  }
  return fail(Code::kUnsupported, "the shapes that the body carries do not settle");
}

// A carried extent that the body changes is free: then (true) the body is read again without
// knowing it.
Result<bool> OnnxImporter::free_what_changes(const Graph& body, Graph& around, Bodies& bodies,
                                             std::vector<bool>& freed) {
  bool changed = false;
  for (std::size_t i = 0; i < bodies.carried; ++i) {
    const std::size_t result = bodies.results_from + i;
    if (result >= body.outputs.size()) return fail(Code::kCorrupt, "the body has too few outputs");
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
      bodies.formals[bodies.carried_from + i].dims[axis] = around.new_dim(kUnbounded);
      is_free = changed = true;
    }
  }
  return changed;
}

Status OnnxImporter::read_body_once(onnx::GraphProto& source, Scope& scope,
                                    std::vector<Formal>& formals, Graph& body,
                                    std::vector<ValueId>& captures) {
  TRY(enter(source));
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
  TRY(read_initializers(source, inner));
  TRY(read_nodes(*source.mutable_node(), inner));
  TRY(read_outputs(source, inner, body));
  TRY(body.verify());
  captures = std::move(inner.captures);
  return {};
}

}  // namespace polder
