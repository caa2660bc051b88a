// The passes in their order, and the plan in memory and on disk.
#include "compile/compile.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/fail.h"
#include "compile/passes/passes.h"
#include "compile/plan_writer.h"
#include "ops/infer.h"
#include "platform/file.h"

namespace polder::compile {

namespace {

constexpr Pass kPasses[] = {
    {"fold", "computes now what does not depend on the inputs; drops nodes that change nothing",
     fold},
    {"cancel_transposes", "moves transpositions together until they cancel", cancel_transposes},
    {"simplify", "replaces groups of nodes by the one operator they spell out", simplify},
    {"fuse_normalisation", "batch normalisation, scales and offsets into weights",
     fuse_normalisation},
    {"fuse_activations", "activations into convolutions and matrix products", fuse_activations},
    {"fuse_residuals", "additions into convolutions and matrix products", fuse_residuals},
};

// The order of one compilation: folding again after axes have moved, activations again after sums.
constexpr std::string_view kSchedule[] = {
    "fold",           "cancel_transposes",  "fold",
    "simplify",       "fuse_normalisation", "fuse_activations",
    "fuse_residuals", "fuse_activations",   "fold"};

bool left_out(const CompileOptions& options, std::string_view name) {
  return std::ranges::find(options.without, name) != options.without.end();
}

// A graph output that is an input, a constant, or another output gets a node of its own.
Status own_outputs(Graph& graph) {
  const std::vector<int> producer = graph.producers();
  std::vector<ValueId> seen;
  for (ValueId& id : graph.outputs) {
    const bool repeated = std::ranges::find(seen, id) != seen.end();
    if (producer[std::size_t(id)] < 0 || repeated) {
      const Value from = graph[id];
      const ValueId copy = graph.add_value(from.name, from.type, from.dims);
      Node node;
      node.op = "Identity";
      node.name = from.name;
      node.inputs = {id};
      node.outputs = {copy};
      graph.nodes.push_back(std::move(node));
      id = copy;
    }
    seen.push_back(id);
  }
  return ops::infer_graph(graph);
}

}  // namespace

std::span<const Pass> passes() { return kPasses; }

Status optimise(Graph& graph, const CompileOptions& options) {
  for (const std::string& name : options.without) {
    if (std::ranges::none_of(kPasses, [&](const Pass& pass) { return pass.name == name; })) {
      std::string known;
      for (const Pass& pass : kPasses)
        known += fmt::format("{}{}", known.empty() ? "" : ", ", pass.name);
      return fail(Code::kInvalid, "no pass is called '{}'; there are {}", name, known);
    }
  }
  for (Node& node : graph.nodes) {
    for (Graph& body : node.bodies) TRY(optimise(body, options));
  }
  for (const std::string_view name : kSchedule) {
    if (left_out(options, name)) continue;
    const Pass& pass = *std::ranges::find(kPasses, name, &Pass::name);
    if (Status status = pass.run(graph); !status) {
      return std::move(status).error().at(fmt::format("pass {}", name));
    }
  }
  TRY(own_outputs(graph));
  return graph.verify();
}

Status CompiledPlan::write(const std::string& path) const {
  DiskStore disk;
  TRY_VALUE(auto file, disk.create(path));
  const PlanHeader header = plan_header(program.view, constants.view);
  const auto put = [&](const void* data, std::size_t size) {
    return file->write({static_cast<const char*>(data), size});
  };
  TRY(put(&header, sizeof header));
  TRY(put(program.view.data(), program.view.size()));
  const char gap[kPlanAlignment] = {};
  TRY(put(gap, header.constants_offset - sizeof header - program.view.size()));
  TRY(put(constants.view.data(), constants.view.size()));
  return file->commit();
}

Result<Plan> CompiledPlan::load() const {
  auto owner = std::make_shared<std::pair<Bytes, Bytes>>(program, constants);
  return Plan::from_parts(owner, program.view, constants.view);
}

Result<CompiledPlan> compile(Graph graph, const CompileOptions& options) {
  TRY(graph.verify());
  TRY(optimise(graph, options));
  return write_plan(std::move(graph), options);
}

}  // namespace polder::compile
