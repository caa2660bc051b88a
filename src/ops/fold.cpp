// Constant folding of one node: runs it, once, while compiling.
#include "ops/fold.h"

#include <algorithm>

#include "kernel/table.h"
#include "ops/infer.h"

namespace polder::ops {

namespace {

// A value whose elements shape inference found out.
bool fold_ints(Value& value) {
  if (!value.ints || !value.ints->known() || !value.dims.known()) return false;
  const IntList& ints = *value.ints;
  if (value.dims.bounds().elements() != ints.size()) return false;
  std::span<std::byte> out;
  Bytes bytes = Bytes::allocate(std::size_t(ints.size()) * size_of(value.type), &out);
  if (!bytes) return false;
  for (int i = 0; i < ints.size(); ++i) {
    if (value.type == DataType::kI64)
      reinterpret_cast<std::int64_t*>(out.data())[i] = ints[i].bound;
    else if (value.type == DataType::kI32)
      reinterpret_cast<std::int32_t*>(out.data())[i] = std::int32_t(ints[i].bound);
    else return false;
  }
  value.data = std::move(bytes);
  return true;
}

bool worth_folding(const Graph& graph, const Node& node) {
  std::size_t in_bytes = 0, out_bytes = 0;
  for (const ValueId id : node.inputs) {
    if (id == kNoValue) continue;
    if (!graph[id].is_constant() || graph[id].layout != Layout::kPlain) return false;
    in_bytes += graph[id].data.view.size();
  }
  for (const ValueId id : node.outputs) {
    if (id == kNoValue) continue;
    if (!graph[id].dims.known()) return false;
    out_bytes += std::size_t(graph[id].dims.max_elements()) * size_of(graph[id].type);
  }
  if (graph.spent.folded_bytes + out_bytes > kMaxFoldedBytesInAll) return false;
  // Dequantised weights are four times the bytes that they were.
  return out_bytes <= std::max(kMaxFoldedBytes, 4 * in_bytes);
}

}  // namespace

bool fold_node(Graph& graph, std::size_t index) {
  const Node& node = graph.nodes[index];
  const OpDef* def = find_op(node.op);
  if (!def || !def->deterministic || def->bodies) return false;
  if (node.outputs.size() == 1 && fold_ints(graph[node.outputs[0]])) return true;
  if (!worth_folding(graph, node)) return false;

  alignas(std::max_align_t) std::byte params[kMaxParamsBytes] = {};
  if (!def->parse(node.attrs, params)) return false;
  std::vector<ValueInfo> info_in, info_out;
  std::vector<TensorView> in, out;
  std::vector<Bytes> results(node.outputs.size());
  for (const ValueId id : node.inputs) {
    info_in.push_back(id == kNoValue ? ValueInfo{} : info_of(graph[id]));
    in.push_back(id == kNoValue ? TensorView{}
                                : TensorView{const_cast<void*>(info_in.back().data), graph[id].type,
                                             graph[id].dims.bounds()});
  }
  for (std::size_t i = 0; i < node.outputs.size(); ++i) {
    const ValueId id = node.outputs[i];
    info_out.push_back(id == kNoValue ? ValueInfo{} : info_of(graph[id]));
    out.push_back({});
    if (id == kNoValue) continue;
    std::span<std::byte> bytes;
    const Shape shape = graph[id].dims.bounds();
    results[i] = Bytes::allocate(std::size_t(shape.elements()) * size_of(graph[id].type), &bytes);
    if (!results[i]) return false;
    out.back() = {bytes.data(), graph[id].type, shape};
  }
  const Kernels& kernels = *kernel::kernels_for(kernel::best_isa());
  const NodeInfo info{info_in, info_out, params};
  Choice choice = choose_kernel(*def, info);
  const bool packs = std::ranges::any_of(
      choice.packing, [](const Packing& p) { return p.layout != Layout::kPlain; });
  if (packs) {
    choice = {.kernel = def->reference,
              .workspace_bytes = def->reference_workspace ? def->reference_workspace(info) : 0};
  }
  if (!choice.kernel) return false;
  std::span<std::byte> workspace;
  const Bytes workspace_bytes = Bytes::allocate(choice.workspace_bytes, &workspace);
  if (!workspace_bytes) return false;
  Serial serial;
  const RunContext context{in, out, params, workspace.data(), kernels, serial, nullptr};
  // What fails here (an index out of range) fails in the run as well, and is reported there.
  if (!choice.kernel(context)) return false;
  for (std::size_t i = 0; i < node.outputs.size(); ++i) {
    if (node.outputs[i] == kNoValue) continue;
    Value& value = graph[node.outputs[i]];
    value.data = std::move(results[i]);
    graph.spent.folded_bytes += value.data.view.size();
    value.dims = Dims(out[i].shape);
  }
  return true;
}

}  // namespace polder::ops
