// cancel_transposes: moves transpositions towards the outputs through operators that do not mind
// the order of axes, until they meet their inverse and vanish. Formats with channels first arrive
// with a pair of them around every convolution; this leaves one at the input. What is left and
// moves only extents of 1 becomes a Reshape, at the end: before, a channel's gate [N,1,1,C] must
// still be seen to be transposed as the tensor that it multiplies is.
#include <algorithm>

#include "compile/passes/passes.h"
#include "compile/rewrite.h"
#include "ops/fold.h"

namespace polder::compile {

namespace {

using Perm = std::vector<std::int64_t>;

Perm inverse(const Perm& perm) {
  Perm result(perm.size());
  for (std::size_t i = 0; i < perm.size(); ++i) result[std::size_t(perm[i])] = std::int64_t(i);
  return result;
}

bool identity(const Perm& perm) {
  for (std::size_t i = 0; i < perm.size(); ++i) {
    if (perm[i] != std::int64_t(i)) return false;
  }
  return true;
}

// `dims` with leading extents of 1, as broadcasting sees them beside a tensor of that rank.
Dims padded(const Dims& dims, std::size_t rank) {
  Dims out;
  for (std::size_t axis = std::size_t(dims.rank()); axis < rank; ++axis) out.push_back(1);
  for (int axis = 0; axis < dims.rank(); ++axis) out.push_back(dims[axis]);
  return out;
}

// The shape input of the Reshape that does what the transposition does to `dims`: it moves only
// extents of 1. False when it moves more, or when more than one extent is free.
bool as_shape(const Dims& dims, const Perm& perm, Perm& shape) {
  std::int64_t last = -1;
  int unknown = 0;
  shape.clear();
  for (const std::int64_t axis : perm) {
    const Dim& dim = dims[int(axis)];
    if (!dim.is(1) && axis < last) return false;
    if (!dim.is(1)) last = axis;
    unknown += !dim.known();
    shape.push_back(dim.known() ? dim.bound : -1);
  }
  return unknown <= 1 && std::ranges::count(shape, 0) == 0;
}

class Pass {
 public:
  explicit Pass(Graph& graph) : rewriter_(graph), graph_(graph) {}

  Status run() {
    // Nodes that a step adds come last and are visited in turn.
    for (std::size_t n = 0; n < graph_.nodes.size(); ++n) {
      if (graph_.nodes[n].op.empty()) continue;
      if (graph_.nodes[n].op == "Transpose") TRY(merge(n));
      else TRY(sink(n));
    }
    return rewriter_.finish();
  }

  // Transpositions that move nothing in memory become Reshapes.
  Status reshape() {
    for (Node& node : graph_.nodes) {
      Perm shape;
      if (node.op != "Transpose" || !as_shape(graph_[node.inputs[0]].dims, perm_of(node), shape)) {
        continue;
      }
      const ValueId target = graph_.add_ints(node.name + ":shape", shape);
      node.op = "Reshape";
      node.attrs = {};
      node.inputs.push_back(target);
    }
    return rewriter_.finish();
  }

 private:
  // The permutation of a Transpose node, with the default written out.
  Perm perm_of(const Node& node) const {
    Perm perm = node.attrs.integers("perm");
    if (perm.empty()) {
      const int rank = graph_[node.inputs[0]].dims.rank();
      for (int axis = rank - 1; axis >= 0; --axis) perm.push_back(axis);
    }
    return perm;
  }

  Status replace_output(std::size_t n, ValueId with) {
    const ValueId out = graph_.nodes[n].outputs[0];
    if (rewriter_.is_output(out)) {
      // Outputs keep their names: an Identity carries it.
      Node& node = graph_.nodes[n];
      node.op = "Identity";
      node.attrs = {};
      node.inputs = {with};
      rewriter_.changed(node);
      return {};
    }
    rewriter_.replace(out, with);
    rewriter_.remove(graph_.nodes[n]);
    return {};
  }

  // Transpose of a Transpose is one, or none.
  Status merge(std::size_t n) {
    const Perm outer = perm_of(graph_.nodes[n]);
    const ValueId in = graph_.nodes[n].inputs[0];
    if (const Node* before = rewriter_.producer(in); before && before->op == "Transpose") {
      const Perm inner = perm_of(*before);
      Perm both(outer.size());
      for (std::size_t i = 0; i < outer.size(); ++i) both[i] = inner[std::size_t(outer[i])];
      const ValueId source = before->inputs[0];
      if (identity(both)) return replace_output(n, source);
      graph_.nodes[n].inputs[0] = source;
      graph_.nodes[n].attrs.set("perm", both);
      rewriter_.changed(graph_.nodes[n]);
      return merge(n);
    }
    return {};
  }

  // The permutation if `id` is made by a Transpose.
  bool transposed(ValueId id, Perm& perm, ValueId& source) {
    const Node* node = rewriter_.producer(id);
    if (!node || node->op != "Transpose") return false;
    perm = perm_of(*node);
    source = node->inputs[0];
    return true;
  }

  Status sink(std::size_t n) {
    const ops::OpTools* tools = ops::find_tools(graph_.nodes[n].op);
    if (!tools || tools->commute == ops::Commute::kNo) return {};
    const ops::OpDef* def = ops::find_op(graph_.nodes[n].op);
    const bool all_inputs =
        tools->commute == ops::Commute::kElementwise || def->max_inputs == ops::kMany;
    const std::size_t data_inputs = all_inputs ? graph_.nodes[n].inputs.size() : 1;
    Perm perm;
    if (!common_perm(n, data_inputs, perm)) return {};
    Attrs attrs = graph_.nodes[n].attrs;
    Perm out_perm = perm;
    if (!renumber(tools->commute, perm, attrs, out_perm)) return {};

    std::vector<ValueId> inputs = graph_.nodes[n].inputs;
    for (std::size_t i = 0; i < data_inputs; ++i) {
      Perm unused;
      ValueId source = kNoValue;
      if (inputs[i] == kNoValue) continue;
      if (transposed(inputs[i], unused, source)) inputs[i] = source;
      else if (graph_[inputs[i]].is_constant()) TRY(permute_constant(inputs[i], inverse(perm)));
      else TRY(permute_units(inputs[i], inverse(perm)));
    }
    return rebuild(n, std::move(inputs), std::move(attrs), out_perm);
  }

  // True when at least one data input is transposed, all by the same permutation, and the others
  // are of at most that rank and either constant or such that only extents of 1 would move.
  bool common_perm(std::size_t n, std::size_t data_inputs, Perm& perm) {
    bool found = false;
    const std::vector<ValueId> inputs = graph_.nodes[n].inputs;
    for (std::size_t i = 0; i < data_inputs; ++i) {
      Perm own;
      ValueId source = kNoValue;
      if (inputs[i] == kNoValue || !transposed(inputs[i], own, source)) continue;
      if (found && own != perm) return false;
      perm = own;
      found = true;
    }
    if (!found) return false;
    for (std::size_t i = 0; i < data_inputs; ++i) {
      Perm own;
      ValueId source = kNoValue;
      if (inputs[i] == kNoValue || transposed(inputs[i], own, source)) continue;
      const Value& value = graph_[inputs[i]];
      if (value.dims.known() && value.dims.max_elements() == 1 && value.dims.rank() <= 1) continue;
      if (value.dims.rank() > int(perm.size())) return false;
      Perm shape;
      if (!value.is_constant() &&
          !as_shape(padded(value.dims, perm.size()), inverse(perm), shape)) {
        return false;
      }
    }
    for (const ValueId id : graph_.nodes[n].outputs) {
      if (id == kNoValue) return false;
    }
    return true;
  }

  // Axis attributes in the order before the transposition; out_perm is what follows the node.
  static bool renumber(ops::Commute commute, const Perm& perm, Attrs& attrs, Perm& out_perm) {
    const std::int64_t rank = std::int64_t(perm.size());
    const auto moved = [&](std::int64_t axis) {
      return perm[std::size_t(axis < 0 ? axis + rank : axis)];
    };
    const auto valid = [&](std::int64_t axis) { return axis >= -rank && axis < rank; };
    if (commute == ops::Commute::kAxis) {
      const AttrValue* axis = attrs.find("axis");
      if (!axis || !std::holds_alternative<std::int64_t>(*axis) ||
          !valid(std::get<std::int64_t>(*axis))) {
        return false;
      }
      attrs.set("axis", moved(std::get<std::int64_t>(*axis)));
    }
    if (commute == ops::Commute::kAxes) {
      Perm axes = attrs.integers("axes");
      if (axes.empty() || !std::ranges::all_of(axes, valid)) return false;
      for (std::int64_t& axis : axes) axis = moved(axis);
      attrs.set("axes", axes);
      if (!attrs.integer("keepdims", 1)) out_perm = without(perm, axes);
    }
    return true;
  }

  // The permutation of what is left when `axes` of the source are gone.
  static Perm without(const Perm& perm, const Perm& axes) {
    Perm left;
    for (const std::int64_t axis : perm) {
      if (std::ranges::find(axes, axis) != axes.end()) continue;
      left.push_back(axis -
                     std::ranges::count_if(axes, [&](std::int64_t gone) { return gone < axis; }));
    }
    return left;
  }

  // A broadcasting constant as it lies before the transposition.
  Status permute_constant(ValueId& id, const Perm& perm) {
    const Value& value = graph_[id];
    if (value.dims.max_elements() == 1 && value.dims.rank() <= 1) return {};
    const std::string name = value.name;
    Shape shape;
    for (int axis = value.dims.rank(); axis < int(perm.size()); ++axis) shape.push_back(1);
    for (const std::int64_t dim : value.dims.bounds()) shape.push_back(dim);
    const DataType type = value.type;
    const Bytes data = value.data;
    const ValueId full = graph_.add_constant(name, type, shape, data);
    TRY_VALUE(id, rewriter_.add("Transpose", {full}, {{"perm", perm}}, name));
    if (ops::fold_node(graph_, graph_.nodes.size() - 1)) rewriter_.remove(graph_.nodes.back());
    return {};
  }

  // A broadcasting input of which the transposition moves only extents of 1: common_perm has
  // looked.
  Status permute_units(ValueId& id, const Perm& perm) {
    const Dims& dims = graph_[id].dims;
    Perm shape;
    if ((dims.known() && dims.max_elements() == 1 && dims.rank() <= 1) ||
        !as_shape(padded(dims, perm.size()), perm, shape)) {
      return {};
    }
    const std::string name = graph_[id].name;
    const ValueId target = graph_.add_ints(name + ":shape", shape);
    TRY_VALUE(id, rewriter_.add("Reshape", {id, target}, {}, name));
    return {};
  }

  // The node on untransposed inputs, each output followed by a Transpose.
  Status rebuild(std::size_t n, std::vector<ValueId> inputs, Attrs attrs, const Perm& out_perm) {
    const std::vector<ValueId> outputs = graph_.nodes[n].outputs;
    std::vector<ValueId> inner;
    inner.reserve(outputs.size());
    for (const ValueId out : outputs)
      inner.push_back(graph_.add_value(graph_[out].name + ":inner"));
    graph_.nodes[n].inputs = std::move(inputs);
    graph_.nodes[n].attrs = std::move(attrs);
    graph_.nodes[n].outputs = inner;
    rewriter_.changed(graph_.nodes[n]);
    TRY(ops::infer_node(graph_, n));
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      Node transpose;
      transpose.op = identity(out_perm) ? "Identity" : "Transpose";
      transpose.name = graph_.nodes[n].name;
      if (!identity(out_perm)) transpose.attrs.set("perm", out_perm);
      transpose.inputs = {inner[i]};
      transpose.outputs = {outputs[i]};
      graph_.nodes.push_back(std::move(transpose));
      TRY(ops::infer_node(graph_, graph_.nodes.size() - 1));
      rewriter_.changed(graph_.nodes.back());
    }
    // What reads the outputs may have been visited already, before this node.
    moved_ = true;
    return {};
  }

  bool moved_ = false;
  Rewriter rewriter_;
  Graph& graph_;

 public:
  bool moved() const { return moved_; }
};

}  // namespace

Status cancel_transposes(Graph& graph) {
  // A round ends with the nodes in order again; few rounds are needed, as one moves a transposition
  // past every node that follows.
  constexpr int kMaxRounds = 1000;
  for (int round = 0; round < kMaxRounds; ++round) {
    Pass pass(graph);
    TRY(pass.run());
    if (!pass.moved()) break;
  }
  return Pass(graph).reshape();
}

}  // namespace polder::compile
