// run() takes no memory and no lock: every operator on all its samples, and control flow, with
// fixed and with free dimensions, on one thread and on two. What takes either is replaced by what
// counts.
#include <gtest/gtest.h>

#include <mutex>
#include <shared_mutex>
#include <vector>

#include "compile/compile.h"
#include "ops/infer.h"
#include "ops/sample_graph.h"
#include "platform/count_allocations.h"
#include "platform/count_locks.h"
#include "runtime/session.h"

namespace polder::compile {
namespace {

constexpr DataType kF32 = DataType::kF32;

// Runs the graph some times, each input at its bounds; returns whether it did. What an error takes
// to be told is not counted.
bool run_without_taking(Graph graph, std::vector<Bytes> elements, int threads) {
  auto compiled = compile(std::move(graph));
  if (!compiled) return false;
  auto plan = compiled->load();
  if (!plan) return false;
  const auto session = Session::open(std::move(*plan), {.threads = threads});
  if (!session) return false;
  std::vector<TensorView> inputs;
  for (const Port& port : (*session)->inputs()) {
    const std::byte* data = elements[inputs.size()].view.data();
    inputs.push_back({const_cast<std::byte*>(data), port.type, port.bounds});
  }
  const long allocations = g_allocations, locks = g_locks;
  bool ok = true;
  for (int time = 0; time < 3 && ok; ++time) {
    const Status status = (*session)->run(inputs);
    ok = status.ok();
  }
  const long allocated = g_allocations - allocations, locked = g_locks - locks;
  if (!ok) return false;
  EXPECT_EQ(allocated, 0);
  EXPECT_EQ(locked, 0);
  return true;
}

bool run_sample(const ops::OpDef& def, const ops::Sample& sample, bool free, int threads) {
  Graph graph = ops::sample_graph(def, sample, free);
  if (!ops::infer_node(graph, 0)) return false;
  std::vector<Bytes> elements;
  for (const ops::SampleInput& input : sample.inputs) {
    if (input.type != DataType::kNone && !ops::is_fixed(input))
      elements.push_back(ops::elements_of(input));
  }
  return run_without_taking(std::move(graph), std::move(elements), threads);
}

// A body of one Add of its last two inputs, after `first` others.
Graph add_body(std::vector<DataType> first, const Dims& dims) {
  Graph body;
  for (const DataType type : first) body.inputs.push_back(body.add_value("i", type, {}));
  const ValueId a = body.add_value("a", kF32, dims), b = body.add_value("b", kF32, dims);
  const ValueId sum = body.add_value("sum", kF32, dims);
  body.inputs.insert(body.inputs.end(), {a, b});
  body.outputs = {sum};
  body.nodes = {{"Add", "add", {}, {a, b}, {sum}, {}}};
  return body;
}

Graph choice() {
  Graph graph;
  const ValueId flag = graph.add_value("flag", DataType::kBool, {});
  const ValueId x = graph.add_value("x", kF32, {3}), y = graph.add_value("y");
  graph.inputs = {flag, x};
  graph.outputs = {y};
  graph.nodes = {{"If",
                  "if",
                  {{"then_inputs", std::int64_t(2)}},
                  {flag, x, x, x, x},
                  {y},
                  {add_body({}, {3}), add_body({}, {3})}}};
  return graph;
}

// Carries (a, b) -> (a + b, b) five times and collects the sums.
Graph loop() {
  Graph graph;
  const std::int64_t count = 5;
  const ValueId trips =
      graph.add_constant("trips", DataType::kI64, {}, std::span<const std::int64_t>(&count, 1));
  const ValueId a = graph.add_value("a", kF32, {2}), b = graph.add_value("b", kF32, {2});
  graph.inputs = {a, b};
  for (int i = 0; i < 3; ++i) graph.outputs.push_back(graph.add_value("out"));
  Graph body = add_body({DataType::kI64, DataType::kBool}, {2});
  const ValueId sum = body.outputs[0];
  body.outputs = {body.inputs[1], sum, body.inputs[3], sum};
  graph.nodes = {{"Loop",
                  "loop",
                  {{"carried", std::int64_t(2)},
                   {"to_the_end", std::int64_t(1)},
                   {"free", std::vector<std::int64_t>{0, 0}}},
                  {trips, kNoValue, a, b},
                  graph.outputs,
                  {std::move(body)}}};
  return graph;
}

Graph scan() {
  Graph body = add_body({}, {});
  body.outputs.push_back(body.outputs[0]);
  Graph graph;
  const ValueId start = graph.add_value("start", kF32, {}), all = graph.add_value("all", kF32, {4});
  graph.inputs = {start, all};
  graph.outputs = {graph.add_value("last"), graph.add_value("sums")};
  graph.nodes = {{"Scan",
                  "scan",
                  {{"states", std::int64_t(1)}, {"scans", std::int64_t(1)}},
                  graph.inputs,
                  graph.outputs,
                  {std::move(body)}}};
  return graph;
}

}  // namespace

TEST(NoAllocation, TheCountersCount) {
#ifdef POLDER_SANITIZED
  GTEST_SKIP() << "sanitizers have an allocator and locks of their own";
#endif
  const auto counts = [](std::atomic<long>& counter, auto&& take) {
    const long before = counter;
    take();
    return counter > before;
  };
  EXPECT_TRUE(counts(g_allocations, [] { std::free(std::malloc(8)); }));
  EXPECT_TRUE(counts(g_allocations, [] { std::free(std::aligned_alloc(64, 64)); }));
  EXPECT_TRUE(counts(g_allocations, [] { const std::vector<int> nine(9); }));
  EXPECT_TRUE(counts(g_allocations, [] {
    struct alignas(64) Line {
      char bytes[64];
    };
    Line* volatile line = new Line;  // else the compiler leaves both out
    delete line;
  }));
  std::mutex mutex;
  EXPECT_TRUE(counts(g_locks, [&] { const std::lock_guard lock(mutex); }));
  std::shared_mutex shared;
  EXPECT_TRUE(counts(g_locks, [&] { const std::shared_lock lock(shared); }));
  EXPECT_TRUE(counts(g_locks, [&] { const std::unique_lock lock(shared); }));
}

TEST(NoAllocation, NoOperatorTakesMemoryOrALock) {
  std::vector<std::string> never;
  for (std::size_t i = 0; i < ops::all_ops().size(); ++i) {
    const ops::OpDef& def = *ops::all_ops()[i];
    const auto samples = ops::all_tools()[i]->samples;
    if (!samples) continue;
    int ran = 0;
    for (const ops::Sample& sample : samples()) {
      for (const bool free : {false, true}) {
        for (const int threads : {1, 2}) {
          SCOPED_TRACE(fmt::format("{} '{}'{}, {} threads", def.name, sample.name,
                                   free ? " free" : "", threads));
          ran += run_sample(def, sample, free, threads);
        }
      }
    }
    if (ran == 0) never.emplace_back(def.name);
  }
  EXPECT_EQ(never, std::vector<std::string>());
}

TEST(NoAllocation, ControlFlowTakesNoMemoryAndNoLock) {
  const std::vector<float> floats = {1, 2, 3, 4};
  const std::uint8_t flag = 1;
  const Bytes data = Bytes::copy_of(std::as_bytes(std::span(floats)));
  const Bytes yes = Bytes::copy_of(std::as_bytes(std::span(&flag, 1)));
  for (const int threads : {1, 2}) {
    for (auto [graph, first] :
         {std::pair(choice(), yes), std::pair(loop(), data), std::pair(scan(), data)}) {
      ASSERT_TRUE(ops::infer_graph(graph));
      SCOPED_TRACE(graph.nodes[0].op);
      EXPECT_TRUE(run_without_taking(std::move(graph), {first, data}, threads));
    }
  }
}

}  // namespace polder::compile
