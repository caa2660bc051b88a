// What a model consists of and will cost.
#include "sdk/summary.h"

#include <algorithm>
#include <cstring>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "ops/tools.h"
#include "plan_generated.h"
#include "runtime/graph_runner.h"

namespace polder {

namespace {

using Json = nlohmann::ordered_json;

Json ports_json(const std::vector<Port>& ports, const std::vector<int>& tensors) {
  Json list = Json::array();
  for (std::size_t i = 0; i < ports.size(); ++i) {
    const Port& port = ports[i];
    list.push_back({{"name", port.name},
                    {"tensor", tensors[i]},
                    {"type", type_name(port.type)},
                    {"shape", std::vector<std::int64_t>(port.shape.begin(), port.shape.end())},
                    {"bounds", std::vector<std::int64_t>(port.bounds.begin(), port.bounds.end())}});
  }
  return list;
}

// Walks the graph and the bodies within.
class Summariser {
 public:
  explicit Summariser(ModelSummary& summary) : summary_(summary) {}

  std::vector<NodeSummary> nodes_of(const GraphRunner& graph) {
    add_constants(graph);
    std::vector<NodeSummary> nodes;
    for (std::size_t n = 0; n < graph.nodes().size(); ++n) nodes.push_back(node_of(graph, int(n)));
    return nodes;
  }

 private:
  void add_constants(const GraphRunner& graph) {
    for (const GraphRunner::Tensor& tensor : graph.tensors()) {
      if (!tensor.constant || !seen_.insert({tensor.constant, tensor.bytes}).second) continue;
      summary_.constant_bytes += tensor.bytes;
      if (tensor.type == DataType::kF32)
        summary_.parameters += double(tensor.dims.bounds().elements());
    }
  }

  NodeSummary node_of(const GraphRunner& graph, int index) {
    const GraphRunner::Node& node = graph.nodes()[std::size_t(index)];
    NodeSummary row{.name = std::string(node.name),
                    .op = std::string(node.def->name),
                    .kernel = std::string(node.choice.name),
                    .inputs = node.inputs,
                    .outputs = node.outputs};
    if (!node.outputs.empty() && node.outputs[0] >= 0)
      row.shape = graph.tensors()[std::size_t(node.outputs[0])].dims.bounds().text();
    const ops::OpTools* tools = ops::find_tools(node.def->name);
    if (tools && tools->macs) row.macs = graph.count(index, tools->macs);
    double most = 0;
    for (const auto& body : node.bodies) {
      row.bodies.push_back(nodes_of(*body));
      most = std::max(most, macs_of(row.bodies.back()));
    }
    if (most > 0) row.macs += most * runs_of(graph, node);
    return row;
  }

  // How often a run of the node runs its body; 1 where the model does not say.
  static double runs_of(const GraphRunner& graph, const GraphRunner::Node& node) {
    constexpr std::int64_t kMostRuns = std::int64_t(1) << 31;  // more is written for "no limit"
    std::int64_t runs = 1;
    if (node.def->name == "Loop" && node.inputs[0] >= 0) {
      const GraphRunner::Tensor& count = graph.tensors()[std::size_t(node.inputs[0])];
      if (count.constant && count.bytes >= sizeof runs)
        std::memcpy(&runs, count.constant, sizeof runs);
    } else if (node.def->name == "Scan") {
      // What is scanned has one axis more than what the body takes: the first.
      const GraphRunner& body = *node.bodies[0];
      for (std::size_t i = 0; i < body.inputs().size(); ++i) {
        const Dims& outside = graph.tensors()[std::size_t(node.inputs[i])].dims;
        if (outside.rank() > body.tensors()[std::size_t(body.inputs()[i])].dims.rank())
          runs = outside[0].bound;
      }
    }
    return runs >= 0 && runs < kMostRuns ? double(runs) : 1;
  }

  ModelSummary& summary_;
  std::set<std::pair<const std::byte*, std::size_t>> seen_;
};

void add_memory(const GraphRunner& graph, ModelSummary& summary) {
  const auto tensors = graph.tensors();
  std::vector<int> first(tensors.size(), 0), last(tensors.size(), 0);
  for (std::size_t n = 0; n < graph.nodes().size(); ++n) {
    const GraphRunner::Node& node = graph.nodes()[n];
    for (const int id : node.outputs) {
      if (id >= 0) first[std::size_t(id)] = last[std::size_t(id)] = int(n);
    }
    for (const int id : node.inputs) {
      if (id >= 0) last[std::size_t(id)] = int(n);
    }
    for (std::size_t i = 0; i < node.bodies.size(); ++i) {
      if (node.bodies[i]->arena_bytes() == 0) continue;
      summary.memory.push_back({fmt::format("body {} of {}", i, node.name), node.body_offsets[i],
                                node.bodies[i]->arena_bytes(), int(n), int(n)});
    }
  }
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i].storage != std::uint8_t(plan::Storage::Arena)) continue;
    ++summary.arena_tensors;
    summary.memory.push_back(
        {std::string(tensors[i].name), tensors[i].offset, tensors[i].bytes, first[i], last[i]});
  }
}

Json nodes_json(const std::vector<NodeSummary>& nodes) {
  Json list = Json::array();
  for (const NodeSummary& node : nodes) {
    Json object = {{"name", node.name},      {"op", node.op},     {"kernel", node.kernel},
                   {"shape", node.shape},    {"macs", node.macs}, {"inputs", node.inputs},
                   {"outputs", node.outputs}};
    if (!node.bodies.empty()) {
      Json& bodies = object["bodies"] = Json::array();
      for (const auto& body : node.bodies) bodies.push_back(nodes_json(body));
    }
    list.push_back(std::move(object));
  }
  return list;
}

}  // namespace

double macs_of(const std::vector<NodeSummary>& nodes) {
  double sum = 0;
  for (const NodeSummary& node : nodes) sum += node.macs;
  return sum;
}

ModelSummary summarise(const Session& session, const std::string& path) {
  ModelSummary summary;
  summary.path = path;
  summary.target = kernel::isa_name(session.target());
  summary.isa = kernel::isa_name(session.isa());
  summary.runs_here = kernel::machine_runs(session.isa());
  summary.inputs.assign(session.inputs().begin(), session.inputs().end());
  summary.outputs.assign(session.outputs().begin(), session.outputs().end());
  summary.input_tensors.assign(session.graph().inputs().begin(), session.graph().inputs().end());
  summary.output_tensors.assign(session.graph().outputs().begin(), session.graph().outputs().end());
  summary.arena_bytes = session.arena_bytes();
  summary.nodes = Summariser(summary).nodes_of(session.graph());
  summary.macs = macs_of(summary.nodes);
  add_memory(session.graph(), summary);
  return summary;
}

std::string summary_json(const ModelSummary& summary) {
  Json memory = Json::array();
  for (const TensorSummary& tensor : summary.memory) {
    memory.push_back({{"name", tensor.name},
                      {"offset", tensor.offset},
                      {"bytes", tensor.bytes},
                      {"first_node", tensor.first},
                      {"last_node", tensor.last}});
  }
  const Json object = {{"model", summary.path},
                       {"target", summary.target},
                       {"isa", summary.isa},
                       {"runs_here", summary.runs_here},
                       {"inputs", ports_json(summary.inputs, summary.input_tensors)},
                       {"outputs", ports_json(summary.outputs, summary.output_tensors)},
                       {"parameters", summary.parameters},
                       {"constant_bytes", summary.constant_bytes},
                       {"arena_bytes", summary.arena_bytes},
                       {"macs", summary.macs},
                       {"nodes", nodes_json(summary.nodes)},
                       {"memory", std::move(memory)}};
  // ASCII: a terminal obeys some characters beyond it.
  return object.dump(2, ' ', true, Json::error_handler_t::replace);
}

}  // namespace polder
