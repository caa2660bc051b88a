// Any bytes as an ONNX model: imported with every free dimension bounded, then compiled when that
// takes little. An error or a plan, never a crash, a hang or a huge allocation.
#include <cstddef>
#include <cstdint>
#include <span>

#include "compile/compile.h"
#include "import/onnx.h"

namespace {

// What a plan may need here: more is only slow.
constexpr std::int64_t kMaxElementsHere = 1 << 16;
constexpr std::size_t kMaxNodesHere = 200;

bool is_small(const polder::Graph& graph) {
  if (graph.nodes.size() > kMaxNodesHere) return false;
  for (const polder::Value& value : graph.values) {
    if (value.dims.max_elements() > kMaxElementsHere) return false;
  }
  for (const polder::Node& node : graph.nodes) {
    for (const polder::Graph& body : node.bodies) {
      if (!is_small(body)) return false;
    }
  }
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto graph = polder::import_onnx(std::as_bytes(std::span(data, size)), "fuzz.onnx");
  if (!graph.ok() || !is_small(*graph)) return 0;
  const auto plan = polder::compile::compile(std::move(*graph));
  if (!plan.ok()) return 0;
  (void)plan->load();
  return 0;
}
