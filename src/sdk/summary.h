// What a model consists of and will cost: numbers, JSON, and a page with its graph and memory.
#pragma once

#include <string>
#include <vector>

#include "runtime/session.h"

namespace polder {

struct NodeSummary {
  std::string name, op, kernel;
  std::string shape;  // of its first output, with bounds where free
  // Multiply-accumulates of one run at the bounds. Of an If: its larger branch. Of a Loop or Scan:
  // its body as often as the node says, and once where only the run decides.
  double macs = 0;
  std::vector<int> inputs, outputs;              // tensors; -1 for one left out
  std::vector<std::vector<NodeSummary>> bodies;  // the nodes within, counted for one run of them
};
// A tensor of the arena, or the arena of a body, and the nodes from which to which it is alive.
struct TensorSummary {
  std::string name;
  std::size_t offset = 0, bytes = 0;
  int first = 0, last = 0;
};
struct ModelSummary {
  std::string path;
  std::string target, isa;  // the least that it needs, and the kernels that run it
  bool runs_here = true;    // whether this machine has these
  std::vector<Port> inputs, outputs;
  std::vector<int> input_tensors, output_tensors;  // of the ports, as nodes number them
  // Of the graph and the bodies within, what several share counted once.
  double parameters = 0;  // elements of constants of floating point
  std::size_t constant_bytes = 0;
  std::size_t arena_bytes = 0;
  std::size_t arena_tensors = 0;
  double macs = 0;
  std::vector<NodeSummary> nodes;
  std::vector<TensorSummary> memory;
};

// The sum over the nodes.
double macs_of(const std::vector<NodeSummary>& nodes);
ModelSummary summarise(const Session& session, const std::string& path);
std::string summary_json(const ModelSummary& summary);
// A page that stands alone: the graph drawn beside its nodes, and the arena over time.
std::string summary_page(const ModelSummary& summary);

}  // namespace polder
