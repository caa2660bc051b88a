// The last step of compilation: kernels chosen, constants packed, memory planned, plan written.
#include "compile/plan_writer.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <map>

#include "base/fail.h"
#include "kernel/table.h"
#include "ops/infer.h"
#include "ops/pack.h"
#include "plan_generated.h"
#include "platform/pages.h"
#include "runtime/planner.h"

namespace polder::compile {

namespace {

using flatbuffers::Offset;

constexpr std::size_t align_up(std::size_t n) {
  return (n + kPlanAlignment - 1) / kPlanAlignment * kPlanAlignment;
}

// A node names its bodies in 16 bits.
constexpr std::size_t kMaxGraphs = std::size_t(std::numeric_limits<std::uint16_t>::max()) + 1;

// A constant as it will lie in the file.
struct Segment {
  Bytes elements;  // as in the graph
  Layout layout = Layout::kPlain;
  ops::Packing packing;
  Shape shape;
  std::size_t offset = 0, bytes = 0;
};

// Constants of all graphs, each once.
class Constants {
 public:
  // Returns the segment's index.
  std::size_t add(const Value& value, const ops::Packing& packing) {
    const auto key =
        std::tuple(static_cast<const void*>(value.data.view.data()), value.data.view.size(),
                   value.layout, packing.layout, packing.groups);
    if (const auto found = known_.find(key); found != known_.end() && !value.data.view.empty()) {
      return found->second;
    }
    Segment segment{value.data, value.layout, packing, value.dims.bounds()};
    segment.bytes = packing.layout == Layout::kPlain ? value.data.view.size()
                                                     : ops::packed_bytes(packing, segment.shape);
    segment.offset = size_;
    size_ = align_up(size_ + segment.bytes);
    segments_.push_back(std::move(segment));
    known_[key] = segments_.size() - 1;
    return segments_.size() - 1;
  }
  const Segment& operator[](std::size_t i) const { return segments_[i]; }

  // Lays all out, letting go of each original as it is copied.
  Result<Bytes> join() {
    const std::shared_ptr<std::byte> memory = allocate_pages(size_);
    if (!memory) return fail(Code::kExhausted, "out of memory: constants of {} bytes", size_);
    for (Segment& segment : segments_) {
      std::byte* to = memory.get() + segment.offset;
      const std::byte* from = segment.elements.view.data();
      if (segment.packing.layout == Layout::kPlain && segment.layout == Layout::kPlain) {
        if (segment.bytes) std::memcpy(to, from, segment.bytes);
      } else {
        ops::pack(segment.packing, segment.shape, from, reinterpret_cast<float*>(to),
                  segment.layout);
      }
      std::memset(to + segment.bytes, 0, align_up(segment.bytes) - segment.bytes);
      segment.elements = {};
    }
    return Bytes{memory, {memory.get(), size_}};
  }

 private:
  std::vector<Segment> segments_;
  std::map<std::tuple<const void*, std::size_t, Layout, Layout, std::int32_t>, std::size_t> known_;
  std::size_t size_ = 0;
};

class Writer {
 public:
  explicit Writer(const CompileOptions& options) : options_(options) {}

  Result<CompiledPlan> write(Graph& graph) {
    model_ = &graph;
    if (auto main = add_graph(graph); !main) return std::move(main).error();
    graph = Graph();
    std::vector<Offset<plan::Operator>> operators;
    for (const ops::OpDef* def : operators_) {
      operators.push_back(
          plan::CreateOperator(builder_, text(def->name), std::uint16_t(def->version)));
    }
    builder_.Finish(
        plan::CreateProgram(builder_, std::uint8_t(options_.target),
                            text(fmt::format("polder {} {}", POLDER_VERSION, options_.source)),
                            builder_.CreateVector(operators), builder_.CreateVector(graphs_)));
    CompiledPlan plan;
    plan.program =
        Bytes::copy_of(std::as_bytes(std::span(builder_.GetBufferPointer(), builder_.GetSize())));
    if (!plan.program || plan.program.view.size() > kMaxProgramBytes) {
      return fail(Code::kExhausted, "the program is {} bytes; at most {}", builder_.GetSize(),
                  kMaxProgramBytes);
    }
    TRY_VALUE(plan.constants, constants_.join());
    plan.arena_bytes = arenas_[0];
    return plan;
  }

 private:
  // What is decided of one node.
  struct NodePlan {
    ops::Choice choice;
    std::size_t workspace = SIZE_MAX;       // buffer index
    std::vector<std::size_t> bodies;        // graph indices
    std::vector<std::size_t> body_buffers;  // where their arenas are
  };
  struct ValuePlan {
    plan::Storage storage = plan::Storage::None;
    std::size_t index = 0;  // segment, or buffer
    ops::Packing packing;
    std::size_t bytes = 0;
  };
  struct GraphPlan {
    std::vector<NodePlan> nodes;
    std::vector<ValuePlan> values;
    std::vector<Buffer> buffers;
    std::size_t arena = 0;
  };

  Offset<flatbuffers::String> text(std::string_view s) {
    return builder_.CreateString(s.data(), s.size());
  }

  Result<std::size_t> add_graph(Graph& graph) {
    const std::size_t index = graphs_.size();
    if (index >= kMaxGraphs) {
      return fail(Code::kExhausted,
                  "more than {} graphs: the main one and a body for every branch and loop",
                  kMaxGraphs);
    }
    graphs_.emplace_back();
    arenas_.push_back(0);
    GraphPlan plan;
    plan.nodes.resize(graph.nodes.size());
    plan.values.resize(graph.values.size());
    for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
      for (Graph& body : graph.nodes[n].bodies) {
        auto body_index = add_graph(body);
        if (!body_index)
          return std::move(body_index)
              .error()
              .at(fmt::format("node '{}' ({})", graph.nodes[n].name, graph.nodes[n].op));
        plan.nodes[n].bodies.push_back(*body_index);
      }
    }
    TRY(choose(graph, plan));
    TRY(plan_values(graph, plan));
    plan.arena = place(plan.buffers, kPlanAlignment);
    arenas_[index] = plan.arena;
    graphs_[index] = emit(graph, plan);
    return index;
  }

  Status choose(Graph& graph, GraphPlan& plan) {
    const std::vector<int> uses = graph.use_counts();
    for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
      Node& node = graph.nodes[n];
      const ops::OpDef& def = *ops::find_op(node.op);
      alignas(std::max_align_t) std::byte params[ops::kMaxParamsBytes] = {};
      TRY(def.parse(node.attrs, params));
      std::vector<ops::ValueInfo> in, out;
      for (const ValueId id : node.inputs)
        in.push_back(id == kNoValue ? ops::ValueInfo{} : ops::info_of(graph[id]));
      for (const ValueId id : node.outputs)
        out.push_back(id == kNoValue ? ops::ValueInfo{} : ops::info_of(graph[id]));
      for (ops::ValueInfo& info : in) info.ints = nullptr;  // as the session will see it
      const ops::NodeInfo info{in, out, params};
      ops::Choice& choice = plan.nodes[n].choice;
      if (options_.pack) {
        choice = ops::choose_kernel(def, info);
      } else {
        choice = {.kernel = def.reference,
                  .workspace_bytes = def.reference_workspace ? def.reference_workspace(info) : 0};
      }
      if (!choice.kernel) {
        return fail(Code::kUnsupported, "node '{}' ({}): no kernel for {}", node.name, node.op,
                    in.empty() ? "none" : type_name(in[0].type));
      }
      for (std::size_t i = 0; i < node.inputs.size() && i < choice.packing.size(); ++i) {
        if (choice.packing[i].layout == Layout::kPlain) continue;
        set_packing(graph, node.inputs[i], choice.packing[i], uses, plan);
      }
    }
    return {};
  }

  // A constant that several nodes read is packed for each on its own; equal copies are stored once.
  static void set_packing(Graph& graph, ValueId& id, const ops::Packing& packing,
                          const std::vector<int>& uses, GraphPlan& plan) {
    if (std::size_t(id) >= uses.size() || uses[std::size_t(id)] > 1) {
      const Value copy = graph[id];
      graph.values.push_back(copy);
      plan.values.emplace_back();
      id = ValueId(graph.values.size() - 1);
    }
    plan.values[std::size_t(id)].packing = packing;
  }

  static std::size_t bytes_of(const Value& value) {
    return std::size_t(value.dims.max_elements()) * size_of(value.type);
  }

  // The inputs of the model that node `n` of `graph` depends on; any may be behind one in a body.
  std::vector<ValueId> inputs_behind(const Graph& graph, int n) const {
    if (&graph != model_ || n < 0) return model_->inputs;
    std::vector<bool> read(graph.values.size());
    for (int i = n; i >= 0; --i) {
      const Node& node = graph.nodes[std::size_t(i)];
      const auto is_read = [&](ValueId id) { return id != kNoValue && read[std::size_t(id)]; };
      if (i < n && std::ranges::none_of(node.outputs, is_read)) continue;
      for (const ValueId id : node.inputs)
        if (id != kNoValue) read[std::size_t(id)] = true;
    }
    std::vector<ValueId> inputs = model_->inputs;
    std::erase_if(inputs, [&](ValueId id) { return !read[std::size_t(id)]; });
    return inputs;
  }

  // Those that are one number or a list of whole ones: only a run knows them, and they may decide a
  // size. `'n', 'm'`; empty where there is none.
  std::string deciding_inputs(std::span<const ValueId> inputs) const {
    std::string names;
    for (const ValueId id : inputs) {
      const Value& value = (*model_)[id];
      const bool whole = value.type == DataType::kI64 || value.type == DataType::kI32;
      if (value.dims.rank() == 0 || (whole && value.dims.rank() == 1))
        names += fmt::format("{}'{}'", names.empty() ? "" : ", ", value.name);
    }
    return names;
  }

  // Whether `value` has a size to plan for. Node `n` makes it; -1: it is an input.
  Status check_bounds(const Value& value, const Graph& graph, int n) const {
    bool unbounded = value.dims.max_elements() > kMaxElements;
    for (const Dim& dim : value.dims)
      unbounded = unbounded || (!dim.known() && dim.bound >= kUnbounded);
    if (!unbounded && bytes_of(value) <= kMaxArenaBytes) return {};
    const std::vector<ValueId> inputs = inputs_behind(graph, n);
    std::vector<ValueId> free = inputs;
    std::erase_if(free, [&](ValueId id) { return (*model_)[id].dims.known(); });
    std::string advice;
    if (const std::string deciding = deciding_inputs(inputs);
        !deciding.empty() && !value.dims.known()) {
      advice = fmt::format(
          "; only a run knows {}: fix what decides the size (bind; --bind NAME=VALUE)", deciding);
    }
    if (free.empty()) {
      return fail(Code::kExhausted, "'{}' {} {} has no usable bound: more than 2^36 bytes{}",
                  value.name, type_name(value.type), value.dims.text(), advice);
    }
    return fail(Code::kInvalid,
                "the size of '{}' has no bound: {} {} free dimensions; give sizes (shapes{}) or "
                "upper bounds (bounds{}), for example{}",
                value.name, free_inputs(free), free.size() == 1 ? "has" : "have",
                examples(free, "--shape"), examples(free, "--bound"), advice);
  }

  // The model's name of a free dimension; "?" where it has none.
  std::string_view name_of(const Dim& dim) const {
    for (const auto& [symbol, name] : model_->symbol_names) {
      if (symbol == dim.symbol && name.find('[') == name.npos) return name;
    }
    return "?";
  }

  // "input 'x' [batch,3,?<=640,?]".
  std::string free_inputs(std::span<const ValueId> inputs) const {
    std::string text = inputs.size() == 1 ? "input" : "inputs";
    for (const ValueId id : inputs) {
      const Value& input = (*model_)[id];
      std::string dims;
      for (const Dim& dim : input.dims) {
        if (!dims.empty()) dims += ",";
        if (dim.known()) dims += fmt::format("{}", dim.bound);
        else dims += name_of(dim);
        if (!dim.known() && dim.bound < kUnbounded) dims += fmt::format("<={}", dim.bound);
      }
      text += fmt::format("{} '{}' [{}]", id == inputs[0] ? "" : ",", input.name, dims);
    }
    return text;
  }

  // An extent to show for axis `axis`: the model's own or a bound that is given, where it is of
  // use, and else a made-up one: pictures and sequences are long in their last axes only.
  static std::int64_t example_extent(const Dims& dims, int axis) {
    constexpr std::int64_t kUsable = 4096, kMadeUp = 640;
    const Dim& dim = dims[axis];
    if (dim.known() || dim.bound <= kUsable) return dim.bound;
    const int long_axes = dims.rank() == 4 ? 2 : 1;
    return axis > 0 && axis + long_axes >= dims.rank() ? kMadeUp : 1;
  }

  // "; --shape x=1,3,640,640", and so for the other inputs.
  std::string examples(std::span<const ValueId> inputs, std::string_view option) const {
    constexpr std::size_t kShown = 16;
    std::string text = ";";
    for (const ValueId id : inputs.first(std::min(inputs.size(), kShown))) {
      const Value& input = (*model_)[id];
      std::string extents;
      for (int axis = 0; axis < input.dims.rank(); ++axis)
        extents += fmt::format("{}{}", axis == 0 ? "" : ",", example_extent(input.dims, axis));
      text += fmt::format(" {} {}={}", option, input.name, extents);
    }
    if (inputs.size() > kShown) text += " ...";
    return text;
  }

  // Where each value lives, and from when to when.
  Status plan_values(const Graph& graph, GraphPlan& plan) {
    const int steps = int(graph.nodes.size());
    std::vector<int> last(graph.values.size(), -1);
    for (int n = 0; n < steps; ++n) {
      for (const ValueId id : graph.nodes[std::size_t(n)].inputs)
        if (id != kNoValue) last[std::size_t(id)] = n;
    }
    for (const ValueId id : graph.outputs) last[std::size_t(id)] = steps;
    for (const ValueId id : graph.inputs) {
      plan.values[std::size_t(id)].storage = plan::Storage::Input;
      TRY(check_bounds(graph[id], graph, -1));
    }
    for (std::size_t v = 0; v < graph.values.size(); ++v) {
      if (!graph.values[v].is_constant()) continue;
      ValuePlan& value = plan.values[v];
      value.storage = plan::Storage::Constant;
      value.index = constants_.add(graph.values[v], value.packing);
      value.bytes = constants_[value.index].bytes;
    }
    for (int n = 0; n < steps; ++n) {
      const Node& node = graph.nodes[std::size_t(n)];
      for (std::size_t i = 0; i < node.outputs.size(); ++i) {
        const ValueId id = node.outputs[i];
        if (id == kNoValue) continue;
        if (Status status = check_bounds(graph[id], graph, n); !status)
          return std::move(status).error().at(fmt::format("node '{}' ({})", node.name, node.op));
        ValuePlan& value = plan.values[std::size_t(id)];
        value.storage = plan::Storage::Arena;
        value.bytes = bytes_of(graph[id]);
        const int end = std::max(last[std::size_t(id)], n);
        if (i == 0 && reuse_input(graph, node, n, last, end, plan)) continue;
        value.index = plan.buffers.size();
        plan.buffers.push_back({value.bytes, n, end});
      }
      add_workspace(plan, n);
    }
    return {};
  }

  void add_workspace(GraphPlan& plan, int n) {
    NodePlan& node = plan.nodes[std::size_t(n)];
    node.workspace = plan.buffers.size();
    plan.buffers.push_back({node.choice.workspace_bytes, n, n});
    for (const std::size_t body : node.bodies) {
      node.body_buffers.push_back(plan.buffers.size());
      plan.buffers.push_back({arenas_[body], n, n});
    }
  }

  // Output 0 over an input that nobody reads later, where the operator allows it.
  static bool reuse_input(const Graph& graph, const Node& node, int n, const std::vector<int>& last,
                          int end, GraphPlan& plan) {
    const ops::OpDef& def = *ops::find_op(node.op);
    const Value& out = graph[node.outputs[0]];
    for (std::size_t i = 0; i < node.inputs.size() && i < 32; ++i) {
      if (!(def.in_place >> i & 1) || node.inputs[i] == kNoValue) continue;
      const std::size_t id = std::size_t(node.inputs[i]);
      const ValuePlan& input = plan.values[id];
      const Value& in = graph.values[id];
      if (input.storage != plan::Storage::Arena || last[id] != n || bytes_of(in) != bytes_of(out))
        continue;
      if (size_of(in.type) != size_of(out.type)) continue;
      const bool moves_nothing = node.op == "Reshape" || node.op == "Squeeze" ||
                                 node.op == "Unsqueeze" || node.op == "Flatten" ||
                                 node.op == "Identity";
      if (!(in.dims == out.dims) && !moves_nothing) continue;
      // Other inputs must not live in the same bytes and be read at other places.
      bool shared = false;
      for (std::size_t k = 0; k < node.inputs.size(); ++k) {
        if (k == i || node.inputs[k] == kNoValue) continue;
        const ValuePlan& other = plan.values[std::size_t(node.inputs[k])];
        shared = shared || (other.storage == plan::Storage::Arena && other.index == input.index &&
                            !(def.in_place >> k & 1));
      }
      if (shared) continue;
      plan.values[std::size_t(node.outputs[0])].index = input.index;
      Buffer& buffer = plan.buffers[input.index];
      buffer.last = std::max(buffer.last, end);
      return true;
    }
    return false;
  }

  std::uint16_t operator_index(std::string_view op) {
    const ops::OpDef* def = ops::find_op(op);
    const auto found = std::ranges::find(operators_, def);
    if (found != operators_.end()) return std::uint16_t(found - operators_.begin());
    operators_.push_back(def);
    return std::uint16_t(operators_.size() - 1);
  }

  Offset<plan::Attr> emit(const Attrs::Entry& attr) {
    const auto name = text(attr.first);
    const AttrValue& value = attr.second;
    if (const auto* i = std::get_if<std::int64_t>(&value))
      return plan::CreateAttr(builder_, name, plan::AttrKind::Integer, *i);
    if (const auto* r = std::get_if<double>(&value))
      return plan::CreateAttr(builder_, name, plan::AttrKind::Real, 0, *r);
    if (const auto* s = std::get_if<std::string>(&value)) {
      return plan::CreateAttr(builder_, name, plan::AttrKind::Text, 0, 0, text(*s));
    }
    if (const auto* is = std::get_if<std::vector<std::int64_t>>(&value)) {
      return plan::CreateAttr(builder_, name, plan::AttrKind::Integers, 0, 0, 0,
                              builder_.CreateVector(*is));
    }
    return plan::CreateAttr(builder_, name, plan::AttrKind::Reals, 0, 0, 0, 0,
                            builder_.CreateVector(std::get<std::vector<double>>(value)));
  }

  Offset<plan::Tensor> emit(const Value& value, const ValuePlan& where, const GraphPlan& plan) {
    std::vector<std::int64_t> dims;
    std::vector<std::int32_t> symbols;
    for (const Dim& dim : value.dims) {
      dims.push_back(dim.bound);
      symbols.push_back(dim.symbol);
    }
    std::size_t offset = 0;
    if (where.storage == plan::Storage::Constant) offset = constants_[where.index].offset;
    if (where.storage == plan::Storage::Arena) offset = plan.buffers[where.index].offset;
    return plan::CreateTensor(
        builder_, text(value.name), std::uint8_t(value.type),
        std::uint8_t(where.storage == plan::Storage::Constant ? where.packing.layout
                                                              : Layout::kPlain),
        where.storage, builder_.CreateVector(dims),
        value.dims.known() ? 0 : builder_.CreateVector(symbols), offset, where.bytes);
  }

  Offset<plan::Node> emit(const Node& node, const NodePlan& chosen, const GraphPlan& plan,
                          const std::vector<std::int32_t>& tensor_of) {
    const auto map_ids = [&](const std::vector<ValueId>& ids) {
      std::vector<std::int32_t> mapped;
      mapped.reserve(ids.size());
      for (const ValueId id : ids)
        mapped.push_back(id == kNoValue ? -1 : tensor_of[std::size_t(id)]);
      return builder_.CreateVector(mapped);
    };
    std::vector<Offset<plan::Attr>> attrs;
    for (const Attrs::Entry& attr : node.attrs.all()) attrs.push_back(emit(attr));
    std::vector<std::uint16_t> bodies;
    std::vector<std::uint64_t> body_offsets;
    for (const std::size_t body : chosen.bodies) bodies.push_back(std::uint16_t(body));
    for (const std::size_t buffer : chosen.body_buffers)
      body_offsets.push_back(plan.buffers[buffer].offset);
    const auto name = text(node.name);
    const auto inputs = map_ids(node.inputs), outputs = map_ids(node.outputs);
    const auto attr_vector = attrs.empty() ? 0 : builder_.CreateVector(attrs);
    const auto body_vector = bodies.empty() ? 0 : builder_.CreateVector(bodies);
    const auto offset_vector = bodies.empty() ? 0 : builder_.CreateVector(body_offsets);
    return plan::CreateNode(builder_, operator_index(node.op), name, inputs, outputs, attr_vector,
                            body_vector, offset_vector, plan.buffers[chosen.workspace].offset,
                            chosen.choice.workspace_bytes);
  }

  Offset<plan::Graph> emit(const Graph& graph, const GraphPlan& plan) {
    std::vector<std::int32_t> tensor_of(graph.values.size(), -1);
    std::vector<Offset<plan::Tensor>> tensors;
    for (std::size_t v = 0; v < graph.values.size(); ++v) {
      if (plan.values[v].storage == plan::Storage::None) continue;
      tensor_of[v] = std::int32_t(tensors.size());
      tensors.push_back(emit(graph.values[v], plan.values[v], plan));
    }
    std::vector<Offset<plan::Node>> nodes;
    for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
      nodes.push_back(emit(graph.nodes[n], plan.nodes[n], plan, tensor_of));
    }
    std::vector<std::int32_t> inputs, outputs;
    for (const ValueId id : graph.inputs) inputs.push_back(tensor_of[std::size_t(id)]);
    for (const ValueId id : graph.outputs) outputs.push_back(tensor_of[std::size_t(id)]);
    const auto name = text(graph.name);
    return plan::CreateGraph(builder_, name, builder_.CreateVector(tensors),
                             builder_.CreateVector(nodes), builder_.CreateVector(inputs),
                             builder_.CreateVector(outputs), plan.arena);
  }

  const CompileOptions& options_;
  const Graph* model_ = nullptr;  // the main graph, while writing
  flatbuffers::FlatBufferBuilder builder_{1 << 14};
  Constants constants_;
  std::vector<const ops::OpDef*> operators_;
  std::vector<Offset<plan::Graph>> graphs_;
  std::vector<std::size_t> arenas_;
};

}  // namespace

Result<CompiledPlan> write_plan(Graph graph, const CompileOptions& options) {
  return Writer(options).write(graph);
}

}  // namespace polder::compile
