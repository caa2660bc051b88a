#include "pipeline/scheduler.h"

#include <gtest/gtest.h>

#include <mutex>
#include <random>
#include <thread>

#include "base/fail.h"
#include "platform/testing.h"

namespace polder::pipeline {
namespace {

constexpr NodeType kSource{.name = "source",
                           .group = "source",
                           .doc = {},
                           .options = {},
                           .inputs = {},
                           .output = PayloadKind::kEvents,
                           .make = nullptr};
constexpr NodeType kStep{.name = "step",
                         .group = "step",
                         .doc = {},
                         .options = {},
                         .inputs = {},
                         .output = PayloadKind::kEvents,
                         .make = nullptr};
constexpr NodeType kSink{.name = "sink",
                         .group = "sink",
                         .doc = {},
                         .options = {},
                         .inputs = {},
                         .output = PayloadKind::kNone,
                         .make = nullptr};

void wobble(int seed) {  // makes the real order of calls differ from run to run
  thread_local std::mt19937 random(std::hash<std::thread::id>()(std::this_thread::get_id()));
  std::this_thread::sleep_for(std::chrono::microseconds((random() + unsigned(seed)) % 150));
}

// Emits `count` packets, `step_us` apart; fails after them when told to.
class CountSource : public Node {
 public:
  CountSource(int count, std::int64_t step_us, bool fails = false)
      : count_(count), step_us_(step_us), fails_(fails) {}
  Status process(std::span<const Packet>, Emitter& out) override {
    if (next_ == count_) {
      if (fails_) return fail(Code::kCorrupt, "ends early");
      out.end();
      return {};
    }
    out.acquire<Events>().items.clear();
    out.emit(std::uint64_t(next_), next_ * step_us_);
    ++next_;
    return {};
  }
  std::optional<std::uint64_t> expected_packets() const override { return count_; }

 private:
  int count_, next_ = 0;
  std::int64_t step_us_;
  bool fails_;
};

class PassStep : public Node {
 public:
  explicit PassStep(int emit_every = 1) : emit_every_(emit_every) {}
  Status process(std::span<const Packet> inputs, Emitter& out) override {
    wobble(1);
    if (inputs[0].seq % std::uint64_t(emit_every_) == 0) {
      out.acquire<Events>();
      out.emit(inputs[0]);
    }
    return {};
  }

 private:
  int emit_every_;
};

// Notes what it got: "3" for one input, "3+3" for two.
class NoteSink : public Node {
 public:
  explicit NoteSink(int fails_at = -1) : fails_at_(fails_at) {}
  Status process(std::span<const Packet> inputs, Emitter&) override {
    wobble(2);
    if (int(inputs[0].seq) == fails_at_) return fail(Code::kExhausted, "disk full");
    for (std::size_t i = 0; i < inputs.size(); ++i)
      text_ += (i ? "+" : "") + std::to_string(inputs[i].seq);
    text_ += ' ';
    return {};
  }
  Status finish(Emitter&) override {
    text_ += "end";
    return {};
  }
  Status commit() override {
    text_ += " committed";
    return {};
  }
  const std::string& text() const { return text_; }

 private:
  int fails_at_;
  std::string text_;
};

struct Net {
  Graph graph;
  std::vector<std::unique_ptr<Node>> nodes;

  int add(const NodeType& type, std::unique_ptr<Node> node, std::int64_t cost_us = 0) {
    NodeSpec spec;
    spec.name = "n" + std::to_string(nodes.size());
    spec.type = &type;
    spec.cost_us = cost_us;
    graph.nodes.push_back(std::move(spec));
    nodes.push_back(std::move(node));
    return int(nodes.size()) - 1;
  }
  void join(int from, int to, int port = 0, Policy policy = Policy::kBlock, int capacity = 2) {
    graph.edges.push_back({from, to, port, policy, capacity});
  }
  Result<RunStats> run(int threads) { return run_pipeline(graph, nodes, {.threads = threads}); }
  const std::string& text(int node) {
    return static_cast<NoteSink&>(*nodes[std::size_t(node)]).text();
  }
};

std::uint64_t drops(const RunStats& stats, int node, DropReason reason) {
  return stats.nodes[std::size_t(node)].drops[std::size_t(reason)];
}

TEST(Scheduler, BlockingEdgesLoseNothingWithAnyThreads) {
  for (const int threads : {1, 2, 3}) {
    Net net;
    const int source = net.add(kSource, std::make_unique<CountSource>(20, 100));
    const int step = net.add(kStep, std::make_unique<PassStep>());
    const int sink = net.add(kSink, std::make_unique<NoteSink>());
    net.join(source, step, 0, Policy::kBlock, 1);
    net.join(step, sink, 0, Policy::kBlock, 1);
    const auto stats = net.run(threads);
    ASSERT_TRUE(stats.ok()) << stats.error().message;
    EXPECT_EQ(net.text(sink), "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 end committed");
    EXPECT_EQ(stats->frames, 20u);
    EXPECT_EQ(stats->nodes[std::size_t(step)].packets, 20u);
    EXPECT_LE(stats->nodes[std::size_t(sink)].max_queue, 1);
  }
}

// A diamond whose one branch passes every third packet: the join pairs by time and drops the rest.
TEST(Scheduler, JoinPairsByCaptureTimeAndCountsTheUnmatched) {
  for (const int threads : {1, 2}) {
    Net net;
    const int source = net.add(kSource, std::make_unique<CountSource>(10, 100));
    const int step = net.add(kStep, std::make_unique<PassStep>(3));
    const int sink = net.add(kSink, std::make_unique<NoteSink>());
    net.join(source, step);
    net.join(source, sink, 0, Policy::kBlock, 1);
    net.join(step, sink, 1, Policy::kBlock, 1);
    const auto stats = net.run(threads);
    ASSERT_TRUE(stats.ok()) << stats.error().message;
    EXPECT_EQ(net.text(sink), "0+0 3+3 6+6 9+9 end committed");
    EXPECT_EQ(drops(*stats, sink, DropReason::kUnmatched), 6u);
  }
}

// A step of 250 µs behind a source of 100 µs: which packets get through follows from virtual time.
TEST(Scheduler, DropsFollowVirtualTime) {
  for (const int threads : {1, 2, 3}) {
    for (int repeat = 0; repeat < 3; ++repeat) {
      Net net;
      const int source = net.add(kSource, std::make_unique<CountSource>(12, 100));
      const int step = net.add(kStep, std::make_unique<PassStep>(), 250);
      const int sink = net.add(kSink, std::make_unique<NoteSink>());
      net.join(source, step, 0, Policy::kLatest, 1);
      net.join(step, sink);
      const auto stats = net.run(threads);
      ASSERT_TRUE(stats.ok());
      EXPECT_EQ(net.text(sink), "0 2 5 7 10 11 end committed") << threads;
      EXPECT_EQ(drops(*stats, step, DropReason::kSuperseded), 6u);
    }
  }
}

TEST(Scheduler, DropOldestKeepsTheNewestOfItsCapacity) {
  for (const int threads : {1, 2}) {
    Net net;
    const int source = net.add(kSource, std::make_unique<CountSource>(6, 100));
    const int step = net.add(kStep, std::make_unique<PassStep>(), 10'000);
    const int sink = net.add(kSink, std::make_unique<NoteSink>());
    net.join(source, step, 0, Policy::kDropOldest, 2);
    net.join(step, sink);
    const auto stats = net.run(threads);
    ASSERT_TRUE(stats.ok());
    EXPECT_EQ(net.text(sink), "0 4 5 end committed");
    EXPECT_EQ(drops(*stats, step, DropReason::kOverflow), 3u);
  }
}

TEST(Scheduler, LatePacketsAreCountedAndDroppedWhereTheSinkSaysSo) {
  for (const bool drop : {false, true}) {
    Net net;
    const int source = net.add(kSource, std::make_unique<CountSource>(4, 100));
    const int step = net.add(kStep, std::make_unique<PassStep>(), 150);
    const int sink = net.add(kSink, std::make_unique<NoteSink>());
    net.graph.nodes[std::size_t(source)].deadline_us = 200;
    net.graph.nodes[std::size_t(sink)].drop_late = drop;
    net.join(source, step, 0, Policy::kDropOldest, 8);  // dropping: virtual time counts
    net.join(step, sink);
    const auto stats = net.run(2);
    ASSERT_TRUE(stats.ok());
    // Done at 150, 300, 450, 600; due at 200, 300, 400, 500.
    EXPECT_EQ(net.text(sink), drop ? "0 1 end committed" : "0 1 2 3 end committed");
    EXPECT_EQ(stats->nodes[std::size_t(sink)].late, 2u);
    EXPECT_EQ(drops(*stats, sink, DropReason::kLate), drop ? 2u : 0u);
  }
}

TEST(Scheduler, AFailedSourceKeepsWhatCameBefore) {
  Net net;
  const int source = net.add(kSource, std::make_unique<CountSource>(3, 100, true));
  const int sink = net.add(kSink, std::make_unique<NoteSink>());
  net.join(source, sink);
  const auto stats = net.run(2);
  ASSERT_TRUE(stats.ok());
  EXPECT_EQ(net.text(sink), "0 1 2 end committed");
  ASSERT_EQ(stats->problems.size(), 1u);
  EXPECT_EQ(stats->problems[0], "node 'n0': ends early");
}

TEST(Scheduler, AFailedSinkFailsTheRunAndCommitsNothing) {
  Net net;
  const int source = net.add(kSource, std::make_unique<CountSource>(50, 100));
  const int bad = net.add(kSink, std::make_unique<NoteSink>(5));
  const int good = net.add(kSink, std::make_unique<NoteSink>());
  net.join(source, bad);
  net.join(source, good);
  const auto stats = net.run(2);
  ASSERT_FALSE(stats.ok());
  EXPECT_EQ(stats.error().message, "node 'n1': disk full");
  EXPECT_EQ(net.text(good).find("committed"), std::string::npos);
}

TEST(Scheduler, ThreadsThatCannotBeStartedFailTheRun) {
  Net net;
  const int source = net.add(kSource, std::make_unique<CountSource>(20, 100));
  const int sink = net.add(kSink, std::make_unique<NoteSink>());
  net.join(source, sink);
  const NoNewThreads limit;
  const auto stats = net.run(4);
  ASSERT_FALSE(stats.ok());
  EXPECT_EQ(stats.error().code, Code::kExhausted);
  EXPECT_NE(stats.error().message.find("of 4 cannot be started"), std::string::npos)
      << stats.error().message;
  EXPECT_EQ(net.text(sink), "");  // neither ended nor committed
}

class HungryStep : public Node {
 public:
  Status process(std::span<const Packet> inputs, Emitter& out) override {
    out.acquire<Events>();
    if (inputs[0].seq == 5) take_all_memory();
    return out.emit(inputs[0]), Status();
  }
};

// Whichever thread it happens on.
TEST(Scheduler, RunningOutOfMemoryFailsTheRun) {
  for (const int threads : {1, 3}) {
    for (int repeat = 0; repeat < 10; ++repeat) {
      Net net;
      const int source = net.add(kSource, std::make_unique<CountSource>(20, 100));
      const int step = net.add(kStep, std::make_unique<HungryStep>());
      const int sink = net.add(kSink, std::make_unique<NoteSink>());
      net.join(source, step);
      net.join(step, sink);
      const auto stats = net.run(threads);
      ASSERT_FALSE(stats.ok());
      EXPECT_EQ(stats.error().code, Code::kExhausted);
      EXPECT_TRUE(stats.error().message.starts_with("node 'n1': out of memory"))
          << stats.error().message;
      EXPECT_EQ(net.text(sink).find("committed"), std::string::npos);
    }
  }
}

TEST(Scheduler, StopEndsTheSources) {
  std::atomic<bool> stop{true};
  Net net;
  const int source = net.add(kSource, std::make_unique<CountSource>(1'000'000, 100));
  const int sink = net.add(kSink, std::make_unique<NoteSink>());
  net.join(source, sink);
  const auto stats = run_pipeline(net.graph, net.nodes, {.threads = 1, .stop = &stop});
  ASSERT_TRUE(stats.ok());
  EXPECT_EQ(net.text(sink), "end committed");
}

TEST(Scheduler, RealTimeWaitsForTheClock) {
  ManualClock clock;
  Net net;
  const int source = net.add(kSource, std::make_unique<CountSource>(5, 1'000'000));
  const int sink = net.add(kSink, std::make_unique<NoteSink>());
  net.join(source, sink, 0, Policy::kLatest, 1);
  const auto stats =
      run_pipeline(net.graph, net.nodes, {.threads = 1, .realtime = true, .clock = &clock});
  ASSERT_TRUE(stats.ok());
  EXPECT_EQ(net.text(sink), "0 1 2 3 4 end committed");
  EXPECT_GE(clock.now_us(), 4'000'000);
}

TEST(LatencyHistogram, PercentilesAreWithinThreePercent) {
  LatencyHistogram histogram;
  for (int i = 1; i <= 1000; ++i) histogram.add(i * 10'000);
  EXPECT_NEAR(histogram.percentile_ms(0.5), 5.0, 0.16);
  EXPECT_NEAR(histogram.percentile_ms(0.99), 9.9, 0.32);
  EXPECT_EQ(histogram.count(), 1000u);
  EXPECT_EQ(LatencyHistogram().percentile_ms(0.5), 0);
}

TEST(PayloadPool, GivesBackWhatIsReleased) {
  PayloadPool pool(PayloadKind::kImage, 2);
  {
    const PayloadRef a = pool.acquire(), b = pool.acquire();
    EXPECT_TRUE(a && b);
    EXPECT_FALSE(pool.acquire());
    EXPECT_EQ(pool.idle(), 0);
  }
  EXPECT_EQ(pool.idle(), 2);
}

}  // namespace
}  // namespace polder::pipeline
