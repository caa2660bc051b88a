// Reports on their way to a collector that takes them, refuses them, is not there.
#include "agent/exporter.h"

#include <gtest/gtest.h>

#include <deque>
#include <thread>

#include "agent/testing.h"
#include "base/fail.h"
#include "platform/storage_fake.h"
#include "trust/json.h"

namespace polder::agent {
namespace {

class FakeRunner final : public Runner {
 public:
  Status probe(const std::string&, Slot, const ReleaseId&, const Alive&) override { return {}; }
  Status run(const std::string&, Slot, const ReleaseId&) override { return {}; }
  void stop(const std::string&) override {}
  Status shadow(const std::string&, Slot, const ReleaseId&) override { return {}; }
  void end_shadow(const std::string&) override {}
  void poll() override {}
  agent::UnitHealth health(const std::string&) override { return {Health::kWell, ""}; }
};
// Answers in turn; kIo stands for 2xx. Used by the exporter's thread, which the test waits for.
class FakeCollector final : public HttpClient {
 public:
  struct Posted {
    std::string url, type, body;
  };
  std::deque<Code> refusals;
  std::vector<Posted> posted;
  std::int64_t asks_for_s = 0;

  Result<HttpReply> get(const HttpRequest&, HttpSink&) override {
    return fail(Code::kUnsupported, "only posts");
  }
  Result<HttpReply> post(const HttpRequest& request, std::string_view type, std::string_view body,
                         HttpSink&) override {
    posted.push_back({request.url, std::string(type), std::string(body)});
    if (refusals.empty()) return HttpReply{.status = 200};
    const Code code = refusals.front();
    refusals.pop_front();
    if (code == Code::kIo) return HttpReply{.status = 200};
    return fail(code, "refused");
  }
  std::int64_t retry_after_s() const override { return asks_for_s; }
};

class ExporterTest : public testing::Test {
 protected:
  FakeStorage disk;
  ManualClock clock;
  ManualWallClock wall{1'796'000'100};
  FakeRunner runner;
  NoUnits units;
  FakeCollector collector;
  Config config = parse_config("device = \"camera-17\"\nmodels = \"people\"\n", "test").value();
  AgentState state;
  std::unique_ptr<Reporter> reporter;
  std::unique_ptr<Exporter> exporter;

  void SetUp() override {
    state.boot = 3;
    state.units["people"] = {};
    reporter = std::make_unique<Reporter>(
        config, ReporterParts{disk, clock, wall, runner, units, {}, "/nowhere"});
    exporter = std::make_unique<Exporter>(collector, "http://collector:4318", clock);
    reporter->start(state);  // one notice
  }
  void refuse(const std::string& text) {
    reporter->note({.act = trust::Act::kReleaseRefused, .object = "people", .text = text});
  }
  void metrics(int count) {
    for (int i = 0; i < count; ++i) {
      clock.advance_us(300'000'000);
      reporter->poll(state);
    }
  }
  // Until nothing is due any more.
  void all() {
    do {
      exporter->poll(*reporter);
      std::this_thread::yield();
    } while (exporter->is_busy());
  }
};

TEST_F(ExporterTest, SendsTheMostUrgentFirstAndForgetsThem) {
  metrics(2);
  refuse("below the floor");
  all();
  ASSERT_EQ(collector.posted.size(), 2u);
  EXPECT_EQ(collector.posted[0].url, "http://collector:4318/v1/logs");
  EXPECT_EQ(collector.posted[1].url, "http://collector:4318/v1/metrics");
  EXPECT_EQ(collector.posted[1].type, "application/json");
  const auto logs = trust::Json::parse(collector.posted[0].body, "logs");
  ASSERT_TRUE(logs.ok());
  EXPECT_EQ(logs->find("resourceLogs")->array()->size(), 2u);
  EXPECT_NE(collector.posted[0].body.find("camera-17/3/0000000000000000/4"), std::string::npos);
  EXPECT_LT(collector.posted[0].body.find("release_refused"),
            collector.posted[0].body.find("lifecycle.started"));
  EXPECT_EQ(reporter->ring()->count(), 0u);
  EXPECT_EQ(reporter->standing().delivered, (ReportKey{3, 3}));
  EXPECT_EQ(reporter->now().sent_bytes,
            collector.posted[0].body.size() + collector.posted[1].body.size());
  EXPECT_EQ(reporter->now().lost, 0u);
}

TEST_F(ExporterTest, WaitsLongerAndLongerForOneThatIsNotThere) {
  collector.refusals.assign(100, Code::kUnavailable);
  std::vector<std::size_t> tries;
  for (int i = 0; i < 4; ++i) {
    all();
    tries.push_back(collector.posted.size());
    clock.advance_us(10'000'000);
  }
  // At 0, after 5 (seen at 10), then 10 (at 20), then 20.
  EXPECT_EQ(tries, (std::vector<std::size_t>{1, 2, 3, 3}));
  EXPECT_EQ(reporter->ring()->count(), 1u);
  EXPECT_EQ(reporter->standing().error, "collector: refused");
  collector.refusals.clear();
  clock.advance_us(300'000'000);
  all();
  EXPECT_EQ(reporter->ring()->count(), 0u);
  EXPECT_EQ(reporter->standing().error, "");
}

TEST_F(ExporterTest, StaysAwayAsLongAsItIsAsked) {
  collector.refusals = {Code::kUnavailable};
  collector.asks_for_s = 100;
  all();
  clock.advance_us(99'000'000);
  all();
  EXPECT_EQ(collector.posted.size(), 1u);
  clock.advance_us(1'000'000);
  all();
  EXPECT_EQ(collector.posted.size(), 2u);
  EXPECT_EQ(reporter->ring()->count(), 0u);
}

// One that is refused for good costs itself alone.
TEST_F(ExporterTest, AReportThatIsRefusedAloneIsGivenUp) {
  refuse("one");
  refuse("two");
  // All three together, the first alone; then the second is taken, and so on.
  collector.refusals = {Code::kInvalid, Code::kInvalid};
  all();
  EXPECT_EQ(reporter->ring()->count(), 0u);
  EXPECT_EQ(reporter->now().lost, 1u);
  EXPECT_GE(collector.posted.size(), 3u);
}

TEST_F(ExporterTest, OfflineTimesAreBridged) {
  collector.refusals.assign(1000, Code::kUnavailable);
  for (int i = 0; i < 40; ++i) {
    metrics(1);
    all();
  }
  EXPECT_EQ(reporter->ring()->count(), 41u);
  collector.refusals.clear();
  collector.posted.clear();
  clock.advance_us(300'000'000);
  all();
  std::size_t sent = 0;
  for (const FakeCollector::Posted& post : collector.posted) {
    const auto body = trust::Json::parse(post.body, "body");
    ASSERT_TRUE(body.ok());
    for (const char* name : {"resourceMetrics", "resourceLogs"})
      if (const trust::Json* list = body->find(name)) sent += list->array()->size();
  }
  EXPECT_EQ(sent, 41u);
  EXPECT_EQ(reporter->ring()->count(), 0u);
}

}  // namespace
}  // namespace polder::agent
