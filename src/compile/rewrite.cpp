// What passes share: looking around in a graph while changing it.
#include "compile/rewrite.h"

#include <algorithm>

namespace polder::compile {

Rewriter::Rewriter(Graph& g) : graph(g) { refresh(); }

void Rewriter::refresh() {
  producer_.assign(graph.values.size(), -1);
  readers_.assign(graph.values.size(), {});
  is_output_.assign(graph.values.size(), false);
  for (const Node& node : graph.nodes) changed(node);
  for (const ValueId id : graph.outputs) is_output_[std::size_t(id)] = true;
}

void Rewriter::changed(const Node& node) {
  producer_.resize(graph.values.size(), -1);
  readers_.resize(graph.values.size());
  is_output_.resize(graph.values.size(), false);
  const int index = int(&node - graph.nodes.data());
  for (const ValueId id : node.outputs) {
    if (id != kNoValue) producer_[std::size_t(id)] = index;
  }
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    if (node.inputs[i] == kNoValue) continue;
    std::vector<Reader>& readers = readers_[std::size_t(node.inputs[i])];
    const Reader reader{index, int(i)};
    if (readers.empty() || readers.back() != reader) readers.push_back(reader);
  }
}

bool Rewriter::reads(const Reader& reader, ValueId id) const {
  const auto& inputs = graph.nodes[std::size_t(reader.node)].inputs;
  return std::size_t(reader.input) < inputs.size() && inputs[std::size_t(reader.input)] == id;
}

int Rewriter::producer_index(ValueId id) const {
  if (id == kNoValue || std::size_t(id) >= producer_.size()) return -1;
  const int index = producer_[std::size_t(id)];
  if (index < 0) return -1;
  const auto& outputs = graph.nodes[std::size_t(index)].outputs;
  return std::ranges::find(outputs, id) == outputs.end() ? -1 : index;
}

Node* Rewriter::producer(ValueId id) {
  const int index = producer_index(id);
  return index < 0 ? nullptr : &graph.nodes[std::size_t(index)];
}

bool Rewriter::is_output(ValueId id) const {
  return std::size_t(id) < is_output_.size() && is_output_[std::size_t(id)];
}

Node* Rewriter::sole_producer(ValueId id, std::string_view op) {
  Node* node = producer(id);
  return node && node->op == op && read_once(id) ? node : nullptr;
}

Node* Rewriter::sole_reader(ValueId id) {
  if (id == kNoValue || is_output(id) || std::size_t(id) >= readers_.size()) return nullptr;
  std::vector<Reader>& readers = readers_[std::size_t(id)];
  for (std::size_t i = 0; i < readers.size();) {
    if (reads(readers[i], id) && (i == 0 || readers[i] != readers[0])) {
      if (i > 0) return nullptr;
      ++i;
      continue;
    }
    readers[i] = readers.back();  // out of date, or known: looked at once only
    readers.pop_back();
  }
  return readers.empty() ? nullptr : &graph.nodes[std::size_t(readers[0].node)];
}

void Rewriter::replace(ValueId from, ValueId to) {
  const std::vector<Reader> readers = std::move(readers_[std::size_t(from)]);
  readers_[std::size_t(from)].clear();
  for (const Reader& reader : readers) {
    if (!reads(reader, from)) continue;
    graph.nodes[std::size_t(reader.node)].inputs[std::size_t(reader.input)] = to;
    readers_[std::size_t(to)].push_back(reader);
  }
  if (!is_output(from)) return;
  std::ranges::replace(graph.outputs, from, to);
  is_output_[std::size_t(from)] = false;
  is_output_[std::size_t(to)] = true;
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
  changed(graph.nodes.back());
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
      const int made_by = producer_index(id);
      if (made_by < 0) continue;
      readers[std::size_t(made_by)].push_back(int(n));
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
