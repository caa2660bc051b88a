// What passes share: looking around in a graph while changing it.
#include "compile/rewrite.h"

#include <algorithm>

namespace polder::compile {

Rewriter::Rewriter(Graph& g) : graph(g) { refresh(); }

void Rewriter::refresh() {
  producer_.assign(graph.values.size(), -1);
  uses_.assign(graph.values.size(), 0);
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    for (const ValueId id : graph.nodes[n].outputs) {
      if (id != kNoValue) producer_[std::size_t(id)] = int(n);
    }
    for (const ValueId id : graph.nodes[n].inputs) {
      if (id != kNoValue) ++uses_[std::size_t(id)];
    }
  }
  for (const ValueId id : graph.outputs) ++uses_[std::size_t(id)];
}

Node* Rewriter::producer(ValueId id) {
  if (id == kNoValue) return nullptr;
  const int index = producer_[std::size_t(id)];
  return index < 0 ? nullptr : &graph.nodes[std::size_t(index)];
}

Node* Rewriter::sole_producer(ValueId id, std::string_view op) {
  Node* node = producer(id);
  return node && node->op == op && uses(id) == 1 &&
                 std::ranges::find(graph.outputs, id) == graph.outputs.end()
             ? node
             : nullptr;
}

Node* Rewriter::sole_reader(ValueId id) {
  if (uses(id) != 1 || std::ranges::find(graph.outputs, id) != graph.outputs.end()) return nullptr;
  for (Node& node : graph.nodes) {
    if (std::ranges::find(node.inputs, id) != node.inputs.end()) return &node;
  }
  return nullptr;
}

void Rewriter::replace(ValueId from, ValueId to) {
  for (Node& node : graph.nodes) std::ranges::replace(node.inputs, from, to);
  std::ranges::replace(graph.outputs, from, to);
  uses_[std::size_t(to)] += uses_[std::size_t(from)];
  uses_[std::size_t(from)] = 0;
}

void Rewriter::remove(Node& node) {
  for (const ValueId id : node.inputs) {
    if (id != kNoValue) --uses_[std::size_t(id)];
  }
  for (const ValueId id : node.outputs) {
    if (id != kNoValue) producer_[std::size_t(id)] = -1;
  }
  node = Node();
}

Result<ValueId> Rewriter::add(std::string_view op, std::vector<ValueId> inputs, Attrs attrs,
                              std::string_view name) {
  const ValueId out = graph.add_value(fmt::format("{}:{}{}", name, op, graph.values.size()));
  Node node;
  node.op = op;
  node.name = name;
  node.attrs = std::move(attrs);
  node.inputs = std::move(inputs);
  node.outputs = {out};
  graph.nodes.push_back(std::move(node));
  TRY(ops::infer_node(graph, graph.nodes.size() - 1));
  producer_.resize(graph.values.size(), -1);
  uses_.resize(graph.values.size(), 0);
  producer_[std::size_t(out)] = int(graph.nodes.size() - 1);
  for (const ValueId id : graph.nodes.back().inputs) {
    if (id != kNoValue) ++uses_[std::size_t(id)];
  }
  return out;
}

Status Rewriter::finish() {
  std::erase_if(graph.nodes, [](const Node& node) { return node.op.empty(); });
  // Kahn's algorithm, stable: among nodes that are ready, the first in the list goes first.
  refresh();
  const std::size_t count = graph.nodes.size();
  std::vector<int> missing(count, 0);
  std::vector<std::vector<int>> readers(count);
  for (std::size_t n = 0; n < count; ++n) {
    for (const ValueId id : graph.nodes[n].inputs) {
      if (id == kNoValue || producer_[std::size_t(id)] < 0) continue;
      readers[std::size_t(producer_[std::size_t(id)])].push_back(int(n));
      ++missing[n];
    }
  }
  std::vector<int> ready, order;
  const auto later = std::greater<int>();
  for (std::size_t n = 0; n < count; ++n) {
    if (!missing[n]) ready.push_back(int(n));
  }
  std::ranges::make_heap(ready, later);
  while (!ready.empty()) {
    std::ranges::pop_heap(ready, later);
    const int n = ready.back();
    ready.pop_back();
    order.push_back(n);
    for (const int reader : readers[std::size_t(n)]) {
      if (--missing[std::size_t(reader)] > 0) continue;
      ready.push_back(reader);
      std::ranges::push_heap(ready, later);
    }
  }
  if (order.size() != count) return fail(Code::kCorrupt, "the graph has a cycle");
  std::vector<Node> sorted;
  sorted.reserve(count);
  for (const int n : order) sorted.push_back(std::move(graph.nodes[std::size_t(n)]));
  graph.nodes = std::move(sorted);
  graph.prune();
  refresh();
  return {};
}

std::span<const float> floats(const Value& value) {
  if (!value.is_constant() || value.type != DataType::kF32 || value.layout != Layout::kPlain)
    return {};
  return {reinterpret_cast<const float*>(value.data.view.data()),
          value.data.view.size() / sizeof(float)};
}

bool scalar(const Value& value, double& out) {
  const auto elements = floats(value);
  if (elements.size() != 1) return false;
  out = double(elements[0]);
  return true;
}

}  // namespace polder::compile
