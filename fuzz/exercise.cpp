#include "exercise.h"

#include <sanitizer/asan_interface.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>

#include "ops/tools.h"
#include "plan_generated.h"
#include "runtime/graph_runner.h"
#include "sdk/summary.h"

namespace polder::fuzz {

namespace {

constexpr std::int64_t kMaxElementsHere = 1 << 14;
constexpr std::size_t kMaxNodesHere = 100;
constexpr std::uint64_t kMaxArenaBytesHere = 4 << 20;
constexpr std::int64_t kMaxIterationsHere = 16;
constexpr double kMaxMacsHere = 2e7;

bool is_long_loop(const Graph& graph, const Node& node) {
  if (node.op != "Loop") return false;
  if (node.inputs.empty() || node.inputs[0] == kNoValue) return true;
  const Value& count = graph[node.inputs[0]];
  if (!count.is_constant() || count.data.view.size() != sizeof(std::int64_t)) return true;
  std::int64_t iterations = 0;
  std::memcpy(&iterations, count.data.view.data(), sizeof iterations);
  return iterations > kMaxIterationsHere;
}

bool is_long_loop(const Plan& plan, const plan::Graph& graph, const plan::Node& node) {
  const auto& operators = *plan.program().operators();
  if (node.op() >= operators.size() || operators[node.op()]->name()->str() != "Loop") return false;
  if (!node.inputs() || node.inputs()->size() == 0) return true;
  const int id = node.inputs()->Get(0);
  if (id < 0 || unsigned(id) >= graph.tensors()->size()) return true;
  const plan::Tensor& count = *graph.tensors()->Get(unsigned(id));
  std::int64_t iterations = 0;
  if (count.storage() != plan::Storage::Constant || plan.constants().size() < sizeof iterations ||
      count.offset() > plan.constants().size() - sizeof iterations) {
    return true;
  }
  std::memcpy(&iterations, plan.constants().data() + count.offset(), sizeof iterations);
  return iterations > kMaxIterationsHere;
}

// One tensor's bytes as an input: of exactly its size, so that reading beyond it is caught.
class Input {
 public:
  Input(const Port& port, bool halved, std::uint32_t seed) {
    view_.type = port.type;
    view_.shape = port.bounds;
    for (int axis = 0; axis < view_.shape.rank(); ++axis) {
      if (halved && port.shape[axis] < 0) view_.shape[axis] /= 2;
    }
    const std::size_t bytes = view_.bytes();
    memory_ = std::make_unique<std::byte[]>(bytes);
    for (std::size_t i = 0; i < bytes; ++i) {
      seed = seed * 1664525 + 1013904223;
      // Mostly what is a small number in some type.
      memory_[i] = std::byte(seed >> 30 ? 0 : seed >> 24);
    }
    if (port.type == DataType::kBool) {
      for (std::size_t i = 0; i < bytes; ++i) memory_[i] &= std::byte(1);
    }
    view_.data = memory_.get();
  }
  const TensorView& view() const { return view_; }

 private:
  std::unique_ptr<std::byte[]> memory_;
  TensorView view_;
};

// Leaves to each node only the memory that is its own.
class Fence final : public RunObserver {
 public:
  Fence(const plan::Graph& graph, const Plan& plan, std::byte* arena)
      : graph_(graph), plan_(plan), arena_(arena) {}
  ~Fence() override { open(0, graph_.arena_bytes()); }

  void before(int index) override {
    ASAN_POISON_MEMORY_REGION(arena_, graph_.arena_bytes());
    const plan::Node& node = *graph_.nodes()->Get(unsigned(index));
    for (const auto* ids : {node.inputs(), node.outputs()}) {
      for (unsigned i = 0; ids && i < ids->size(); ++i) {
        if (ids->Get(i) < 0) continue;
        const plan::Tensor& tensor = *graph_.tensors()->Get(unsigned(ids->Get(i)));
        if (tensor.storage() == plan::Storage::Arena) open(tensor.offset(), tensor.bytes());
      }
    }
    open(node.workspace_offset(), node.workspace_bytes());
    for (unsigned i = 0; node.bodies() && i < node.bodies()->size(); ++i) {
      const plan::Graph& body = *plan_.program().graphs()->Get(node.bodies()->Get(i));
      open(node.body_offsets()->Get(i), body.arena_bytes());
    }
  }
  void after(int) override { open(0, graph_.arena_bytes()); }

 private:
  void open(std::uint64_t offset, std::uint64_t bytes) {
    ASAN_UNPOISON_MEMORY_REGION(arena_ + offset, bytes);
  }
  const plan::Graph& graph_;
  const Plan& plan_;
  std::byte* arena_;
};

// Where the arena is, by an output that lies in it.
std::byte* arena_of(const Session& session, const plan::Graph& graph) {
  for (unsigned i = 0; i < graph.outputs()->size(); ++i) {
    const plan::Tensor& tensor = *graph.tensors()->Get(unsigned(graph.outputs()->Get(i)));
    if (tensor.storage() != plan::Storage::Arena) continue;
    return static_cast<std::byte*>(session.output(int(i)).data) - tensor.offset();
  }
  return nullptr;
}

// Of the main graph, at its bounds.
double macs_of(const Session& session) {
  double macs = 0;
  const auto nodes = session.nodes();
  for (std::size_t n = 0; n < nodes.size(); ++n) {
    if (const auto count = ops::find_tools(nodes[n].op)->macs)
      macs += session.graph().count(int(n), count);
  }
  return macs;
}

void read_outputs(const Session& session) {
  volatile unsigned sum = 0;
  for (std::size_t i = 0; i < session.outputs().size(); ++i) {
    const TensorView out = session.output(int(i));
    for (std::size_t k = 0; k < out.bytes(); ++k) sum = sum + out.as<std::uint8_t>()[k];
  }
}

}  // namespace

bool is_small(const Graph& graph) {
  if (graph.nodes.size() > kMaxNodesHere) return false;
  for (const Value& value : graph.values) {
    if (value.dims.max_elements() > kMaxElementsHere) return false;
  }
  for (const Node& node : graph.nodes) {
    if (is_long_loop(graph, node)) return false;
    for (const Graph& body : node.bodies) {
      if (!is_small(body)) return false;
    }
  }
  return true;
}

bool is_small(const Plan& plan) {
  std::size_t nodes = 0;
  for (const plan::Graph* graph : *plan.program().graphs()) {
    nodes += graph->nodes()->size();
    if (nodes > kMaxNodesHere || graph->arena_bytes() > kMaxArenaBytesHere) return false;
    for (const plan::Tensor* tensor : *graph->tensors()) {
      std::int64_t elements = 1;
      for (unsigned axis = 0; tensor->dims() && axis < tensor->dims()->size(); ++axis) {
        const std::int64_t dim = tensor->dims()->Get(axis);
        if (__builtin_mul_overflow(elements, dim, &elements) || elements > kMaxElementsHere)
          return false;
      }
    }
    for (const plan::Node* node : *graph->nodes()) {
      if (is_long_loop(plan, *graph, *node)) return false;
    }
  }
  return true;
}

Bytes exact_copy(std::span<const std::byte> bytes) {
  const std::size_t room = (bytes.size() / kPlanAlignment + 1) * kPlanAlignment;
  auto* memory = static_cast<std::byte*>(std::aligned_alloc(kPlanAlignment, room));
  if (!bytes.empty()) std::memcpy(memory, bytes.data(), bytes.size());
  ASAN_POISON_MEMORY_REGION(memory + bytes.size(), room - bytes.size());
  Bytes copy;
  copy.owner = std::shared_ptr<std::byte>(memory, std::free);
  copy.view = {memory, bytes.size()};
  return copy;
}

void open_and_run(Plan plan, std::uint32_t seed) {
  const Plan kept = plan;
  SessionOptions options;  // a plan for the plainest kernels runs these
  if (plan.program().target() == std::uint8_t(kernel::Isa::kGeneric))
    options.isa = kernel::Isa::kGeneric;
  const auto opened = Session::open(std::move(plan), options);
  if (!opened.ok()) return;
  Session& session = **opened;
  const ModelSummary summary = summarise(session, "model");
  (void)summary_json(summary);
  (void)summary_page(summary);
  if (macs_of(session) > kMaxMacsHere) return;
  const plan::Graph& graph = *kept.program().graphs()->Get(0);
  for (const bool halved : {false, true}) {
    std::vector<Input> inputs;
    std::vector<TensorView> views;
    for (const Port& port : session.inputs()) {
      inputs.emplace_back(port, halved, seed++);
      views.push_back(inputs.back().view());
    }
    if (!session.run(views).ok()) return;  // only then results have a place
    std::optional<Fence> fence;
    if (std::byte* arena = arena_of(session, graph))
      session.observe(&fence.emplace(graph, kept, arena));
    const Status status = session.run(views);
    session.observe(nullptr);
    fence.reset();
    if (!status.ok()) return;
    read_outputs(session);
  }
}

}  // namespace polder::fuzz
