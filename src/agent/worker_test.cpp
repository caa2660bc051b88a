// A real pipeline with a real plan, in a confined process, under its supervisor.
#include "agent/worker.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "agent/supervisor.h"

namespace polder::agent {
namespace {

constexpr char kPipeline[] = R"([pipeline]
name = "loudness"

[[node]]
name = "microphone"
type = "wav_file"
path = "sound.wav"

[[node]]
name = "window"
type = "audio_window"
inputs = ["microphone"]

[[node]]
name = "infer"
type = "infer"
inputs = ["window"]
model = "loudness"

[[node]]
name = "speech"
type = "vad_smooth"
inputs = ["infer"]

[[node]]
name = "events"
type = "json_lines"
inputs = ["speech"]
path = "events.jsonl"
)";
constexpr int kBlocks = 10;

class Worker : public testing::Test {
 protected:
  void SetUp() override {
    auto child = processes_.start({.command = {"/bin/true"}});
    if (!child.ok() && child.error().code == Code::kUnsupported)
      GTEST_SKIP() << child.error().message;
    folder_ =
        std::filesystem::temp_directory_path() / ("polder-worker-" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder_);
    std::ofstream(folder_ / "pipeline.toml") << kPipeline;
    write_sound();
    job_ = {.pipeline = folder_ / "pipeline.toml",
            .models = {{"loudness", POLDER_SOURCE_DIR "/tests/data/agent/loudness.plan"}},
            .aggregate_ms = 20};
    policy_.command = {POLDER_WORKER};
  }
  void TearDown() override {
    if (!folder_.empty()) std::filesystem::remove_all(folder_);
  }
  // 16-bit samples of +-0.5 at 16 kHz.
  void write_sound() {
    const auto u32 = [](std::uint32_t n) { return std::string(reinterpret_cast<char*>(&n), 4); };
    const auto u16 = [](std::uint16_t n) { return std::string(reinterpret_cast<char*>(&n), 2); };
    std::string data;
    for (int i = 0; i < kBlocks * 512; ++i) data += u16(std::uint16_t(i % 2 ? 16384 : -16384));
    const std::string format = u16(1) + u16(1) + u32(16000) + u32(32000) + u16(2) + u16(16);
    std::ofstream(folder_ / "sound.wav", std::ios::binary)
        << "RIFF" + u32(std::uint32_t(36 + data.size())) + "WAVEfmt " + u32(16) + format + "data" +
               u32(std::uint32_t(data.size())) + data;
  }
  void run_until_over(Supervisor& supervisor) {
    supervisor.run(job_);
    for (int i = 0; i < 6000; ++i) {
      supervisor.poll();
      if (supervisor.phase() == WorkerPhase::kEnded || supervisor.phase() == WorkerPhase::kWaiting)
        return;
      clock_.sleep_until_us(clock_.now_us() + 10'000);
    }
  }
  SystemProcesses processes_;
  SystemClock clock_;
  WorkerPolicy policy_;
  proto::Start job_;
  std::filesystem::path folder_;
};

TEST_F(Worker, RunsAPipelineAndReportsNumbers) {
  proto::SignalBaseline quiet{.signal = "microphone.rms"};
  for (std::size_t i = 0; i < quiet.edges.size(); ++i) quiet.edges[i] = double(i + 1) / 16;
  quiet.counts[0] = 1'000'000;
  job_.baselines = {quiet};
  Supervisor supervisor(processes_, clock_, policy_);
  run_until_over(supervisor);
  ASSERT_EQ(supervisor.phase(), WorkerPhase::kEnded) << supervisor.reason();
  const Observed& seen = supervisor.total();
  EXPECT_EQ(seen.frames, std::uint64_t(kBlocks));
  EXPECT_EQ(seen.encoded_bytes, kBlocks * 512 * 2u);
  EXPECT_EQ(seen.crashes, 0u);
  // Every block passed the model; what each call took is there.
  EXPECT_GE(seen.stages.at("infer").packets, std::uint64_t(kBlocks));
  EXPECT_GE(seen.stages.at("infer").latency_ms.count(), std::uint64_t(kBlocks));
  const Observed::Signal& rms = seen.signals.at("microphone.rms");
  EXPECT_EQ(rms.values.count(), std::uint64_t(kBlocks));
  EXPECT_NEAR(rms.values.quantile(0.5), 0.5, 0.02);
  EXPECT_EQ(rms.bins[8] + rms.bins[7], std::uint64_t(kBlocks));
  // Sinks without a folder write nowhere.
  EXPECT_FALSE(std::filesystem::exists(folder_ / "events.jsonl"));
}

TEST_F(Worker, WritesEventsWhereItMay) {
  job_.output_folder = folder_ / "out";
  job_.output_bytes = 1 << 20;
  Supervisor supervisor(processes_, clock_, policy_);
  run_until_over(supervisor);
  ASSERT_EQ(supervisor.phase(), WorkerPhase::kEnded) << supervisor.reason();
  const auto size = std::filesystem::file_size(folder_ / "out/events.jsonl");
  EXPECT_GT(size, 0u);
  EXPECT_EQ(supervisor.total().kept_bytes, size);
  EXPECT_EQ(supervisor.total().dropped_bytes + supervisor.total().lost_bytes, 0u);
}

TEST_F(Worker, SaysWhatIsWrongWithARelease) {
  const auto reason = [&] {
    Supervisor supervisor(processes_, clock_, policy_);
    run_until_over(supervisor);
    EXPECT_EQ(supervisor.phase(), WorkerPhase::kWaiting);
    EXPECT_EQ(supervisor.total().crashes, 1u);
    return supervisor.reason();
  };
  const auto has = [](const std::string& text, std::string_view part) {
    return testing::AssertionResult(text.find(part) != text.npos) << text;
  };
  job_.models[0].name = "another";
  EXPECT_TRUE(has(reason(), "no model"));
  job_.models[0] = {"loudness", folder_ / "sound.wav"};
  EXPECT_TRUE(has(reason(), "not a plan"));
  job_.pipeline = folder_ / "none.toml";
  EXPECT_TRUE(has(reason(), "none.toml"));
}

TEST_F(Worker, StopsWhenItIsTold) {
  Supervisor supervisor(processes_, clock_, policy_);
  supervisor.run(job_);
  for (int i = 0; i < 3000 && supervisor.phase() == WorkerPhase::kStarting; ++i) {
    supervisor.poll();
    clock_.sleep_until_us(clock_.now_us() + 1'000);
  }
  ASSERT_EQ(supervisor.phase(), WorkerPhase::kRunning) << supervisor.reason();
  supervisor.stop();
  EXPECT_EQ(supervisor.phase(), WorkerPhase::kStopped);
  EXPECT_EQ(supervisor.total().crashes, 0u);
}

}  // namespace
}  // namespace polder::agent
