// run() allocates nothing, for fixed and for free dimensions: malloc is replaced by one that
// counts.
#include <gtest/gtest.h>

#include <vector>

#include "compile/compile.h"
#include "ops/infer.h"
#include "platform/count_allocations.h"
#include "runtime/session.h"

namespace polder::compile {
namespace {

Graph conv_and_sum(Dim height) {
  Graph graph;
  const std::vector<float> weights(8 * 9 * 3, 0.25f);
  const ValueId x = graph.add_value("x", DataType::kF32, {1, height, 9, 3});
  const ValueId w =
      graph.add_constant("w", DataType::kF32, {8, 3, 3, 3}, std::span<const float>(weights));
  const ValueId y = graph.add_value("y"), s = graph.add_value("s"), out = graph.add_value("out");
  graph.inputs = {x};
  graph.outputs = {out};
  graph.nodes = {
      {"Conv", "conv", {{"pads", std::vector<std::int64_t>{1, 1, 1, 1}}}, {x, w}, {y}, {}},
      {"Sigmoid", "gate", {}, {y}, {s}, {}},
      {"Add", "sum", {}, {y, s}, {out}, {}}};
  EXPECT_TRUE(ops::infer_graph(graph));
  return graph;
}

long allocations_of_runs(Dim height, int threads) {
  auto compiled = compile(conv_and_sum(height));
  EXPECT_TRUE(compiled);
  auto session = Session::open(std::move(*compiled->load()), {.threads = threads});
  EXPECT_TRUE(session);
  std::vector<float> input(16 * 9 * 3, 1.0f);
  const TensorView tall{input.data(), DataType::kF32, {1, height.bound, 9, 3}};
  const TensorView low{input.data(), DataType::kF32, {1, height.known() ? height.bound : 5, 9, 3}};
  const long before = g_allocations.load();
  bool ok = true;
  for (int run = 0; run < 20; ++run) ok = (*session)->run({run % 2 ? &tall : &low, 1}).ok() && ok;
  const long made = g_allocations.load() - before;
  EXPECT_TRUE(ok);
  return made;
}

}  // namespace

TEST(NoAllocation, RunTakesNoMemory) {
  EXPECT_EQ(allocations_of_runs(16, 1), 0);
  EXPECT_EQ(allocations_of_runs(16, 2), 0);
  EXPECT_EQ(allocations_of_runs(Dim(16, 1), 1), 0);
#ifdef POLDER_SANITIZED
  GTEST_SKIP() << "sanitizers have an allocator of their own";
#endif
  EXPECT_GT(g_allocations.load(), 0) << "the replacement is not in use";
}

}  // namespace polder::compile
