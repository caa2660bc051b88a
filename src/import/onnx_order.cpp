#include "import/onnx_order.h"

#include <functional>
#include <queue>
#include <string_view>

#include "import/onnx_model.h"

namespace polder {
namespace {

// Which node waits for which, in one graph.
struct Waiting {
  std::vector<std::vector<int>> readers;  // of each node's outputs
  std::vector<int> waits;                 // nodes that each node waits for
  int current = 0;                        // the node that is looked at, a body of it included

  explicit Waiting(int nodes) : readers(std::size_t(nodes)), waits(std::size_t(nodes), 0) {}
};

Result<std::vector<int>> order_of(const OnnxNodes& nodes, Waiting& waiting) {
  std::vector<int>& waits = waiting.waits;
  std::priority_queue<int, std::vector<int>, std::greater<>> ready;
  for (int n = 0; n < nodes.size(); ++n) {
    if (waits[std::size_t(n)] == 0) ready.push(n);
  }
  std::vector<int> order;
  while (!ready.empty()) {
    const int n = ready.top();
    ready.pop();
    order.push_back(n);
    for (const int reader : waiting.readers[std::size_t(n)]) {
      if (--waits[std::size_t(reader)] == 0) ready.push(reader);
    }
  }
  if (int(order.size()) == nodes.size()) return order;
  for (int n = 0; n < nodes.size(); ++n) {
    if (waits[std::size_t(n)] > 0) {
      return fail(Code::kCorrupt, "node '{}' ({}) is part of a cycle, or waits for one",
                  node_name(nodes[n]), clipped(nodes[n].op_type()));
    }
  }
  return order;
}

// One walk through a graph and the bodies in it. As in a compiler's table of symbols, each name
// leads to those who make it in the graphs around the present place, the innermost last.
class Walk {
 public:
  using Orders = std::unordered_map<const OnnxNodes*, Result<std::vector<int>>>;
  explicit Walk(Orders& orders) : orders_(orders) {}

  // `body`: the graph that has the nodes, when it is one; its own values hide those around it.
  // Nested as deep as protobuf reads a message: some thirty bodies.
  void visit(const OnnxNodes& nodes, const onnx::GraphProto* body) {
    std::vector<std::string_view> made;
    const int depth = int(around_.size());
    const auto make = [&](std::string_view name, int node) {
      if (name.empty()) return;
      std::vector<Maker>& makers = makers_[name];
      if (!makers.empty() && makers.back().depth == depth) return;
      makers.push_back({depth, node});
      made.push_back(name);
    };
    for (int n = 0; n < nodes.size(); ++n) {
      for (const std::string& name : nodes[n].output()) make(name, n);
    }
    if (body) {
      for (const auto& input : body->input()) make(input.name(), kNoNode);
      for (const auto& tensor : body->initializer()) make(tensor.name(), kNoNode);
      for (const auto& tensor : body->sparse_initializer()) make(tensor.values().name(), kNoNode);
    }
    around_.emplace_back(nodes.size());
    for (int n = 0; n < nodes.size(); ++n) {
      around_.back().current = n;
      for (const std::string& name : nodes[n].input()) read(name);
      for (const auto& attribute : nodes[n].attribute()) {
        if (attribute.has_g()) visit(attribute.g().node(), &attribute.g());
      }
    }
    // What a body returns may be a value of the graphs around; nobody in it waits for its own.
    if (body) {
      around_.back().current = kNoNode;
      for (const auto& output : body->output()) read(output.name());
    }
    Waiting waiting = std::move(around_.back());
    around_.pop_back();
    for (const std::string_view name : made) makers_[name].pop_back();
    orders_.emplace(&nodes, order_of(nodes, waiting));
  }

 private:
  static constexpr int kNoNode = -1;
  struct Maker {
    int depth;
    int node;
  };

  // The node that is looked at in the maker's graph waits for the maker.
  void read(const std::string& name) {
    const auto found = makers_.find(name);
    if (found == makers_.end() || found->second.empty()) return;
    const Maker maker = found->second.back();
    Waiting& graph = around_[std::size_t(maker.depth)];
    if (maker.node == kNoNode || graph.current == kNoNode) return;
    graph.readers[std::size_t(maker.node)].push_back(graph.current);
    ++graph.waits[std::size_t(graph.current)];
  }

  Orders& orders_;
  std::unordered_map<std::string_view, std::vector<Maker>> makers_;
  std::vector<Waiting> around_;  // the graphs around the present place, and its own
};

}  // namespace

std::string node_name(const onnx::NodeProto& node) {
  if (!node.name().empty()) return clipped(node.name());
  for (const std::string& output : node.output()) {
    if (!output.empty()) return clipped(output);
  }
  return "";
}

const Result<std::vector<int>>& OnnxOrder::of(const OnnxNodes& nodes) {
  if (!orders_.contains(&nodes)) Walk(orders_).visit(nodes, nullptr);
  return orders_.at(&nodes);
}

}  // namespace polder
