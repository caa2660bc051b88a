// Real children that crash, hang, eat memory, spin, flood and babble; and, by fakes, their times.
#include "agent/supervisor.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>

#include "agent/testing.h"
#include "base/fail.h"
#include "platform/child_fake.h"

namespace polder::agent {
namespace {

proto::Start job() { return {.pipeline = "/p.toml"}; }
const proto::Ready kReady{{"camera", "detect"}, {"detect.score"}};
const ReleaseNames kNames{{"camera", "detect", "count"}, {"detect.score"}, {}, {}};

ReleaseNames with_classes(ClassNames classes) {
  ReleaseNames names = kNames;
  names.classes = std::move(classes);
  return names;
}

class RealWorkers : public testing::Test {
 protected:
  void SetUp() override {
    auto child = processes_.start({.command = {"/bin/true"}});
    if (!child.ok() && child.error().code == Code::kUnsupported)
      GTEST_SKIP() << child.error().message;
  }
  // A worker in Python: `ready` says it is ready, `say(b)` sends bytes.
  WorkerPolicy python(const std::string& program) {
    std::string hex;
    for (const char c : bytes_of(kReady)) hex += fmt::format("{:02x}", (unsigned char)(c));
    const std::string head =
        "import os, signal, socket, sys, time\n"
        "s = socket.socket(fileno=3)\n"
        "s.recv(1 << 17)\n"
        "say = s.send\n"
        "say(bytes.fromhex('" +
        hex + "'))\n";
    WorkerPolicy policy;
    policy.command = {"/usr/bin/python3", "-c", head + program};
    return policy;
  }
  // Polls until it has crashed (or ended), on the machine's clock; its reason.
  std::string reason(const WorkerPolicy& policy) {
    Supervisor supervisor(processes_, clock_, policy);
    supervisor.run(job(), kNames, {}, output_);
    for (int i = 0; i < 6000; ++i) {
      supervisor.poll();
      if (supervisor.phase() == WorkerPhase::kWaiting || supervisor.phase() == WorkerPhase::kEnded)
        break;
      clock_.sleep_until_us(clock_.now_us() + 10'000);
    }
    EXPECT_NE(supervisor.phase(), WorkerPhase::kRunning);
    crashes_ = supervisor.total().crashes;
    kept_bytes_ = supervisor.total().kept_bytes;
    return supervisor.reason();
  }
  void expect_crash(const WorkerPolicy& policy, std::string_view want) {
    const std::string found = reason(policy);
    EXPECT_NE(found.find(want), found.npos) << found;
    EXPECT_EQ(crashes_, 1u);
  }
  SystemProcesses processes_;
  SystemClock clock_;
  OutputPlace output_;
  std::uint64_t crashes_ = 0, kept_bytes_ = 0;
};

TEST_F(RealWorkers, OneThatCrashes) {
  expect_crash(python("os.kill(os.getpid(), signal.SIGSEGV)"), "signal 11");
  expect_crash(python("sys.exit(3)"), "status 3");
}

TEST_F(RealWorkers, OneThatHangs) {
  WorkerPolicy policy = python("time.sleep(1000)");
  policy.heartbeat_timeout_ms = 1;
  expect_crash(policy, "no sign of life");
}

TEST_F(RealWorkers, OneThatSpinsWithoutASign) {
  WorkerPolicy policy = python("while True: pass");
  policy.heartbeat_timeout_ms = 1;
  expect_crash(policy, "no sign of life");
}

TEST_F(RealWorkers, OneThatEatsMemory) {
  WorkerPolicy policy = python(
      "held = []\n"
      "try:\n"
      "  while True: held.append(bytearray(1 << 24))\n"
      "except MemoryError: os.abort()");
  policy.memory_bytes = 256 << 20;
  expect_crash(policy, "signal 6");
}

TEST_F(RealWorkers, OneThatSaysTooMuch) {
  WorkerPolicy policy = python("m = bytes.fromhex('" + [] {
    std::string hex;
    for (const char c : bytes_of(proto::Heartbeat{1, 1}))
      hex += fmt::format("{:02x}", (unsigned char)(c));
    return hex;
  }() + "')\nwhile True: say(m)");
  policy.messages_per_s = 1;
  policy.message_burst = 500;
  expect_crash(policy, "messages a second");
}

TEST_F(RealWorkers, OneThatBabbles) {
  expect_crash(python("say(os.urandom(1000)); time.sleep(1000)"), "worker message");
  expect_crash(python("say(bytes(66000)); time.sleep(1000)"), "");
  // A message of the other direction.
  const auto stop = proto::encode(proto::ToWorker(proto::Stop()));
  std::string hex;
  for (const char c : *stop) hex += fmt::format("{:02x}", (unsigned char)(c));
  expect_crash(python("say(bytes.fromhex('" + hex + "')); time.sleep(1000)"), "from a worker");
}

// On the channel of its output, while it says that it is well.
TEST_F(RealWorkers, OneThatFloodsItsOutput) {
  const std::string folder = testing::TempDir() + "polder-flood-" + std::to_string(::getpid());
  const auto hex_of = [](const auto& message) {
    std::string hex;
    const std::string bytes = proto::encode(message).value();
    for (const char c : bytes) hex += fmt::format("{:02x}", (unsigned char)(c));
    return hex;
  };
  const std::string head =
      "out = socket.socket(fileno=4)\nput = lambda h: out.send(bytes.fromhex(h))\n";
  const std::string create = "put('" + hex_of(proto::CreateFile{"events.jsonl", true}) + "')\n";
  output_ = {folder, 1 << 20};
  const auto kept_on_disk = [&] {
    std::uint64_t bytes = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder))
      bytes += entry.file_size();
    return bytes;
  };
  const auto expect = [&](const std::string& program, std::string_view want) {
    expect_crash(python(head + create + program), want);
    EXPECT_LE(kept_on_disk(), output_.cap_bytes);
  };
  // One that is merely fast is held back, and not ended.
  const std::string line = std::string(20'000, 'x') + "\n";
  const std::string beat = hex_of(proto::Heartbeat{1, 1});
  WorkerPolicy policy =
      python(head + create + "m = bytes.fromhex('" + hex_of(proto::WriteFile{0, 0, line}) +
             "')\nwhile True: out.send(m); say(bytes.fromhex('" + beat + "'))");
  policy.output_bytes_per_s = 1 << 20;
  policy.output_burst_bytes = 2 << 20;
  policy.heartbeat_timeout_ms = 1'000;
  {
    Supervisor supervisor(processes_, clock_, policy);
    supervisor.run(job(), kNames, {}, output_);
    const std::int64_t begin_us = clock_.now_us();
    for (; clock_.now_us() < begin_us + 3'000'000; clock_.sleep_until_us(clock_.now_us() + 10'000))
      supervisor.poll();
    EXPECT_EQ(supervisor.phase(), WorkerPhase::kRunning) << supervisor.reason();
    EXPECT_GT(supervisor.total().kept_bytes, 3u << 20);
    // The burst, what the time is worth, and what a socket holds.
    const double took_s = double(clock_.now_us() - begin_us) * 1e-6;
    EXPECT_LT(double(supervisor.total().kept_bytes), (2 + took_s + 1) * double(1 << 20));
    EXPECT_LE(kept_on_disk(), output_.cap_bytes);
  }
  expect("put('" + hex_of(proto::WriteFile{9, 0, "x"}) + "'); time.sleep(1000)", "not created");
  expect("out.send(bytes(70000)); time.sleep(1000)", "70000 bytes");
  expect("out.send(b'x'); time.sleep(1000)", "not a message");
  // What it had sent before it died is kept, and its number is known.
  expect("put('" + hex_of(proto::WriteFile{0, 0, "last\n"}) + "'); os.abort()", "signal 6");
  EXPECT_EQ(kept_bytes_, 5u);
  std::filesystem::remove_all(folder);
}

TEST_F(RealWorkers, OneThatIsNotThere) {
  WorkerPolicy policy;
  policy.command = {"/nowhere/polderd", "worker"};
  EXPECT_NE(reason(policy).find("cannot start"), std::string::npos);
  EXPECT_EQ(crashes_, 0u);
}

// --- times, on a clock that stands still ---

class Times : public testing::Test {
 protected:
  Times() {
    processes_.on_start = [this](const ChildOptions& options) {
      options_ = options;
      script_ = std::make_shared<FakeChildScript>();
      script_->on_message = [this](FakeChildScript& script, std::string_view bytes) {
        const auto message = proto::decode_to_worker(bytes);
        ASSERT_TRUE(message.ok());
        if (std::holds_alternative<proto::Start>(*message) && ready_)
          script.outbox.push_back(bytes_of(kReady));
        if (std::holds_alternative<proto::Stop>(*message)) {
          script.outbox.push_back(bytes_of(proto::Aggregates{.frames = 1}));
          script.outbox.push_back(bytes_of(proto::Ended{}));
          script.exit = ChildExit{};
        }
      };
      return Result<std::shared_ptr<FakeChildScript>>(script_);
    };
    policy_.command = {"/worker"};
  }
  void say(const proto::FromWorker& message) { script_->outbox.push_back(bytes_of(message)); }
  void pass_ms(std::int64_t ms) {
    clock_.advance_us(ms * 1000);
    supervisor_->poll();
  }
  void start() {
    supervisor_ = std::make_unique<Supervisor>(processes_, clock_, policy_);
    supervisor_->run(job(), with_classes({"person"}));
    supervisor_->poll();
  }
  void kill_worker() {
    script_->exit = ChildExit{.signal = SIGSEGV};
    supervisor_->poll();
  }
  ManualClock clock_;
  FakeProcesses processes_{clock_};
  std::shared_ptr<FakeChildScript> script_;
  ChildOptions options_;
  WorkerPolicy policy_;
  bool ready_ = true;
  std::unique_ptr<Supervisor> supervisor_;
};

TEST_F(Times, ContentKeysAreHadForEachStartAndKeptByNone) {
  proto::Start sealed = job();
  sealed.models = {{"detector", "/detector.plan", {}}};
  std::vector<std::string> sent;
  const auto scripted = processes_.on_start;
  processes_.on_start = [&](const ChildOptions& options) {
    auto script = scripted(options);
    script_->on_message = [&, next = script_->on_message](FakeChildScript& child,
                                                          std::string_view bytes) {
      const auto message = proto::decode_to_worker(bytes);
      if (const auto* start = std::get_if<proto::Start>(&*message))
        sent.emplace_back(start->models.at(0).content_key.view());
      next(child, bytes);
    };
    return script;
  };
  bool is_locked = false;
  int asked = 0;
  const FillKeys fill_keys = [&](proto::Start& start) -> Status {
    ++asked;
    if (is_locked) return Error{Code::kDenied, "the key is locked"};
    start.models[0].content_key = WipedBytes(std::string(32, char('a' + asked)));
    return {};
  };
  supervisor_ = std::make_unique<Supervisor>(processes_, clock_, policy_);
  supervisor_->run(sealed, kNames, fill_keys);
  supervisor_->poll();
  kill_worker();
  pass_ms(policy_.first_wait_ms);
  EXPECT_EQ(supervisor_->phase(), WorkerPhase::kRunning);
  EXPECT_EQ(sent, (std::vector{std::string(32, 'b'), std::string(32, 'c')}));
  EXPECT_EQ(supervisor_->job(), sealed);
  // It is not started without them.
  is_locked = true;
  kill_worker();
  pass_ms(policy_.longest_wait_ms);
  EXPECT_EQ(supervisor_->phase(), WorkerPhase::kWaiting);
  EXPECT_EQ(supervisor_->reason(), "the key is locked");
  EXPECT_EQ(sent.size(), 2u);
}

// A worker that hangs in a device's driver: no other is started beside it, and polderd goes on.
TEST_F(Times, OneThatTheKernelHoldsIsWaitedForInPasses) {
  start();
  script_->is_held = true;
  const auto held = script_;
  const std::int64_t begin_us = clock_.now_us();
  pass_ms(policy_.heartbeat_timeout_ms + 1);
  EXPECT_EQ(supervisor_->phase(), WorkerPhase::kWaiting);
  EXPECT_NE(supervisor_->reason().find("no sign of life"), std::string::npos);
  for (int i = 1; i <= 3; ++i) {
    pass_ms(policy_.longest_wait_ms);
    EXPECT_EQ(supervisor_->phase(), WorkerPhase::kWaiting);
    EXPECT_NE(supervisor_->reason().find("process 1 was ended and does not go"), std::string::npos);
    EXPECT_EQ(supervisor_->total().crashes, 1u);
  }
  EXPECT_EQ(processes_.started, 1);
  EXPECT_LT(clock_.now_us() - begin_us,
            (policy_.heartbeat_timeout_ms + 3 * policy_.longest_wait_ms + 5'000) * 1000);
  held->exit = ChildExit{.signal = SIGKILL};
  pass_ms(policy_.longest_wait_ms);
  EXPECT_EQ(supervisor_->phase(), WorkerPhase::kRunning);
  EXPECT_EQ(processes_.started, 2);
}

// No process can be had, or no key: no crash of the release, however long it lasts.
TEST_F(Times, WhatTheDeviceLacksIsNoCrash) {
  const auto scripted = processes_.on_start;
  for (const bool lacks_keys : {true, false}) {
    bool is_lacking = true;
    processes_.on_start =
        [&](const ChildOptions& options) -> Result<std::shared_ptr<FakeChildScript>> {
      if (is_lacking && !lacks_keys) return Error{Code::kDenied, "no process"};
      return scripted(options);
    };
    const FillKeys fill_keys = [&](proto::Start&) -> Status {
      return is_lacking ? Status(Error{Code::kDenied, "no key"}) : Status();
    };
    supervisor_ = std::make_unique<Supervisor>(processes_, clock_, policy_);
    supervisor_->run(job(), kNames, lacks_keys ? fill_keys : FillKeys());
    for (int failures = 1; failures <= 20; ++failures) {
      EXPECT_EQ(supervisor_->phase(), WorkerPhase::kWaiting);
      EXPECT_EQ(supervisor_->reason(), lacks_keys ? "no key" : "no process");
      EXPECT_EQ(supervisor_->code(), Code::kUnavailable);
      EXPECT_EQ(supervisor_->is_hindered(), failures >= policy_.crashes);
      EXPECT_EQ(supervisor_->failures_in_a_row(), failures);
      EXPECT_FALSE(supervisor_->is_crash_loop());
      pass_ms(policy_.longest_wait_ms);
    }
    EXPECT_EQ(supervisor_->total().crashes, 0u);
    is_lacking = false;
    pass_ms(policy_.longest_wait_ms);
    EXPECT_EQ(supervisor_->phase(), WorkerPhase::kRunning);
    EXPECT_FALSE(supervisor_->is_hindered());
    kill_worker();
    EXPECT_EQ(supervisor_->total().crashes, 1u);
  }
}

TEST_F(Times, RestartsComeLaterAndLater) {
  policy_.crashes = 100;
  start();
  std::int64_t want_ms = policy_.first_wait_ms;
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(supervisor_->phase(), WorkerPhase::kRunning);
    kill_worker();
    EXPECT_EQ(supervisor_->phase(), WorkerPhase::kWaiting);
    pass_ms(want_ms - 1);
    EXPECT_EQ(supervisor_->phase(), WorkerPhase::kWaiting) << i;
    pass_ms(1);
    EXPECT_EQ(supervisor_->phase(), WorkerPhase::kRunning) << i;
    want_ms = std::min(2 * want_ms, policy_.longest_wait_ms);
  }
  EXPECT_FALSE(supervisor_->is_crash_loop());
  // After a long time without one they begin anew.
  for (int i = 0; i < 700; ++i) {
    say(proto::Heartbeat{});
    pass_ms(1000);
  }
  kill_worker();
  pass_ms(policy_.first_wait_ms);
  EXPECT_EQ(supervisor_->phase(), WorkerPhase::kRunning);
}

TEST_F(Times, ACrashLoopIsSaidAndLeft) {
  start();
  for (int i = 1; i < policy_.crashes; ++i) {
    kill_worker();
    EXPECT_FALSE(supervisor_->is_crash_loop());
    pass_ms(policy_.longest_wait_ms);
  }
  kill_worker();
  EXPECT_TRUE(supervisor_->is_crash_loop());
  EXPECT_EQ(supervisor_->failures_in_a_row(), policy_.crashes);
  EXPECT_NE(supervisor_->reason().find("signal 11"), std::string::npos);
  pass_ms(policy_.longest_wait_ms);  // it is tried again all the same
  EXPECT_EQ(supervisor_->phase(), WorkerPhase::kRunning);
  EXPECT_TRUE(supervisor_->is_crash_loop());
  for (int i = 0; i < 601; ++i) {
    say(proto::Heartbeat{});
    pass_ms(1000);
  }
  EXPECT_FALSE(supervisor_->is_crash_loop());
  EXPECT_EQ(supervisor_->failures_in_a_row(), 0);
  // Another release begins with a clean sheet.
  for (int i = 0; i < policy_.crashes; ++i) {
    kill_worker();
    pass_ms(policy_.longest_wait_ms);
  }
  EXPECT_TRUE(supervisor_->is_crash_loop());
  supervisor_->run(job(), kNames);
  EXPECT_FALSE(supervisor_->is_crash_loop());
}

// It runs for 30 s and longer than before its last crash; the loop is kept for longer.
TEST_F(Times, OneThatRunsForLongerThanBeforeHasRecovered) {
  const auto run_s = [&](int seconds) {
    for (int i = 0; i < seconds; ++i) {
      say(proto::Heartbeat{});
      pass_ms(1000);
    }
  };
  start();
  for (int i = 0; i < policy_.crashes; ++i) {
    run_s(40);
    kill_worker();
    EXPECT_FALSE(supervisor_->has_recovered());
    pass_ms(policy_.longest_wait_ms);
  }
  run_s(40);
  EXPECT_FALSE(supervisor_->has_recovered());
  run_s(1);
  EXPECT_TRUE(supervisor_->has_recovered());
  EXPECT_TRUE(supervisor_->is_crash_loop());
  kill_worker();
  EXPECT_FALSE(supervisor_->has_recovered());
  start();
  run_s(29);
  EXPECT_FALSE(supervisor_->has_recovered());
  run_s(1);
  EXPECT_TRUE(supervisor_->has_recovered());
}

TEST_F(Times, CrashesThatAreFarApartAreNoLoop) {
  start();
  for (int i = 0; i < 10; ++i) {
    kill_worker();
    pass_ms(policy_.longest_wait_ms);
    for (int k = 0; k < 300; ++k) {
      say(proto::Heartbeat{});
      pass_ms(1000);
    }
    EXPECT_FALSE(supervisor_->is_crash_loop()) << i;
  }
}

TEST_F(Times, SilenceAndAStageThatHangs) {
  start();
  pass_ms(policy_.heartbeat_timeout_ms);
  EXPECT_EQ(supervisor_->phase(), WorkerPhase::kRunning);
  pass_ms(1);
  EXPECT_EQ(supervisor_->phase(), WorkerPhase::kWaiting);
  ASSERT_TRUE(script_->exit.has_value());
  EXPECT_EQ(script_->exit->signal, SIGKILL);
  start();
  say(proto::Heartbeat{.busy_ms = std::uint64_t(policy_.busy_timeout_ms)});
  pass_ms(1);
  EXPECT_EQ(supervisor_->phase(), WorkerPhase::kRunning);
  say(proto::Heartbeat{.busy_ms = std::uint64_t(policy_.busy_timeout_ms) + 1});
  pass_ms(1);
  EXPECT_EQ(supervisor_->phase(), WorkerPhase::kWaiting);
  ready_ = false;
  start();
  for (int i = 0; i < 60; ++i) {
    say(proto::Heartbeat{});
    pass_ms(1000);
    EXPECT_EQ(supervisor_->phase(), WorkerPhase::kStarting);
  }
  pass_ms(1);
  EXPECT_NE(supervisor_->reason().find("not ready"), std::string::npos);
}

TEST_F(Times, WhatItReports) {
  start();
  proto::Aggregates all{
      .frames = 5, .encoded_bytes = 100, .events = 1, .classes = {{0, 3}, {7, 2}}};
  all.stages.push_back({.stage = 1, .packets = 5});
  all.signals.push_back({.signal = 0});
  say(all);
  say(proto::Alarm{0, 2e4, 1e4});
  pass_ms(1);
  EXPECT_EQ(supervisor_->total().frames, 5u);
  EXPECT_EQ(supervisor_->total().classes.counts().at("person"), 3u);
  EXPECT_EQ(supervisor_->total().classes.counts().at("7"), 2u);
  EXPECT_EQ(supervisor_->total().stages.at("detect").packets, 5u);
  EXPECT_EQ(supervisor_->take_window().signals.at("detect.score").alarms, 1u);
  EXPECT_EQ(supervisor_->take_window().frames, 0u);
  ASSERT_EQ(supervisor_->take_alarms().size(), 1u);
  supervisor_->stop();
  EXPECT_EQ(supervisor_->total().frames, 6u);  // what it said at the end
  EXPECT_EQ(supervisor_->phase(), WorkerPhase::kStopped);
  EXPECT_EQ(supervisor_->total().crashes, 0u);
}

TEST_F(Times, WhatItMayNotSay) {
  proto::Aggregates of_no_stage, of_no_signal;
  of_no_stage.stages.push_back({.stage = 2});
  of_no_signal.signals.push_back({.signal = 1});
  for (const proto::FromWorker& message :
       {proto::FromWorker(of_no_stage), proto::FromWorker(of_no_signal), proto::FromWorker(kReady),
        proto::FromWorker(proto::Alarm{1, 1, 1}), proto::FromWorker(proto::ProbeResult{})}) {
    start();
    say(message);
    pass_ms(1);
    EXPECT_EQ(supervisor_->phase(), WorkerPhase::kWaiting) << message.index();
    EXPECT_EQ(supervisor_->total().frames, 0u);
  }
  // What is not its release's has no name of its own choice.
  for (const proto::Ready& ready :
       {proto::Ready{{"camera", "a number plate"}, {}}, proto::Ready{{"camera"}, {"a face"}},
        proto::Ready{{"shadow.people.old"}, {}}}) {
    ready_ = false;
    start();
    say(ready);
    pass_ms(1);
    EXPECT_EQ(supervisor_->phase(), WorkerPhase::kWaiting);
  }
  ready_ = false;
  start();
  say(proto::Aggregates{.frames = 1});
  pass_ms(1);
  EXPECT_EQ(supervisor_->phase(), WorkerPhase::kWaiting);
}

TEST_F(Times, AnEndWithoutAndWithAnError) {
  start();
  say(proto::Ended{});
  script_->exit = ChildExit{};
  pass_ms(1);
  EXPECT_EQ(supervisor_->phase(), WorkerPhase::kEnded);
  pass_ms(1'000'000);
  EXPECT_EQ(supervisor_->phase(), WorkerPhase::kEnded);
  EXPECT_EQ(supervisor_->total().crashes, 0u);
  start();
  say(proto::Ended{Code::kIo, "no camera"});
  script_->exit = ChildExit{.status = 1};
  pass_ms(1);
  EXPECT_EQ(supervisor_->phase(), WorkerPhase::kWaiting);
  EXPECT_EQ(supervisor_->reason(), "no camera");
}

}  // namespace
}  // namespace polder::agent
