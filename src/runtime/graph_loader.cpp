// Loading a graph of a plan with every check that running it relies on.
#include <algorithm>

#include "base/fail.h"
#include "ops/pack.h"
#include "plan_generated.h"
#include "runtime/graph_runner.h"

namespace polder {

namespace {

constexpr std::size_t kParamsAlignment = alignof(std::max_align_t);
constexpr std::size_t kMaxShapeInputs = 8;  // no operator's shape depends on a later input

template <class T>
std::size_t size_of_vector(const flatbuffers::Vector<T>* v) {
  return v ? v->size() : 0;
}

std::string_view text(const flatbuffers::String* s) {
  if (!s) return {};
  return {s->c_str(), std::min<std::size_t>(s->size(), kMaxPlanNameBytes)};
}

// The elements of one node's lists, which may all be the same bytes of the file.
Status check_attrs(const plan::Node& node) {
  std::size_t elements = 0;
  for (unsigned i = 0; i < size_of_vector(node.attrs()); ++i) {
    const plan::Attr& attr = *node.attrs()->Get(i);
    elements += 1 + size_of_vector(attr.integers()) + size_of_vector(attr.reals());
    elements += attr.text() ? attr.text()->size() : 0;
    if (elements > kMaxPlanAttrElements)
      return fail(Code::kExhausted, "attributes of more than {} elements", kMaxPlanAttrElements);
  }
  return {};
}

Attrs read_attrs(const plan::Node& node) {
  Attrs attrs;
  if (!node.attrs()) return attrs;
  attrs.reserve(node.attrs()->size());
  for (const plan::Attr* attr : *node.attrs()) {
    const std::string_view name = text(attr->name());
    switch (attr->kind()) {
      case plan::AttrKind::Integer: attrs.set(name, attr->integer()); break;
      case plan::AttrKind::Real: attrs.set(name, attr->real()); break;
      case plan::AttrKind::Text:
        attrs.set(name, attr->text() ? attr->text()->str() : std::string());
        break;
      case plan::AttrKind::Integers: {
        std::vector<std::int64_t> list;
        if (attr->integers()) list.assign(attr->integers()->begin(), attr->integers()->end());
        attrs.set(name, std::move(list));
        break;
      }
      case plan::AttrKind::Reals: {
        std::vector<double> list;
        if (attr->reals()) list.assign(attr->reals()->begin(), attr->reals()->end());
        attrs.set(name, std::move(list));
        break;
      }
    }
  }
  return attrs;
}

// The bytes of a dense tensor at its bounds; false above what any arena may hold.
bool dense_bytes(const Dims& dims, DataType type, std::size_t& bytes) {
  const std::int64_t elements = dims.max_elements();
  if (elements < 0 || elements > kMaxElements) return false;
  bytes = std::size_t(elements) * size_of(type);
  return bytes <= kMaxArenaBytes;
}

}  // namespace

Result<std::unique_ptr<GraphRunner>> GraphRunner::load(const Shared& shared, int index) {
  std::unique_ptr<GraphRunner> runner(new GraphRunner(shared));
  const plan::Graph& graph = *shared.plan->program().graphs()->Get(unsigned(index));
  Shared::Taken& taken = *shared.taken;
  const std::size_t nodes = 1 + graph.nodes()->size(), tensors = graph.tensors()->size();
  if (nodes > std::size_t(kMaxPlanNodes - taken.nodes) ||
      tensors > std::size_t(kMaxPlanTensors - taken.tensors)) {
    return fail(Code::kExhausted, "graph {}: more than {} nodes or {} tensors in all", index,
                kMaxPlanNodes, kMaxPlanTensors);
  }
  if (taken.depth == kMaxPlanGraphDepth)
    return fail(Code::kExhausted, "bodies nested deeper than {}", kMaxPlanGraphDepth);
  ++taken.depth;
  taken.nodes += int(nodes);
  taken.tensors += int(tensors);
  if (graph.arena_bytes() > kMaxArenaBytes) {
    return fail(Code::kExhausted, "graph {}: an arena of {} bytes; at most 2^36", index,
                graph.arena_bytes());
  }
  runner->arena_bytes_ = graph.arena_bytes();
  TRY(runner->load_tensors(graph));
  TRY(runner->load_ports(graph));
  runner->nodes_.reserve(graph.nodes()->size());
  for (const plan::Node* node : *graph.nodes()) {
    if (Status status = runner->load_node(*node, index); !status) {
      return std::move(status).error().at(
          fmt::format("node {} '{}'", runner->nodes_.size(), text(node->name())));
    }
  }
  runner->make_views();
  --taken.depth;
  return runner;
}

Status GraphRunner::load_tensors(const plan::Graph& graph) {
  tensors_.resize(graph.tensors()->size());
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    if (Status status = load_tensor(*graph.tensors()->Get(unsigned(i)), tensors_[i]); !status) {
      return std::move(status).error().at(fmt::format("tensor {} '{}'", i, tensors_[i].name));
    }
  }
  return {};
}

Status GraphRunner::load_tensor(const plan::Tensor& from, Tensor& tensor) const {
  tensor.name = text(from.name());
  tensor.type = DataType(from.type());
  tensor.layout = Layout(from.layout());
  tensor.storage = std::uint8_t(from.storage());
  tensor.offset = from.offset();
  tensor.bytes = from.bytes();
  if (size_of(tensor.type) == 0) return fail(Code::kCorrupt, "type {} does not exist", from.type());
  if (from.layout() > std::uint8_t(Layout::kTaps))
    return fail(Code::kCorrupt, "layout {} does not exist", from.layout());
  const std::size_t rank = size_of_vector(from.dims());
  const std::size_t symbols = size_of_vector(from.symbols());
  if (rank > kMaxRank || (symbols && symbols != rank))
    return fail(Code::kCorrupt, "rank {} is above {}", rank, kMaxRank);
  for (unsigned axis = 0; axis < rank; ++axis) {
    const std::int64_t bound = from.dims()->Get(axis);
    if (bound < 0 || bound > kMaxElements)
      return fail(Code::kCorrupt, "dimension {} is {}", axis, bound);
    const std::int32_t symbol = symbols ? from.symbols()->Get(axis) : 0;
    if (symbol < 0) return fail(Code::kCorrupt, "symbol {} of dimension {}", symbol, axis);
    tensor.dims.push_back(Dim(bound, symbol));
  }
  TRY(place_tensor(tensor));
  tensor.now.type = tensor.type;
  tensor.now.shape = tensor.dims.bounds();
  return {};
}

// Checks where the tensor's bytes are, and points at those of a constant.
Status GraphRunner::place_tensor(Tensor& tensor) const {
  std::size_t dense = 0;
  if (!dense_bytes(tensor.dims, tensor.type, dense))
    return fail(Code::kExhausted, "shape {} needs more than 2^36 bytes", tensor.dims.text());
  switch (plan::Storage(tensor.storage)) {
    case plan::Storage::Constant: return place_constant(tensor, dense);
    case plan::Storage::Arena:
      if (tensor.offset > arena_bytes_ || tensor.bytes > arena_bytes_ - tensor.offset ||
          tensor.offset % kPlanAlignment || tensor.bytes < dense ||
          tensor.layout != Layout::kPlain) {
        return fail(Code::kCorrupt, "bytes {}+{} do not fit the tensor or the arena", tensor.offset,
                    tensor.bytes);
      }
      return {};
    case plan::Storage::Input: tensor.bytes = dense; return {};
    default: return fail(Code::kCorrupt, "storage {} does not exist", int(tensor.storage));
  }
}

Status GraphRunner::place_constant(Tensor& tensor, std::size_t dense) const {
  const auto constants = shared_.plan->constants();
  if (tensor.offset > constants.size() || tensor.bytes > constants.size() - tensor.offset ||
      tensor.offset % kPlanAlignment || !tensor.dims.known()) {
    return fail(Code::kCorrupt, "bytes {}+{} lie outside the constants", tensor.offset,
                tensor.bytes);
  }
  if (tensor.layout == Layout::kPlain && tensor.bytes != dense) {
    return fail(Code::kCorrupt, "{} bytes expected for {} {}, {} found", dense, tensor.dims.text(),
                type_name(tensor.type), tensor.bytes);
  }
  // Packing pads: whoever reads an element finds one, if another.
  if (tensor.layout != Layout::kPlain && (tensor.type != DataType::kF32 || tensor.bytes < dense)) {
    return fail(Code::kCorrupt, "packed, but of {} and {} bytes", type_name(tensor.type),
                tensor.bytes);
  }
  tensor.constant = constants.data() + tensor.offset;
  tensor.now.data = const_cast<std::byte*>(tensor.constant);
  return {};
}

Status GraphRunner::load_ports(const plan::Graph& graph) {
  if (graph.inputs()->size() > kMaxPlanPorts || graph.outputs()->size() > kMaxPlanPorts)
    return fail(Code::kExhausted, "more than {} inputs or outputs", kMaxPlanPorts);
  for (const std::int32_t id : *graph.inputs()) {
    if (id < 0 || std::size_t(id) >= tensors_.size() ||
        tensors_[std::size_t(id)].storage != std::uint8_t(plan::Storage::Input)) {
      return fail(Code::kCorrupt, "graph input {} is not an input tensor", id);
    }
    if (std::ranges::find(inputs_, id) != inputs_.end())
      return fail(Code::kCorrupt, "graph input {} appears twice", id);
    inputs_.push_back(id);
  }
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    if (tensors_[i].storage == std::uint8_t(plan::Storage::Input) &&
        std::ranges::find(inputs_, int(i)) == inputs_.end()) {
      return fail(Code::kCorrupt, "tensor {} is an input that the graph does not list", i);
    }
  }
  for (const std::int32_t id : *graph.outputs()) {
    if (id < 0 || std::size_t(id) >= tensors_.size() ||
        tensors_[std::size_t(id)].layout != Layout::kPlain) {
      return fail(Code::kCorrupt, "graph output {} is no plain tensor", id);
    }
    outputs_.push_back(id);
  }
  return {};
}

Status GraphRunner::load_node(const plan::Node& source, int graph_index) {
  if (source.op() >= shared_.operators.size())
    return fail(Code::kCorrupt, "no operator {}", source.op());
  Node node;
  node.def = shared_.operators[source.op()];
  node.name = text(source.name());
  TRY(load_references(source.inputs(), node.inputs));
  TRY(load_references(source.outputs(), node.outputs));
  TRY(check_references(node));
  TRY(load_bodies(source, node, graph_index));
  TRY(load_params(source, node));
  TRY(check_inference(node));
  node.workspace_offset = source.workspace_offset();
  node.workspace_bytes = source.workspace_bytes();
  if (node.workspace_offset > arena_bytes_ ||
      node.workspace_bytes > arena_bytes_ - node.workspace_offset ||
      node.workspace_offset % kPlanAlignment) {
    return fail(Code::kCorrupt, "its workspace lies outside the arena");
  }
  TRY(check_memory(node));
  TRY(choose(node));
  nodes_.push_back(std::move(node));
  return {};
}

Status GraphRunner::load_references(const flatbuffers::Vector<std::int32_t>* ids,
                                    std::vector<int>& out) {
  if (size_of_vector(ids) > std::size_t(kMaxPlanReferences - shared_.taken->references))
    return fail(Code::kExhausted, "more than {} inputs and outputs in all", kMaxPlanReferences);
  shared_.taken->references += int(size_of_vector(ids));
  out.reserve(size_of_vector(ids));
  for (unsigned i = 0; i < size_of_vector(ids); ++i) {
    const std::int32_t id = ids->Get(i);
    if (id < -1 || id >= std::int32_t(tensors_.size()))
      return fail(Code::kCorrupt, "no tensor {}", id);
    out.push_back(id);
  }
  return {};
}

// As many inputs and outputs as the operator has, and outputs that can be written.
Status GraphRunner::check_references(const Node& node) const {
  for (const int id : node.outputs) {
    if (id >= 0 && tensors_[std::size_t(id)].storage != std::uint8_t(plan::Storage::Arena)) {
      return fail(Code::kCorrupt, "writes tensor {}, which is not in the arena", id);
    }
  }
  const ops::OpDef& def = *node.def;
  const int in = int(node.inputs.size()), out = int(node.outputs.size());
  if (in < def.min_inputs || in > def.max_inputs || out < def.min_outputs ||
      out > def.max_outputs ||
      std::ranges::any_of(node.inputs.begin(), node.inputs.begin() + def.min_inputs,
                          [](int id) { return id < 0; })) {
    return fail(Code::kCorrupt, "{} does not take {} inputs and {} outputs", def.name, in, out);
  }
  for (int i = 0; i < out; ++i) {
    if (node.outputs[std::size_t(i)] < 0 && !ops::may_lack(def, i))
      return fail(Code::kCorrupt, "{} lacks output {}", def.name, i);
  }
  return {};
}

Status GraphRunner::load_params(const plan::Node& source, Node& node) {
  const auto aligned = [](std::size_t bytes) {
    return (bytes + kParamsAlignment - 1) / kParamsAlignment * kParamsAlignment;
  };
  node.params = std::uint32_t(params_.size());
  params_.resize(params_.size() + aligned(ops::kMaxParamsBytes));
  TRY(check_attrs(source));
  TRY(node.def->parse(read_attrs(source), params_.data() + node.params));
  params_.resize(node.params + aligned(std::max<std::size_t>(node.def->params_bytes, 1)));
  return {};
}

Status GraphRunner::load_bodies(const plan::Node& source, Node& node, int graph_index) {
  const std::size_t count = size_of_vector(source.bodies());
  if (count != std::size_t(node.def->bodies) || size_of_vector(source.body_offsets()) != count) {
    return fail(Code::kCorrupt, "{} bodies; {} expected", count, node.def->bodies);
  }
  const auto graphs = shared_.plan->program().graphs();
  for (unsigned i = 0; i < count; ++i) {
    // Bodies come after the graph that uses them, so graphs cannot contain themselves.
    const int index = source.bodies()->Get(i);
    if (index <= graph_index || unsigned(index) >= graphs->size()) {
      return fail(Code::kCorrupt, "no body {}", index);
    }
    TRY_VALUE(auto body, load(shared_, index));
    const std::uint64_t offset = source.body_offsets()->Get(i);
    if (offset > arena_bytes_ || body->arena_bytes() > arena_bytes_ - offset ||
        offset % kPlanAlignment) {
      return fail(Code::kCorrupt, "the arena of body {} lies outside this graph's", index);
    }
    node.bodies.push_back(std::move(body));
    node.body_offsets.push_back(offset);
  }
  return {};
}

// What a node writes is apart from what it reads and from what else it writes, except that output 0
// may lie exactly over an input where the operator allows it: a kernel that has checked its indices
// must not find others later.
Status GraphRunner::check_memory(const Node& node) {
  written_.clear();
  const auto writes = [&](std::size_t offset, std::size_t bytes) {
    if (bytes) written_.push_back({offset, offset + bytes});
  };
  for (const int id : node.outputs) {
    if (id >= 0) writes(tensors_[std::size_t(id)].offset, tensors_[std::size_t(id)].bytes);
  }
  writes(node.workspace_offset, node.workspace_bytes);
  for (std::size_t i = 0; i < node.bodies.size(); ++i)
    writes(node.body_offsets[i], node.bodies[i]->arena_bytes());
  std::ranges::sort(written_, {}, &Range::begin);
  for (std::size_t i = 1; i < written_.size(); ++i) {
    if (written_[i].begin < written_[i - 1].end)
      return fail(Code::kCorrupt, "two of its outputs or its workspace share memory");
  }
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    if (node.inputs[i] < 0) continue;
    const Tensor& in = tensors_[std::size_t(node.inputs[i])];
    if (in.storage != std::uint8_t(plan::Storage::Arena) || in.bytes == 0) continue;
    const auto after = std::ranges::lower_bound(written_, in.offset + in.bytes, {}, &Range::begin);
    if (after == written_.begin() || std::prev(after)->end <= in.offset) continue;
    const int over = node.outputs.empty() ? -1 : node.outputs[0];
    if (over >= 0 && i < 32 && (node.def->in_place >> i & 1)) {
      const Tensor& out = tensors_[std::size_t(over)];
      if (out.offset == in.offset && out.bytes == in.bytes &&
          size_of(out.type) == size_of(in.type)) {
        continue;
      }
    }
    return fail(Code::kCorrupt, "input {} shares memory with what the node writes", i);
  }
  return {};
}

// As a body: that it takes what its node gives it, and makes what its node takes from it.
Status GraphRunner::check_signature(const ops::BodyInputs& inputs, int results) const {
  if (std::size_t(inputs.count()) != inputs_.size() || outputs_.size() < std::size_t(results)) {
    return fail(Code::kCorrupt, "a body takes {} inputs and makes {} outputs; {} and {} expected",
                inputs_.size(), outputs_.size(), inputs.count(), results);
  }
  for (int i = 0; i < inputs.count(); ++i) {
    const ops::ValueInfo given = inputs[i];
    const Tensor& taken = tensors_[std::size_t(inputs_[std::size_t(i)])];
    if (given.type != taken.type || given.dims.rank() != taken.dims.rank()) {
      return fail(
          Code::kCorrupt, "input {} of a body is {} of rank {}; the node gives {} of rank {}", i,
          type_name(taken.type), taken.dims.rank(), type_name(given.type), given.dims.rank());
    }
  }
  return {};
}

// Integers of the arena that may decide a shape, as many as inference looks at.
bool GraphRunner::is_short_list(const Tensor& tensor) {
  return !tensor.constant && (tensor.type == DataType::kI64 || tensor.type == DataType::kI32) &&
         tensor.dims.rank() <= 1 && tensor.dims.known() &&
         tensor.dims.max_elements() <= IntList::kCapacity;
}

// Infers the node again and holds the plan's outputs to it: kernels trust their shapes. What only
// a run's elements decide is held to the plan in the run.
Status GraphRunner::check_inference(Node& node) {
  info_in_.assign(node.inputs.size(), {});
  info_out_.assign(node.outputs.size(), {});
  unknown_ints_.clear();
  unknown_ints_.reserve(kMaxShapeInputs);
  Host host(node);
  bool is_free = false;
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    if (node.inputs[i] < 0) continue;
    const Tensor& tensor = tensors_[std::size_t(node.inputs[i])];
    info_in_[i] = {tensor.type, tensor.dims, tensor.constant, nullptr, tensor.layout};
    is_free = is_free || !tensor.dims.known();
    if (i < kMaxShapeInputs && is_short_list(tensor)) {
      IntList& elements = unknown_ints_.emplace_back();
      for (std::int64_t n = tensor.dims.max_elements(); n > 0; --n)
        elements.push_back(host.new_dim(kUnbounded));
      info_in_[i].ints = &elements;
    }
  }
  ops::InferContext context(params_.data() + node.params, info_in_, info_out_, host);
  for (const int id : node.outputs) {
    if (id >= 0) is_free = is_free || !tensors_[std::size_t(id)].dims.known();
  }
  node.dynamic = is_free;
  // The choice of a kernel relies on what inference has checked: nothing excuses a failure here.
  TRY(node.def->infer(context));
  node.makes_nothing = makes_nothing(node);
  for (std::size_t i = 0; i < node.outputs.size(); ++i) {
    if (node.outputs[i] < 0) continue;
    const Tensor& tensor = tensors_[std::size_t(node.outputs[i])];
    if (info_out_[i].type != tensor.type) {
      return fail(Code::kCorrupt, "output {} is {} where the operator makes {}", i,
                  type_name(tensor.type), type_name(info_out_[i].type));
    }
    if (!tensor.dims.known()) continue;
    if (!info_out_[i].dims.known()) {
      node.dynamic = true;
    } else if (info_out_[i].dims.bounds() != tensor.dims.bounds()) {
      return fail(Code::kCorrupt, "output {} is {} where the operator makes {}", i,
                  tensor.dims.text(), info_out_[i].dims.text());
    }
  }
  return {};
}

Status GraphRunner::choose(Node& node) {
  for (std::size_t i = 0; i < node.outputs.size(); ++i) {
    if (node.outputs[i] < 0) continue;
    const Tensor& tensor = tensors_[std::size_t(node.outputs[i])];
    info_out_[i] = {tensor.type, tensor.dims};
  }
  const ops::NodeInfo info{info_in_, info_out_, params_.data() + node.params};
  if (shared_.reference) {
    node.choice = {
        .kernel = node.def->reference,
        .workspace_bytes = node.def->reference_workspace ? node.def->reference_workspace(info) : 0};
  } else {
    node.choice = ops::choose_kernel(*node.def, info);
  }
  if (!node.choice.kernel)
    return fail(Code::kUnsupported, "{} has no kernel for these types", node.def->name);
  if (node.choice.workspace_bytes > node.workspace_bytes) {
    return fail(Code::kIncompatible,
                "{} needs {} bytes of workspace, the plan has {}: compile the model again",
                node.def->name, node.choice.workspace_bytes, node.workspace_bytes);
  }
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    if (node.inputs[i] < 0) continue;
    const Tensor& tensor = tensors_[std::size_t(node.inputs[i])];
    const ops::Packing wanted =
        i < std::size(node.choice.packing) ? node.choice.packing[i] : ops::Packing{};
    if (wanted.layout == tensor.layout) {
      if (wanted.layout == Layout::kPlain) continue;
      const std::size_t expected = ops::packed_bytes(wanted, tensor.dims.bounds());
      if (tensor.bytes == expected) continue;
      return fail(Code::kCorrupt, "packed input {}: {} bytes expected, {} found", i, expected,
                  tensor.bytes);
    }
    return fail(Code::kIncompatible,
                "input {} is packed for another kernel: compile the model again", i);
  }
  return {};
}

void GraphRunner::make_views() {
  std::size_t inputs = 0, outputs = 0;
  for (Node& node : nodes_) {
    node.views = std::uint32_t(views_.size());
    for (const int id : node.inputs) {
      const auto found = std::ranges::find(inputs_, id);
      if (id >= 0 && found != inputs_.end()) {
        patches_.push_back({int(found - inputs_.begin()), std::uint32_t(views_.size())});
      }
      views_.push_back(id < 0 ? TensorView{} : tensors_[std::size_t(id)].now);
    }
    for (const int id : node.outputs)
      views_.push_back(id < 0 ? TensorView{} : tensors_[std::size_t(id)].now);
    inputs = std::max(inputs, node.inputs.size());
    outputs = std::max(outputs, node.outputs.size());
  }
  info_in_.resize(inputs);
  info_out_.resize(outputs);
}

}  // namespace polder
