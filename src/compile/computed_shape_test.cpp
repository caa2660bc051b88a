// Shapes that a model computes from the extents of its inputs: known to the compiler as symbols,
// to a run as numbers, and to neither the plan nor its loader.
#include "compile/testing.h"

namespace polder::compile {
namespace {

// x [n,2,3]; y = op(first, [n, ...rest]), where `first` is x when nothing else is given.
Graph shaped(const char* op, Ints rest, std::vector<float> first, Dim n) {
  Graph graph;
  const ValueId x = graph.add_value("x", DataType::kF32, {n, 2, 3});
  const ValueId extents = graph.add_ints("rest", rest);
  const ValueId batch = graph.add_value("batch"), shape = graph.add_value("shape"),
                made = graph.add_value("made"), y = graph.add_value("y");
  const Shape row{1, std::int64_t(first.size())};
  const ValueId from =
      first.empty() ? x
                    : graph.add_constant("row", DataType::kF32, row, std::span<const float>(first));
  graph.inputs = {x};
  graph.outputs = {y};
  graph.nodes = {{"Shape", "batch", {{"end", std::int64_t(1)}}, {x}, {batch}, {}},
                 {"Concat", "shape", {{"axis", std::int64_t(0)}}, {batch, extents}, {shape}, {}},
                 {op, "made", {}, {from, shape}, {made}, {}},
                 {"Abs", "abs", {}, {made}, {y}, {}}};
  EXPECT_TRUE(ops::infer_graph(graph));
  return graph;
}

void expect_any_batch(const char* op, const Ints& rest, const std::vector<float>& first,
                      std::size_t row) {
  for (const std::int64_t n : {1, 3, 5}) {
    const auto got = run(shaped(op, rest, first, Dim(5, 1)), {}, {{n, 2, 3}});
    EXPECT_EQ(got.size(), std::size_t(n) * row);
    expect_near(got, run(shaped(op, rest, first, n), {}, {{n, 2, 3}}));
  }
}

}  // namespace

TEST(ComputedShape, Reshape) {
  expect_any_batch("Reshape", {-1}, {}, 6);
  expect_any_batch("Reshape", {6}, {}, 6);
  expect_any_batch("Reshape", {3, 2}, {}, 6);
}
TEST(ComputedShape, Expand) { expect_any_batch("Expand", {4}, {1, 2, 3, 4}, 4); }
TEST(ComputedShape, Tile) { expect_any_batch("Tile", {2}, {1, 2, 3}, 6); }

}  // namespace polder::compile
