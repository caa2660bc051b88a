// polder inspect: what a model consists of and what it will cost.
#include <cstdio>
#include <map>

#include <nlohmann/json.hpp>

#include "base/fail.h"
#include "cli/commands.h"
#include "cli/model_options.h"
#include "platform/file.h"
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
    std::printf("%-9s %s %s %s\n", title, port.name.c_str(),
                std::string(type_name(port.type)).c_str(), port.shape.text().c_str());
  }
}

void print_text(const ModelSummary& summary, bool nodes) {
  print_ports("input", summary.inputs);
  print_ports("output", summary.outputs);
  std::printf("%-9s %s\n", "target", summary.isa.c_str());
  std::printf("%-9s %.3f M in %.1f kB\n", "params", summary.parameters / 1e6,
              double(summary.constant_bytes) / 1e3);
  std::printf("%-9s %.2f M multiply-accumulates\n", "work", summary.macs / 1e6);
  std::printf("%-9s %.1f kB arena, %zu tensors\n\n", "memory", double(summary.arena_bytes) / 1e3,
              summary.arena_tensors);
  std::printf("%-20s %6s %12s\n", "operator", "nodes", "MMACs");
  std::map<std::string, std::pair<int, double>> by_op;
  for (const NodeSummary& node : summary.nodes) {
    ++by_op[node.op].first;
    by_op[node.op].second += node.macs;
  }
  for (const auto& [op, row] : by_op)
    std::printf("%-20s %6d %12.2f\n", op.c_str(), row.first, row.second / 1e6);
  if (!nodes) return;
  std::printf("\n%4s %-18s %-12s %-22s %10s  %s\n", "", "operator", "kernel", "output", "MMACs",
              "name");
  int index = 0;
  for (const NodeSummary& node : summary.nodes) {
    std::printf("%4d %-18s %-12s %-22s %10.2f  %s\n", index++, node.op.c_str(), node.kernel.c_str(),
                node.shape.c_str(), node.macs / 1e6, node.name.c_str());
  }
}

Result<int> run(const Args& args) {
  TRY_VALUE(const ModelOptions options, model_options(args));
  const std::string& path = args.positional()[0];
  TRY_VALUE(const auto session, open_session(path, options.open));
  const ModelSummary summary = summarise(*session, path);
  if (args.has("--html")) TRY(write_file_atomic(args.text("--html"), summary_page(summary)));
  if (args.has("--json")) std::printf("%s\n", summary_json(summary).c_str());
  else print_text(summary, args.has("--nodes"));
  return 0;
}

}  // namespace

const Command kInspect = {
    .name = "inspect",
    .summary = "Shows a model's operators, shapes, parameters, work and memory plan.",
    .arguments = "MODEL",
    .example =
        "  polder inspect models/ssd_mobilenet_v2.tflite --nodes\n"
        "  polder inspect model.onnx --html model.html",
    .options = kOptions,
    .min_positional = 1,
    .max_positional = 1,
    .run = run};

}  // namespace polder::cli
