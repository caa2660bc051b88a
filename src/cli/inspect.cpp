// polder inspect: what a model consists of and what it will cost.
#include <cstdio>
#include <map>
#include <string>

#include "base/fail.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/model_options.h"
#include "cli/output_file.h"
#include "sdk/summary.h"

namespace polder::cli {

namespace {

constexpr Option kOptions[] = {
    {"--html", "FILE", "draws the graph and the memory over time on a page"},
    {"--nodes", "", "lists every node, too"},
    POLDER_MODEL_OPTIONS,
    {"--json", "", "prints everything as JSON"}};

void print_ports(const char* title, std::span<const Port> ports) {
  for (const Port& port : ports) {
    fmt::print("{:<9} {} {} {}\n", title, one_line(port.name), type_name(port.type),
               port.extents_text());
  }
}

struct OperatorRow {
  int nodes = 0;
  double macs = 0;
};
using OperatorRows = std::map<std::string, OperatorRow>;

// Adds the nodes to `rows`, and all that run inside them to `within`.
void add_rows(const std::vector<NodeSummary>& nodes, OperatorRows& rows, OperatorRows& within) {
  for (const NodeSummary& node : nodes) {
    OperatorRow& row = rows[node.op];
    row.nodes += 1;
    row.macs += node.macs;
    for (const auto& body : node.bodies) add_rows(body, within, within);
  }
}

void print_rows(const char* title, const OperatorRows& rows) {
  fmt::print("\n{:<24} {:>6} {:>12}\n", title, "nodes", "MMACs");
  for (const auto& [op, row] : rows)
    fmt::print("{:<24} {:>6} {:>12.2f}\n", op, row.nodes, row.macs / 1e6);
}

// "3.0.1": node 1 of body 0 of node 3.
void print_nodes(const std::vector<NodeSummary>& nodes, const std::string& place) {
  for (std::size_t n = 0; n < nodes.size(); ++n) {
    const NodeSummary& node = nodes[n];
    fmt::print("{:>8} {:<18} {:<12} {:<22} {:>10.2f}  {}\n", fmt::format("{}{}", place, n), node.op,
               node.kernel, node.shape, node.macs / 1e6, one_line(node.name));
    for (std::size_t b = 0; b < node.bodies.size(); ++b)
      print_nodes(node.bodies[b], fmt::format("{}{}.{}.", place, n, b));
  }
}

void print_text(const ModelSummary& summary, bool nodes) {
  print_ports("input", summary.inputs);
  print_ports("output", summary.outputs);
  fmt::print("{:<9} {}\n", "target", summary.target);
  fmt::print("{:<9} {}{}\n", "runs with", summary.isa,
             summary.runs_here ? "" : ", not on this machine");
  fmt::print("{:<9} {:.3f} M in {}\n", "params", summary.parameters / 1e6,
             bytes_text(summary.constant_bytes));
  fmt::print("{:<9} {:.2f} M multiply-accumulates\n", "work", summary.macs / 1e6);
  fmt::print("{:<9} {} arena, {} tensors\n", "memory", bytes_text(summary.arena_bytes),
             summary.arena_tensors);
  OperatorRows rows, within;
  add_rows(summary.nodes, rows, within);
  print_rows("operator", rows);
  if (!within.empty()) print_rows("inside, one run of each", within);
  if (!nodes) return;
  fmt::print("\n{:>8} {:<18} {:<12} {:<22} {:>10}  {}\n", "", "operator", "kernel", "output",
             "MMACs", "name");
  print_nodes(summary.nodes, "");
}

void print_values(const char* title, const Graph& graph, std::span<const ValueId> ids) {
  for (const ValueId id : ids) {
    const Value& value = graph[id];
    fmt::print("{:<9} {} {} {}\n", title, one_line(value.name), type_name(value.type),
               value.dims.text());
  }
}

void add_operators(const Graph& graph, std::map<std::string, int>& counts) {
  for (const Node& node : graph.nodes) {
    ++counts[node.op];
    for (const Graph& body : node.bodies) add_operators(body, counts);
  }
}

// What can be said of a model that does not compile as it is: most often, free dimensions are left.
void print_imported(const Graph& graph) {
  print_values("input", graph, graph.inputs);
  print_values("output", graph, graph.outputs);
  std::map<std::string, int> counts;
  add_operators(graph, counts);
  fmt::print("\n{:<24} {:>6}\n", "operator, as imported", "nodes");
  for (const auto& [op, count] : counts) fmt::print("{:<24} {:>6}\n", op, count);
  std::fflush(stdout);  // the error comes after it
}

Result<int> run(const Args& args) {
  TRY_VALUE(const ModelOptions options, model_options(args));
  const std::string& path = args.positional()[0];
  auto opened = look_into(path, options.open);
  if (!opened) {
    const auto graph = import_model(path, options.open);
    if (graph && !args.has("--json")) print_imported(*graph);
    return std::move(opened).error();
  }
  const auto session = std::move(*opened);
  const ModelSummary summary = summarise(*session, path);
  if (args.has("--html")) TRY(write_output(args, "--html", summary_page(summary)));
  if (args.has("--json")) fmt::print("{}\n", summary_json(summary));
  else print_text(summary, args.has("--nodes"));
  return 0;
}

}  // namespace

const Command kInspect = {
    .name = "inspect",
    .summary =
        "Shows a model's operators, shapes, parameters, work and memory plan. Work is counted at "
        "the\nbounds of free dimensions; an If counts as its larger branch, a Scan as its body's "
        "runs, a Loop\nalso, where the model says how many: else as one. Of a model whose sizes "
        "are open it shows inputs,\n"
        "outputs and operators, and how to fix the sizes.",
    .arguments = "MODEL",
    .example =
        "  polder inspect models/ssd_mobilenet_v2.tflite --nodes\n"
        "  polder inspect model.onnx --html model.html",
    .options = kOptions,
    .min_positional = 1,
    .max_positional = 1,
    .run = run};

}  // namespace polder::cli
