// What passes share: looking around in a graph while changing it.
#pragma once

#include <vector>

#include "graph/graph.h"
#include "ops/infer.h"
#include "ops/tools.h"

namespace polder::compile {

// Producers and readers of values, kept while a pass changes nodes; each change costs what the node
// is large. Nodes are not erased but emptied (op cleared); finish() removes them, restores the
// topological order and drops what nobody reads.
class Rewriter {
 public:
  explicit Rewriter(Graph& graph);

  Graph& graph;
  // The node that makes `id`, or nullptr for inputs and constants.
  Node* producer(ValueId id);
  // Its index, or -1.
  int producer_index(ValueId id) const;
  bool is_output(ValueId id) const;
  // Whether one node input reads `id` and nothing else does, no graph output either.
  bool read_once(ValueId id) { return sole_reader(id) != nullptr; }
  // The node that makes `id` if it is an `op` whose only reader is one node, else nullptr.
  Node* sole_producer(ValueId id, std::string_view op);
  // The only node that reads `id`, or nullptr (also when a graph output reads it).
  Node* sole_reader(ValueId id);

  // Every reader of `from` reads `to` instead, graph outputs too. Costs what `from` has readers,
  // however large these are.
  void replace(ValueId from, ValueId to);
  void remove(Node& node) { node = Node(); }
  // Adds a node after all others (finish() orders them), infers it and returns its new output.
  Result<ValueId> add(std::string_view op, std::vector<ValueId> inputs, Attrs attrs,
                      std::string_view name);
  // Tells the bookkeeping that a node was added, or its inputs or outputs changed, by hand.
  void changed(const Node& node);
  Status finish();

 private:
  void refresh();

  // Input `input` of node `node`.
  struct Reader {
    int node;
    int input;
    bool operator==(const Reader&) const = default;
  };
  bool reads(const Reader& reader, ValueId id) const;

  // Entries may be out of date; what is asked for is held to the nodes.
  std::vector<int> producer_;
  std::vector<std::vector<Reader>> readers_;
  std::vector<bool> is_output_;
};

// Elements of a constant f32 value; empty when it is none.
std::span<const float> floats(const Value& value);
// The only element of a constant of any float type; false otherwise.
bool scalar(const Value& value, double& out);

}  // namespace polder::compile
