// What the tests of this room share: graphs through the passes, the plan and the session.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string_view>
#include <vector>

#include "compile/compile.h"
#include "ops/infer.h"
#include "runtime/session.h"

namespace polder::compile {

using Ints = std::vector<std::int64_t>;

inline std::vector<float> random_floats(std::int64_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<float> out;
  for (std::int64_t i = 0; i < count; ++i) out.push_back(float(random() % 2001) / 1000.0f - 1.0f);
  return out;
}

inline ValueId random_constant(Graph& graph, const Shape& shape, unsigned seed) {
  const auto elements = random_floats(shape.elements(), seed);
  return graph.add_constant("c", DataType::kF32, shape, std::span<const float>(elements));
}

// Output 0 of a run on random input: of the given shapes, or of those that the graph declares.
inline std::vector<float> run(Graph graph, const CompileOptions& options,
                              std::vector<Shape> shapes = {}, bool reference = false,
                              std::vector<NodeReport>* nodes = nullptr) {
  if (shapes.empty()) {
    for (const ValueId id : graph.inputs) shapes.push_back(graph[id].dims.bounds());
  }
  auto compiled = compile(std::move(graph), options);
  EXPECT_TRUE(compiled) << compiled.error().message;
  auto plan = compiled->load();
  EXPECT_TRUE(plan) << plan.error().message;
  auto session = Session::open(std::move(*plan), {.reference = reference});
  EXPECT_TRUE(session) << session.error().message;
  std::vector<std::vector<float>> inputs;
  std::vector<TensorView> views;
  for (const Shape& shape : shapes) {
    inputs.push_back(random_floats(shape.elements(), unsigned(3 + inputs.size())));
    views.push_back({inputs.back().data(), DataType::kF32, shape});
  }
  const Status status = (*session)->run(views);
  EXPECT_TRUE(status) << status.error().message;
  const TensorView out = (*session)->output(0);
  if (nodes) *nodes = (*session)->nodes();
  return {out.as<float>(), out.as<float>() + out.shape.elements()};
}

inline void expect_near(const std::vector<float>& a, const std::vector<float>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], 1e-5) << i;
}

// The graph after all passes; checks that it computes what it did without any.
inline Graph optimised(Graph graph) {
  EXPECT_TRUE(ops::infer_graph(graph));
  CompileOptions plain{.pack = false};
  for (const Pass& pass : passes()) plain.without.emplace_back(pass.name);
  expect_near(run(graph, {}), run(graph, plain, {}, true));
  const Status status = optimise(graph, {});
  EXPECT_TRUE(status) << status.error().message;
  return graph;
}

inline std::int64_t count(const Graph& graph, std::string_view op) {
  return std::ranges::count(graph.nodes, op, &Node::op);
}

}  // namespace polder::compile
