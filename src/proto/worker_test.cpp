#include "proto/worker.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>

namespace polder::proto {
namespace {

Start start() {
  SignalBaseline baseline{.signal = "detector.score"};
  for (std::size_t i = 0; i < baseline.edges.size(); ++i) baseline.edges[i] = double(i) / 16;
  baseline.counts.fill(7);
  return {.pipeline = "/slots/people/a/pipeline.toml",
          .models = {{"detector.plan", "/slots/people/a/models/detector.plan"}},
          .settings = {"line.at=3"},
          .baselines = {baseline},
          .threads = 2,
          .aggregate_ms = 500,
          .has_output = true,
          .shadows = {{{"detector.plan", "/slots/people/b/models/detector.plan"}, 1e-3, 1e-2}}};
}

Probe probe() {
  return {.model = {"m", "/m.plan"},
          .goldens = {{"g", {{"x", "/x.npy"}}, {{"y", "/y.npy"}, {"z", "/z.npy"}}, 1e-3, 1e-4}},
          .threads = 1,
          .runs = 20};
}

Aggregates aggregates() {
  Aggregates all{.frames = 10,
                 .encoded_bytes = 1000,
                 .decoded_bytes = 100'000,
                 .event_bytes = 50,
                 .events = 2,
                 .classes = {{0, 4}, {3, 1}}};
  StageAggregate& stage = all.stages.emplace_back();
  stage.stage = 1;
  stage.packets = 10;
  for (int i = 1; i <= 10; ++i) stage.latency_ms.add(i);
  SignalAggregate& signal = all.signals.emplace_back();
  signal.values.add(0.5);
  signal.bins[8] = 1;
  return all;
}

template <class Message>
std::string bytes_of(const Message& message) {
  auto bytes = encode(message);
  EXPECT_TRUE(bytes.ok()) << bytes.error().message;
  return bytes.ok() ? *bytes : std::string();
}

template <class T>
void expect_same(const ToWorker& message) {
  const auto again = decode_to_worker(bytes_of(message));
  ASSERT_TRUE(again.ok()) << again.error().message;
  EXPECT_EQ(std::get<T>(*again), std::get<T>(message));
  EXPECT_EQ(decode_from_worker(bytes_of(message)).error().code, Code::kCorrupt);
}

template <class T>
void expect_back(const FromWorker& message) {
  const auto again = decode_from_worker(bytes_of(message));
  ASSERT_TRUE(again.ok()) << again.error().message;
  EXPECT_EQ(std::get<T>(*again), std::get<T>(message));
  EXPECT_EQ(decode_to_worker(bytes_of(message)).error().code, Code::kCorrupt);
}

TEST(WorkerMessages, ComeBackAsTheyWere) {
  expect_same<Start>(start());
  expect_same<Probe>(probe());
  expect_same<Stop>(Stop());
  expect_back<Ready>(Ready{{"camera", "detect"}, {"detect.score"}});
  expect_back<Heartbeat>(Heartbeat{12, 34});
  expect_back<Alarm>(Alarm{1, 2.5, 1e4});
  expect_back<ProbeResult>(ProbeResult{Code::kIncompatible, "golden 'g' differs", 3, 1.5, 1 << 20});
  expect_back<Ended>(Ended{});
  expect_back<Ended>(Ended{Code::kIo, "no camera"});
  expect_back<Ended>(Ended{Code::kExhausted, "no memory", true});
}

TEST(WorkerMessages, AggregatesComeBackAsTheyWere) {
  const Aggregates all = aggregates();
  const auto message = decode_from_worker(bytes_of(FromWorker(all)));
  ASSERT_TRUE(message.ok()) << message.error().message;
  const auto& again = std::get<Aggregates>(*message);
  EXPECT_EQ(again.frames, all.frames);
  EXPECT_EQ(again.encoded_bytes, all.encoded_bytes);
  EXPECT_EQ(again.decoded_bytes, all.decoded_bytes);
  EXPECT_EQ(again.event_bytes, all.event_bytes);
  EXPECT_EQ(again.events, all.events);
  EXPECT_EQ(again.classes, all.classes);
  ASSERT_EQ(again.stages.size(), 1u);
  EXPECT_EQ(again.stages[0].stage, 1);
  EXPECT_EQ(again.stages[0].packets, 10u);
  EXPECT_EQ(again.stages[0].latency_ms.buckets(), all.stages[0].latency_ms.buckets());
  ASSERT_EQ(again.signals.size(), 1u);
  EXPECT_EQ(again.signals[0].bins, all.signals[0].bins);
}

TEST(WorkerMessages, TheFullestSketchFits) {
  Aggregates all;
  StageAggregate& stage = all.stages.emplace_back();
  for (int i = 0; i <= telemetry::Sketch::kBuckets; ++i)
    stage.latency_ms.add(telemetry::Sketch::upper_bound(i) * 0.99), ++stage.packets;
  EXPECT_LT(bytes_of(FromWorker(all)).size(), 16'000u);
}

TEST(WorkerMessages, CapsHoldBothWays) {
  const auto code = [](const auto& message) { return encode(message).error().code; };
  Ready ready;
  ready.stages.resize(kMaxStages + 1, "x");
  EXPECT_EQ(code(FromWorker(ready)), Code::kExhausted);
  EXPECT_EQ(code(FromWorker(Ready{{std::string(kMaxNameBytes + 1, 'x')}, {}})), Code::kExhausted);
  EXPECT_EQ(code(FromWorker(Heartbeat{kMaxTotal + 1, 0})), Code::kCorrupt);
  EXPECT_EQ(code(FromWorker(Alarm{0, std::numeric_limits<double>::quiet_NaN(), 1})),
            Code::kCorrupt);
  Start late = start();
  late.threads = 65;
  EXPECT_EQ(code(ToWorker(late)), Code::kCorrupt);
  late = start();
  std::swap(late.baselines[0].edges[0], late.baselines[0].edges[5]);
  EXPECT_EQ(code(ToWorker(late)), Code::kCorrupt);
  late = start();
  late.pipeline.assign(kMaxPathBytes + 1, 'x');
  EXPECT_EQ(code(ToWorker(late)), Code::kExhausted);
  late = start();
  late.shadows[0].relative = -1;
  EXPECT_EQ(code(ToWorker(late)), Code::kCorrupt);
  late.shadows.assign(kMaxModels + 1, start().shadows[0]);
  EXPECT_EQ(code(ToWorker(late)), Code::kExhausted);
  EXPECT_EQ(code(FromWorker(Ended{{}, "", true})), Code::kCorrupt);
  Aggregates more;  // latencies than packets
  more.stages.push_back({.stage = 0, .packets = 1});
  more.stages[0].latency_ms.add(5, 2);
  EXPECT_EQ(code(FromWorker(more)), Code::kCorrupt);
  EXPECT_EQ(decode_from_worker(std::string(kMaxWorkerMessageBytes + 1, 0)).error().code,
            Code::kExhausted);
}

TEST(WorkerMessages, TextsOfErrorsAreCutAndPrintable) {
  const Ended ended{Code::kIo, "a\nb\x1b[31m\xff" + std::string(1000, 'x')};
  const auto again = decode_from_worker(bytes_of(FromWorker(ended)));
  ASSERT_TRUE(again.ok());
  const std::string& text = std::get<Ended>(*again).message;
  EXPECT_EQ(text.size(), kMaxErrorBytes);
  EXPECT_TRUE(text.starts_with("a?b?[31m?xxx"));
}

// Whatever a worker says is taken for a message that could be, or refused.
TEST(WorkerMessages, DamagedOnes) {
  std::mt19937_64 random(6);
  const std::string good[] = {bytes_of(FromWorker(aggregates())), bytes_of(ToWorker(start())),
                              bytes_of(ToWorker(probe())),
                              bytes_of(FromWorker(Ready{{"a"}, {"b"}}))};
  int taken = 0;
  for (const std::string& bytes : good) {
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      EXPECT_FALSE(decode_from_worker(bytes.substr(0, size)).ok() && size < 8);
      static_cast<void>(decode_to_worker(bytes.substr(0, size)));
    }
    for (int i = 0; i < 1000; ++i) {
      std::string damaged = bytes;
      for (int k = 0; k < 1 + i % 4; ++k) damaged[random() % damaged.size()] = char(random());
      if (const auto message = decode_from_worker(damaged); message.ok()) {
        ++taken;
        EXPECT_TRUE(encode(*message).ok());
      }
      if (const auto message = decode_to_worker(damaged); message.ok()) {
        EXPECT_TRUE(encode(*message).ok());
      }
    }
  }
  EXPECT_GT(taken, 0);
}

}  // namespace
}  // namespace polder::proto
