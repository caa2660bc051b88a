// Small graphs through the passes, the plan and the session.
#include "compile/compile.h"

#include "compile/testing.h"

namespace polder::compile {
namespace {

// x [1,3,H,W] -> transposed conv 3x3 -> + per-channel constant -> sigmoid, channels first as ONNX.
Graph channels_first_conv(Dim height) {
  Graph graph;
  const ValueId x = graph.add_value("x", DataType::kF32, {1, 3, height, 8});
  const auto weights = random_floats(16 * 9 * 3, 1), offset = random_floats(16, 2);
  const ValueId w =
      graph.add_constant("w", DataType::kF32, {16, 3, 3, 3}, std::span<const float>(weights));
  const ValueId c =
      graph.add_constant("c", DataType::kF32, {1, 16, 1, 1}, std::span<const float>(offset));
  const auto value = [&](const char* name) { return graph.add_value(name); };
  const ValueId xt = value("xt"), y = value("y"), yt = value("yt"), sum = value("sum"),
                out = value("out");
  graph.inputs = {x};
  graph.outputs = {out};
  graph.nodes = {{"Transpose", "in", {{"perm", Ints{0, 2, 3, 1}}}, {x}, {xt}, {}},
                 {"Conv", "conv", {{"pads", Ints{1, 1, 1, 1}}}, {xt, w}, {y}, {}},
                 {"Transpose", "back", {{"perm", Ints{0, 3, 1, 2}}}, {y}, {yt}, {}},
                 {"Add", "add", {}, {yt, c}, {sum}, {}},
                 {"Sigmoid", "act", {}, {sum}, {out}, {}}};
  EXPECT_TRUE(ops::infer_graph(graph));
  return graph;
}

}  // namespace

TEST(Compile, OptimisedEqualsReference) {
  std::vector<NodeReport> nodes;
  const auto fast = run(channels_first_conv(8), {}, {{1, 3, 8, 8}}, false, &nodes);
  CompileOptions plain{.pack = false};
  for (const Pass& pass : passes()) plain.without.emplace_back(pass.name);
  const auto reference = run(channels_first_conv(8), plain, {{1, 3, 8, 8}}, true);
  expect_near(fast, reference);
  // One transposition in, one out, everything else in the convolution.
  EXPECT_EQ(nodes.size(), 3u);
}

TEST(Compile, FreeHeightTakesAnyExtentUpToItsBound) {
  const Graph graph = channels_first_conv(Dim(16, 1));
  for (const std::int64_t height : {1, 5, 16}) {
    expect_near(run(graph, {}, {{1, 3, height, 8}}),
                run(channels_first_conv(height), {}, {{1, 3, height, 8}}));
  }
}

TEST(Compile, UnboundedDimensionSaysWhatToDo) {
  auto compiled = compile(channels_first_conv(Dim(kUnbounded, 1)));
  ASSERT_FALSE(compiled);
  EXPECT_NE(compiled.error().message.find("--shape"), std::string::npos);
}

// A node names its bodies in 16 bits: index 65,536 would come back as 0, the main graph.
TEST(Compile, MoreBodiesThanAPlanNumbersAreRefused) {
  Graph graph;
  const ValueId flag = graph.add_value("flag", DataType::kBool, Dims{});
  const ValueId x = graph.add_value("x", DataType::kF32, {2});
  graph.inputs = {flag, x};
  const auto branch = [](std::string_view op) {
    Graph body;
    const ValueId in = body.add_value("in", DataType::kF32, {2});
    const ValueId out = body.add_value("out", DataType::kF32, {2});
    body.inputs = {in};
    body.outputs = {out};
    body.nodes = {{std::string(op), "n", {}, {in}, {out}, {}}};
    return body;
  };
  ValueId last = x;
  for (int i = 0; i < 33000; ++i) {
    const ValueId out = graph.add_value("y", DataType::kF32, {2});
    Node node{"If", "if", {{"then_inputs", std::int64_t(1)}}, {flag, last, last}, {out}, {}};
    node.bodies = {branch("Abs"), branch("Neg")};
    graph.nodes.push_back(std::move(node));
    last = out;
  }
  graph.outputs = {last};
  CompileOptions plain;
  for (const Pass& pass : passes()) plain.without.emplace_back(pass.name);
  const auto compiled = compile(std::move(graph), plain);
  ASSERT_FALSE(compiled);
  EXPECT_EQ(compiled.error().code, Code::kExhausted);
  EXPECT_NE(compiled.error().message.find("more than 65536 graphs"), std::string::npos)
      << compiled.error().message;
}

TEST(Compile, UnknownPassIsNamed) {
  auto compiled = compile(channels_first_conv(8), {.without = {"fuse"}});
  ASSERT_FALSE(compiled);
  EXPECT_NE(compiled.error().message.find("fuse_activations"), std::string::npos);
}

}  // namespace polder::compile
