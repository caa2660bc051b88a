// If, Loop and Scan through the plan and the session, twice each: nothing of a run stays behind.
#include <gtest/gtest.h>
#include <pthread.h>

#include <functional>

#include "compile/compile.h"
#include "ops/infer.h"
#include "runtime/session.h"

namespace polder::compile {
namespace {

constexpr DataType kF32 = DataType::kF32;

struct Output {
  Shape shape;
  std::vector<float> elements;
};

std::unique_ptr<Session> open(Graph graph, const SessionOptions& options = {}) {
  const Status inferred = ops::infer_graph(graph);
  EXPECT_TRUE(inferred) << inferred.error().message;
  auto compiled = compile(std::move(graph));
  EXPECT_TRUE(compiled) << compiled.error().message;
  auto session = Session::open(std::move(*compiled->load()), options);
  EXPECT_TRUE(session) << session.error().message;
  return std::move(*session);
}

std::vector<Output> run(Graph graph, std::span<const TensorView> inputs) {
  const auto session = open(std::move(graph));
  std::vector<Output> outputs;
  for (int time = 0; time < 2; ++time) {
    const Status status = session->run(inputs);
    EXPECT_TRUE(status) << status.error().message;
    outputs.clear();
    for (int i = 0; i < int(session->outputs().size()); ++i) {
      const TensorView view = session->output(i);
      outputs.push_back({view.shape, {view.as<float>(), view.as<float>() + view.shape.elements()}});
    }
  }
  return outputs;
}

TensorView view_of(std::vector<float>& elements) {
  return {elements.data(), kF32, {std::int64_t(elements.size())}};
}

// A body of one Add: (a, b) -> a + b.
Graph add_body(const Dims& dims) {
  Graph body;
  const ValueId a = body.add_value("a", kF32, dims), b = body.add_value("b", kF32, dims);
  const ValueId sum = body.add_value("sum", kF32, dims);
  body.inputs = {a, b};
  body.outputs = {sum};
  body.nodes = {{"Add", "add", {}, {a, b}, {sum}, {}}};
  return body;
}

TEST(ControlFlow, IfTakesEitherBranch) {
  for (const std::uint8_t condition : {std::uint8_t(0), std::uint8_t(1)}) {
    Graph graph;
    const ValueId flag = graph.add_value("flag", DataType::kBool, {});
    const ValueId x = graph.add_value("x", kF32, {3}), z = graph.add_value("z", kF32, {3});
    const ValueId y = graph.add_value("y");
    graph.inputs = {flag, x, z};
    graph.outputs = {y};
    graph.nodes = {{"If",
                    "if",
                    {{"then_inputs", std::int64_t(2)}},
                    {flag, x, x, x, z},
                    {y},
                    {add_body({3}), add_body({3})}}};
    std::vector<float> a = {1, 2, 3}, b = {10, 20, 30};
    std::uint8_t given = condition;
    const TensorView inputs[] = {{&given, DataType::kBool, {}}, view_of(a), view_of(b)};
    const auto out = run(std::move(graph), inputs);
    EXPECT_EQ(out[0].elements,
              condition ? std::vector<float>({2, 4, 6}) : std::vector<float>({11, 22, 33}));
  }
}

TEST(ControlFlow, RequireFailsTheRunThatTakesTheOtherBranch) {
  Graph graph;
  const ValueId x = graph.add_value("x", kF32, {3}),
                flag = graph.add_value("flag", DataType::kBool);
  const ValueId y = graph.add_value("y");
  graph.inputs = {x, flag};
  graph.outputs = {y};
  graph.nodes = {{"Require", "if", {{"expected", std::int64_t(0)}}, {x, flag}, {y}, {}}};
  const auto session = open(std::move(graph));
  std::vector<float> a = {1, 2, 3};
  std::uint8_t given = 0;
  const TensorView inputs[] = {view_of(a), {&given, DataType::kBool, {}}};
  ASSERT_TRUE(session->run(inputs));
  EXPECT_EQ(session->output(0).as<float>()[2], 3);
  given = 1;
  const Status status = session->run(inputs);
  ASSERT_FALSE(status);
  EXPECT_NE(status.error().message.find("then branch"), std::string::npos)
      << status.error().message;
}

// Loop over (a, b) with `count` runs; the body comes with its first two inputs and its condition.
Graph loop(std::int64_t count, Graph body, std::vector<std::int64_t> free, const Dims& a_dims,
           int outputs) {
  Graph graph;
  const ValueId trips =
      graph.add_constant("trips", DataType::kI64, {}, std::span<const std::int64_t>(&count, 1));
  const ValueId a = graph.add_value("a", kF32, a_dims), b = graph.add_value("b", kF32, {2});
  graph.inputs = {a, b};
  for (int i = 0; i < outputs; ++i) graph.outputs.push_back(graph.add_value("out"));
  graph.nodes = {{"Loop",
                  "loop",
                  {{"carried", std::int64_t(2)}, {"to_the_end", std::int64_t(1)}, {"free", free}},
                  {trips, kNoValue, a, b},
                  graph.outputs,
                  {std::move(body)}}};
  return graph;
}

Graph loop_body(const Dims& a_dims) {
  Graph body;
  body.inputs = {body.add_value("i", DataType::kI64, {}), body.add_value("go", DataType::kBool, {}),
                 body.add_value("a", kF32, a_dims), body.add_value("b", kF32, {2})};
  return body;
}

TEST(ControlFlow, LoopMayExchangeWhatItCarries) {
  Graph body = loop_body({2});
  // (a, b) -> (b, a), and the sum is collected.
  const ValueId sum = body.add_value("sum");
  body.nodes = {{"Add", "add", {}, {body.inputs[2], body.inputs[2]}, {sum}, {}}};
  body.outputs = {body.inputs[1], body.inputs[3], body.inputs[2], sum};
  std::vector<float> a = {1, 2}, b = {10, 20};
  const TensorView inputs[] = {view_of(a), view_of(b)};
  const auto out = run(loop(3, std::move(body), {0, 0}, {2}, 3), inputs);
  EXPECT_EQ(out[0].elements, b);
  EXPECT_EQ(out[1].elements, a);
  EXPECT_EQ(out[2].shape, (Shape{3, 2}));
  EXPECT_EQ(out[2].elements, (std::vector<float>{2, 4, 20, 40, 2, 4}));
}

TEST(ControlFlow, LoopCarriesWhatGrows) {
  Graph body = loop_body({Dim(kUnbounded, 1)});
  body.next_symbol = 2;
  const ValueId longer = body.add_value("longer");
  body.nodes = {{"Concat",
                 "concat",
                 {{"axis", std::int64_t(0)}},
                 {body.inputs[2], body.inputs[3]},
                 {longer},
                 {}}};
  body.outputs = {body.inputs[1], longer, body.inputs[3]};
  std::vector<float> a = {1}, b = {7, 8};
  const TensorView inputs[] = {view_of(a), view_of(b)};
  const auto out = run(loop(9, std::move(body), {1, 0}, {1}, 2), inputs);
  EXPECT_EQ(out[0].shape, Shape{19});
  EXPECT_EQ(out[0].elements[17], 7);
  EXPECT_EQ(out[0].elements[18], 8);
}

TEST(ControlFlow, LoopOfNoRunsHandsItsInputsOn) {
  Graph body = loop_body({2});
  const ValueId sum = body.add_value("sum");
  body.nodes = {{"Add", "add", {}, {body.inputs[2], body.inputs[3]}, {sum}, {}}};
  body.outputs = {body.inputs[1], sum, body.inputs[3], sum};
  std::vector<float> a = {1, 2}, b = {10, 20};
  const TensorView inputs[] = {view_of(a), view_of(b)};
  const auto out = run(loop(0, std::move(body), {0, 0}, {2}, 3), inputs);
  EXPECT_EQ(out[0].elements, a);
  EXPECT_EQ(out[2].shape, (Shape{0, 2}));
}

TEST(ControlFlow, ScanGoesEitherWay) {
  Graph body;
  const ValueId state = body.add_value("state", kF32, {}), x = body.add_value("x", kF32, {});
  const ValueId sum = body.add_value("sum");
  body.inputs = {state, x};
  body.outputs = {sum, sum};
  body.nodes = {{"Add", "add", {}, {state, x}, {sum}, {}}};
  Graph graph;
  const ValueId start = graph.add_value("start", kF32, {}), all = graph.add_value("all", kF32, {4});
  const ValueId last = graph.add_value("last"), sums = graph.add_value("sums");
  graph.inputs = {start, all};
  graph.outputs = {last, sums};
  graph.nodes = {{"Scan",
                  "scan",
                  {{"states", std::int64_t(1)},
                   {"scans", std::int64_t(1)},
                   {"reversed", std::int64_t(1)},
                   {"reversed_outputs", std::int64_t(1)}},
                  {start, all},
                  {last, sums},
                  {std::move(body)}}};
  float begin = 100;
  std::vector<float> elements = {1, 2, 3, 4};
  const TensorView inputs[] = {{&begin, kF32, {}}, view_of(elements)};
  const auto out = run(std::move(graph), inputs);
  EXPECT_EQ(out[0].elements, std::vector<float>{110});
  EXPECT_EQ(out[1].elements, (std::vector<float>{110, 109, 107, 104}));
}

// (a, b) -> (a + b, b), and the condition is handed on.
Graph adding_loop_body() {
  Graph body = loop_body({2});
  const ValueId sum = body.add_value("sum");
  body.nodes = {{"Add", "add", {}, {body.inputs[2], body.inputs[3]}, {sum}, {}}};
  body.outputs = {body.inputs[1], sum, body.inputs[3]};
  return body;
}

void expect_no_more_iterations(const Status& status, std::string_view most) {
  ASSERT_FALSE(status);
  const std::string& message = status.error().message;
  EXPECT_EQ(status.error().code, Code::kExhausted);
  EXPECT_NE(message.find("node 'loop' (Loop)"), std::string::npos) << message;
  EXPECT_NE(message.find(most), std::string::npos) << message;
  EXPECT_NE(message.find("max_iterations"), std::string::npos) << message;
}

TEST(ControlFlow, LoopWithoutAnEndIsAnError) {
  Graph graph = loop(0, adding_loop_body(), {0, 0}, {2}, 2);
  graph.nodes[0].inputs[0] = kNoValue;
  const auto session = open(std::move(graph), {.max_iterations = 5000});
  std::vector<float> a = {1, 2}, b = {10, 20};
  const TensorView inputs[] = {view_of(a), view_of(b)};
  for (int time = 0; time < 2; ++time) expect_no_more_iterations(session->run(inputs), "5000");
}

TEST(ControlFlow, LoopsOfOneRunShareTheCap) {
  // Six times a loop of ten iterations: 66 in all.
  const auto nested = [] {
    Graph body = loop_body({2});
    const std::int64_t ten = 10;
    const ValueId trips = body.add_constant("ten", DataType::kI64, {}, std::span(&ten, 1));
    const ValueId a = body.add_value("a"), b = body.add_value("b");
    body.nodes = {{"Loop",
                   "inner",
                   {{"carried", std::int64_t(2)}, {"to_the_end", std::int64_t(1)}},
                   {trips, kNoValue, body.inputs[2], body.inputs[3]},
                   {a, b},
                   {adding_loop_body()}}};
    body.outputs = {body.inputs[1], a, b};
    return loop(6, std::move(body), {0, 0}, {2}, 2);
  };
  std::vector<float> a = {1, 2}, b = {10, 20};
  const TensorView inputs[] = {view_of(a), view_of(b)};
  const auto enough = open(nested(), {.max_iterations = 66});
  for (int time = 0; time < 2; ++time) {
    const Status status = enough->run(inputs);
    ASSERT_TRUE(status) << status.error().message;
    EXPECT_EQ(enough->output(0).as<float>()[0], 601);
  }
  const auto short_of_one = open(nested(), {.max_iterations = 65});
  expect_no_more_iterations(short_of_one->run(inputs), "65");
}

TEST(ControlFlow, ScanOverNothingManyTimesIsAnError) {
  Graph body;
  const ValueId state = body.add_value("state", kF32, {}), x = body.add_value("x", kF32, {0});
  const ValueId sum = body.add_value("sum");
  body.inputs = {state, x};
  body.outputs = {sum};
  body.nodes = {{"Add", "add", {}, {state, state}, {sum}, {}}};
  Graph graph;
  const std::int64_t many = std::int64_t(1) << 36;
  const ValueId start = graph.add_value("start", kF32, {});
  const ValueId all = graph.add_value("all", kF32, {many, 0}), last = graph.add_value("last");
  graph.inputs = {start, all};
  graph.outputs = {last};
  graph.nodes = {{"Scan",
                  "loop",
                  {{"states", std::int64_t(1)}, {"scans", std::int64_t(1)}},
                  {start, all},
                  {last},
                  {std::move(body)}}};
  const auto session = open(std::move(graph), {.max_iterations = 100});
  float begin = 1;
  const TensorView inputs[] = {{&begin, kF32, {}}, {&begin, kF32, {many, 0}}};
  const Status status = session->run(inputs);
  ASSERT_FALSE(status);
  EXPECT_NE(status.error().message.find("(Scan)"), std::string::npos) << status.error().message;
}

TEST(ControlFlow, MemoryForWhatAnEndlessLoopCollectsIsRefused) {
  Graph body = adding_loop_body();
  body.outputs.push_back(body.outputs[1]);
  Graph graph = loop(0, std::move(body), {0, 0}, {2}, 3);
  graph.nodes[0].inputs[0] = kNoValue;
  ASSERT_TRUE(ops::infer_graph(graph));
  EXPECT_FALSE(graph[graph.outputs[2]].dims[0].known());
  const auto compiled = compile(std::move(graph));
  ASSERT_FALSE(compiled);
  EXPECT_NE(compiled.error().message.find("has no usable bound"), std::string::npos)
      << compiled.error().message;
}

// A Range of what only a run knows: every scalar behind the node is offered, no other.
TEST(ControlFlow, ASizeThatScalarsDecideNamesThem) {
  Graph graph;
  const ValueId start = graph.add_value("start", kF32, {}),
                limit = graph.add_value("limit", kF32, {}),
                delta = graph.add_value("delta", kF32, {}),
                other = graph.add_value("other", kF32, {});
  const ValueId twice = graph.add_value("twice"), y = graph.add_value("y"),
                z = graph.add_value("z");
  graph.inputs = {start, limit, delta, other};
  graph.outputs = {y, z};
  graph.nodes = {{"Abs", "other", {}, {other}, {z}, {}},
                 {"Add", "twice", {}, {limit, limit}, {twice}, {}},
                 {"Range", "range", {}, {start, twice, delta}, {y}, {}}};
  ASSERT_TRUE(ops::infer_graph(graph));
  const auto compiled = compile(std::move(graph));
  ASSERT_FALSE(compiled);
  const std::string& message = compiled.error().message;
  EXPECT_NE(message.find("'range' (Range)"), std::string::npos) << message;
  EXPECT_NE(message.find("'start', 'limit', 'delta': fix"), std::string::npos) << message;
  EXPECT_NE(message.find("--bind NAME=VALUE"), std::string::npos) << message;
}

// Runs f on a thread with a stack such as devices have.
void run_on_small_stack(std::size_t stack_bytes, const std::function<void()>& f) {
  pthread_attr_t attributes;
  ASSERT_EQ(pthread_attr_init(&attributes), 0);
  ASSERT_EQ(pthread_attr_setstacksize(&attributes, stack_bytes), 0);
  pthread_t thread;
  const auto start = [](void* call) -> void* {
    (*static_cast<const std::function<void()>*>(call))();
    return nullptr;
  };
  const int created =
      pthread_create(&thread, &attributes, start, const_cast<std::function<void()>*>(&f));
  pthread_attr_destroy(&attributes);
  ASSERT_EQ(created, 0);
  pthread_join(thread, nullptr);
}

// x + x below `depth` Ifs, each in the then branch of the one around it; the extent of x is free.
Graph nested_ifs(int depth) {
  Graph graph;
  const ValueId flag = graph.add_value("flag", DataType::kBool, {});
  const ValueId x = graph.add_value("x", kF32, {Dim(8, 1)}), y = graph.add_value("y");
  graph.next_symbol = 2;
  graph.inputs = {flag, x};
  graph.outputs = {y};
  if (depth == 0) {
    graph.nodes = {{"Add", "add", {}, {x, x}, {y}, {}}};
    return graph;
  }
  graph.nodes = {{"If",
                  "if",
                  {{"then_inputs", std::int64_t(2)}},
                  {flag, flag, x, x, x},
                  {y},
                  {nested_ifs(depth - 1), add_body({Dim(8, 1)})}}};
  return graph;
}

TEST(ControlFlow, BodiesNestToTheCapOnASmallStack) {
  constexpr std::size_t kStackBytes = 256 << 10;
  std::vector<float> a = {1, 2, 3};
  std::uint8_t flag = 1;
  const TensorView inputs[] = {{&flag, DataType::kBool, {}}, view_of(a)};
  float last = 0;
  run_on_small_stack(kStackBytes, [&] {
    const auto session = open(nested_ifs(kMaxBodyDepth));
    const Status status = session->run(inputs);
    ASSERT_TRUE(status) << status.error().message;
    last = session->output(0).as<float>()[2];
  });
  EXPECT_EQ(last, 6);
  Graph deeper = nested_ifs(kMaxBodyDepth + 1);
  ASSERT_TRUE(ops::infer_graph(deeper));
  auto compiled = compile(std::move(deeper));
  ASSERT_TRUE(compiled) << compiled.error().message;
  const auto refused = Session::open(std::move(*compiled->load()));
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("nested deeper"), std::string::npos)
      << refused.error().message;
}

}  // namespace
}  // namespace polder::compile
