// Shape inference over nodes and graphs.
#include "ops/infer.h"

#include <algorithm>
#include <cstring>
#include <unordered_map>

namespace polder::ops {

bool InferContext::ints(int i, IntList& out) const {
  const ValueInfo& in = input(i);
  if (!in.present() || in.dims.rank() > 1) return false;
  if (in.data && in.dims.known() && in.layout == Layout::kPlain) {
    const std::int64_t count = in.dims.bounds().elements();
    if (count > IntList::kCapacity) return false;
    for (std::int64_t k = 0; k < count; ++k) {
      if (in.type == DataType::kI64) {
        std::int64_t value;
        std::memcpy(&value, static_cast<const char*>(in.data) + 8 * k, 8);
        out.push_back(value);
      } else if (in.type == DataType::kI32) {
        std::int32_t value;
        std::memcpy(&value, static_cast<const char*>(in.data) + 4 * k, 4);
        out.push_back(value);
      } else {
        return false;
      }
    }
    return true;
  }
  if (in.ints) {
    out = *in.ints;
    return true;
  }
  return false;
}

Status InferContext::known_ints(int i, IntList& out) const {
  if (ints(i, out) && out.known()) return {};
  return fail(Code::kUnsupported,
              "input {} decides the shape of the output and is not known before the run; bind it "
              "when compiling (--bind NAME=VALUES)",
              i);
}

bool InferContext::scalar(int i, double& out) const {
  const ValueInfo& in = input(i);
  if (!in.data || in.dims.max_elements() < 1) return false;
  switch (in.type) {
    case DataType::kF32: out = double(*static_cast<const float*>(in.data)); return true;
    case DataType::kF64: out = *static_cast<const double*>(in.data); return true;
    case DataType::kI64: out = double(*static_cast<const std::int64_t*>(in.data)); return true;
    case DataType::kI32: out = double(*static_cast<const std::int32_t*>(in.data)); return true;
    case DataType::kU8: out = double(*static_cast<const std::uint8_t*>(in.data)); return true;
    case DataType::kI8: out = double(*static_cast<const std::int8_t*>(in.data)); return true;
    case DataType::kBool: out = double(*static_cast<const std::uint8_t*>(in.data)); return true;
    default: return false;
  }
}

void InferContext::output(int i, DataType type, const Dims& dims) {
  if (std::size_t(i) >= outputs_.size()) return;
  outputs_[std::size_t(i)].type = type;
  outputs_[std::size_t(i)].dims = dims;
}

void InferContext::output_ints(int i, const IntList& ints) {
  if (std::size_t(i) < outputs_.size()) host_.keep_ints(i, ints);
}

Status InferContext::expect_type(int i, std::initializer_list<DataType> types) const {
  if (std::ranges::find(types, input(i).type) != types.end()) return {};
  std::string names;
  for (const DataType type : types) {
    if (!names.empty()) names += ", ";
    names += type_name(type);
  }
  return fail(Code::kUnsupported, "input {} is {}; this operator runs on {}", i,
              type_name(input(i).type), names);
}

Status InferContext::expect_rank(int i, int min, int max) const {
  const int rank = input(i).dims.rank();
  if (rank >= min && rank <= max) return {};
  if (min == max) return fail(Code::kInvalid, "input {} has rank {}; {} expected", i, rank, min);
  return fail(Code::kInvalid, "input {} has rank {}; {} to {} expected", i, rank, min, max);
}

ValueInfo info_of(const Value& value) {
  return {.type = value.type,
          .dims = value.dims,
          .data = value.data ? static_cast<const void*>(value.data.view.data()) : nullptr,
          .ints = value.ints.get(),
          .layout = value.layout};
}

namespace {

class GraphHost final : public InferContext::Host {
 public:
  GraphHost(Graph& graph, Node& node) : graph_(graph), node_(node) {}
  Dim new_dim(std::int64_t bound) override { return graph_.new_dim(bound); }
  Status infer_body(int index, const BodyInputs& inputs, int results) override {
    Graph& body = node_.bodies[std::size_t(index)];
    if (body.outputs.size() < std::size_t(results)) {
      return fail(Code::kInvalid, "body {} makes {} values; {} expected", index,
                  body.outputs.size(), results);
    }
    const std::int64_t before = body.spent.body_inferences;
    std::int64_t& spent = graph_.spent.body_inferences;
    spent += std::int64_t(body.nodes.size());
    if (spent > kMaxBodyInferences) {
      return fail(Code::kExhausted,
                  "the shapes of more than {} nodes were worked out inside bodies: loops within "
                  "loops are nested too deep",
                  kMaxBodyInferences);
    }
    Status status = ops::infer_body(body, inputs);
    spent += body.spent.body_inferences - before;
    return status;
  }
  ValueInfo body_result(int index, int i) override {
    const Graph& body = node_.bodies[std::size_t(index)];
    const Value& value = body[body.outputs[std::size_t(i)]];
    ValueInfo info = {.type = value.type};
    // A body's symbols mean nothing outside.
    for (const Dim& dim : value.dims) {
      info.dims.push_back(dim.known() ? dim : graph_.new_dim(dim.bound));
    }
    return info;
  }
  void keep_ints(int index, const IntList& ints) override {
    const ValueId id = node_.outputs[std::size_t(index)];
    if (id != kNoValue) graph_[id].ints = std::make_shared<IntList>(ints);
  }

 private:
  Graph& graph_;
  Node& node_;
};

Status check_counts(const OpDef& def, const Node& node) {
  const int inputs = int(node.inputs.size()), outputs = int(node.outputs.size());
  if (inputs < def.min_inputs || inputs > def.max_inputs) {
    return fail(Code::kInvalid, "{} inputs; {} to {} expected", inputs, def.min_inputs,
                def.max_inputs);
  }
  for (int i = 0; i < def.min_inputs; ++i) {
    if (node.inputs[std::size_t(i)] == kNoValue) {
      return fail(Code::kInvalid, "input {} is required and absent", i);
    }
  }
  if (outputs < def.min_outputs || outputs > def.max_outputs) {
    return fail(Code::kInvalid, "{} outputs; {} to {} expected", outputs, def.min_outputs,
                def.max_outputs);
  }
  for (int i = 0; i < outputs; ++i) {
    if (node.outputs[std::size_t(i)] == kNoValue && !may_lack(def, i))
      return fail(Code::kInvalid, "output {} is absent", i);
  }
  if (int(node.bodies.size()) != def.bodies) {
    return fail(Code::kInvalid, "{} bodies; {} expected", node.bodies.size(), def.bodies);
  }
  return {};
}

Status check_outputs(std::span<const ValueInfo> outputs) {
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    std::int64_t elements = 1;
    for (const Dim& dim : outputs[i].dims) {
      if (dim.bound < 0) return fail(Code::kInvalid, "output {} would have a negative extent", i);
      if (!dim.known()) continue;
      if (__builtin_mul_overflow(elements, dim.bound ? dim.bound : 1, &elements) ||
          elements > kMaxElements) {
        return fail(Code::kExhausted, "output {} would have shape {}: more than 2^40 elements", i,
                    outputs[i].dims.text());
      }
    }
  }
  return {};
}

Status infer_one(Graph& graph, Node& node) {
  const OpDef* def = find_op(node.op);
  if (!def) return fail(Code::kUnsupported, "operator '{}' is not in this build", node.op);
  TRY(check_counts(*def, node));
  alignas(std::max_align_t) std::byte params[kMaxParamsBytes] = {};
  TRY(def->parse(node.attrs, params));

  std::vector<ValueInfo> inputs, outputs(node.outputs.size());
  for (const ValueId id : node.inputs)
    inputs.push_back(id == kNoValue ? ValueInfo{} : info_of(graph[id]));
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (node.inputs[i] != kNoValue && !inputs[i].present()) {
      return fail(Code::kInvalid, "input {} ('{}') has no type", i, graph[node.inputs[i]].name);
    }
  }
  for (const ValueId id : node.outputs)
    if (id != kNoValue) graph[id].ints.reset();
  GraphHost host(graph, node);
  InferContext context(params, inputs, outputs, host);
  TRY(def->infer(context));
  TRY(check_outputs(outputs));
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    if (node.outputs[i] == kNoValue) continue;
    if (!outputs[i].present()) return fail(Code::kInvalid, "the operator has no output {}", i);
    Value& value = graph[node.outputs[i]];
    value.type = outputs[i].type;
    // Keep symbols where nothing changed, so that passes see equal dimensions as equal.
    value.dims = outputs[i].dims;
  }
  return {};
}

}  // namespace

Status infer_node(Graph& graph, std::size_t index) {
  Node& node = graph.nodes[index];
  if (Status status = infer_one(graph, node); !status) {
    return std::move(status).error().at(fmt::format("node '{}' ({})", node.name, node.op));
  }
  return {};
}

Status infer_graph(Graph& graph) {
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) TRY(infer_node(graph, n));
  return {};
}

Status infer_body(Graph& body, const BodyInputs& inputs) {
  if (std::size_t(inputs.count()) != body.inputs.size()) {
    return fail(Code::kInvalid, "a body takes {} inputs; {} given", body.inputs.size(),
                inputs.count());
  }
  // What is equal outside is equal inside.
  std::unordered_map<std::int32_t, std::int32_t> symbols;
  const auto inner = [&](Dim dim) {
    if (dim.known()) return dim;
    const auto [known, is_new] = symbols.try_emplace(dim.symbol);
    if (is_new) known->second = body.new_dim(dim.bound).symbol;
    return Dim(dim.bound, known->second);
  };
  for (int i = 0; i < inputs.count(); ++i) {
    const ValueInfo input = inputs[i];
    Value& value = body[body.inputs[std::size_t(i)]];
    value.type = input.type;
    value.dims = {};
    for (const Dim& dim : input.dims) value.dims.push_back(inner(dim));
    value.ints = nullptr;
    if (!input.ints) continue;
    const auto ints = std::make_shared<IntList>(*input.ints);
    for (int k = 0; k < ints->size(); ++k) (*ints)[k] = inner((*ints)[k]);
    value.ints = ints;
  }
  return infer_graph(body);
}

const OpDef* find_op(std::string_view name) {
  const auto table = all_ops();
  const auto it =
      std::lower_bound(table.begin(), table.end(), name,
                       [](const OpDef* def, std::string_view n) { return def->name < n; });
  return it != table.end() && (*it)->name == name ? *it : nullptr;
}

Choice choose_kernel(const OpDef& def, const NodeInfo& node) {
  if (def.choose) {
    const Choice choice = def.choose(node);
    if (choice.kernel) return choice;
  }
  return {.kernel = def.reference,
          .workspace_bytes = def.reference_workspace ? def.reference_workspace(node) : 0};
}

}  // namespace polder::ops
