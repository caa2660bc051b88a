// Batch normalisation, scales and offsets that follow a product become part of it.
#include "compile/testing.h"

namespace polder::compile {
namespace {

// x -> `op` with `weights` -> BatchNorm -> clamp; channels last.
Graph normalised(std::string_view op, const Dims& in, const Shape& weights, std::int64_t channels) {
  Graph graph;
  const ValueId x = graph.add_value("x", DataType::kF32, in);
  const ValueId y = graph.add_value("y"), n = graph.add_value("n"), out = graph.add_value("out");
  const ValueId w = random_constant(graph, weights, 1);
  std::vector<ValueId> inputs = {y};
  for (unsigned i = 0; i < 3; ++i) inputs.push_back(random_constant(graph, {channels}, 2 + i));
  const std::vector<float> variance(std::size_t(channels), 0.5f);
  inputs.push_back(
      graph.add_constant("v", DataType::kF32, {channels}, std::span<const float>(variance)));
  graph.inputs = {x};
  graph.outputs = {out};
  graph.nodes = {{std::string(op), "product", {}, {x, w}, {y}, {}},
                 {"BatchNorm", "norm", {{"axis", std::int64_t(in.rank() - 1)}}, inputs, {n}, {}},
                 {"Clamp", "relu", {{"min", 0.0}}, {n}, {out}, {}}};
  return graph;
}

}  // namespace

TEST(FuseNormalisation, IntoEveryProduct) {
  for (const Graph& graph : {normalised("Conv", {1, 5, 6, 3}, {7, 2, 2, 3}, 7),
                             normalised("ConvTranspose", {1, 5, 6, 3}, {2, 2, 7, 3}, 7),
                             normalised("Linear", {4, 3}, {7, 3}, 7)}) {
    const Graph after = optimised(graph);
    ASSERT_EQ(after.nodes.size(), 1u) << graph.nodes[0].op;
    EXPECT_EQ(after.nodes[0].attrs.text("activation", "none"), "clamp");
  }
}

}  // namespace polder::compile
